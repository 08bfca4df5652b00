"""What many hosts' answers add up to: counts, what could not be told, hosts unlike their group, differences."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from envinspect.fleet.answers import BARE_METAL, NONE, NOT_RECORDED, Host
from envinspect.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ALL = "all hosts"
MOST_RATIO = 0.9
"""So many of a group's hosts must be alike before the others are worth naming."""
MIN_GROUP = 10
"""In a smaller group one host is a tenth or more: no outlier."""
NOT_DETERMINED = "not determined"
NAMED = 5
"""How many names a line holds; JSON, CSV and the page have them all."""
NO_ANSWER = "no answer"


class Count(Record):
    """How many hosts have a value."""

    value: str
    hosts: int


class Outlier(Record):
    """Hosts of a group that have a value that hardly any of it has; `usual` is what most have."""

    group: str
    of: int
    value: str
    usual: str
    hosts: tuple[str, ...]


class Difference(Record):
    """A host whose value is another one than before; "" stands for a host that was not asked then, or is not now."""

    host: str
    before: str
    now: str


class Fleet(Record):
    """The view. `differences` is None where there is nothing to compare with."""

    by: str
    hosts: tuple[Host, ...]
    counts: tuple[Count, ...]
    outliers: tuple[Outlier, ...]
    differences: tuple[Difference, ...] | None

    @property
    def undetermined(self) -> tuple[Host, ...]:
        """Hosts that answered, and too little could be read there to tell."""
        return tuple(host for host in self.hosts if host.answered and not host.determined)

    @property
    def silent(self) -> tuple[Host, ...]:
        """Hosts that did not answer."""
        return tuple(host for host in self.hosts if not host.answered)


def stack_of(host: Host) -> str:
    """Return the layers, innermost first: "docker in kvm", "bare-metal"; what is around what was found may be open."""
    ground = [] if any(kind in ("vm", "wsl") for kind in host.kinds) else [BARE_METAL if host.bare_metal else ""]
    names = [*reversed(host.layers), *ground]
    found = " in ".join(name for name in names if name)
    return found if host.determined else f"{found} ({NOT_DETERMINED})" if found else NOT_DETERMINED


def why_open(host: Host) -> str:
    """Return what could not be read on a host, in words."""
    return f"not read: {named(host.unread)}" if host.unread else "its answer does not record what could not be read"


def named(names: Sequence[str]) -> str:
    """Return the first of these names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _container(host: Host) -> str:
    """Return the innermost container or sandbox."""
    inner = [name for name, kind in zip(host.layers, host.kinds) if kind in ("container", "sandbox")]
    return inner[-1] if inner else NONE if host.determined else NOT_DETERMINED


def _cloud(host: Host) -> str:
    return host.cloud or (NONE if host.determined else NOT_DETERMINED)


def _kernel(host: Host) -> str:
    return host.kernel or NOT_RECORDED


VALUES: dict[str, Callable[[Host], str]] = {
    "stack": stack_of,
    "cloud": _cloud,
    "container": _container,
    "kernel": _kernel,
}
"""What hosts can be counted by; of a host that answered."""


def view_of(
    hosts: Sequence[Host],
    by: str = "stack",
    groups: Mapping[str, frozenset[str]] | None = None,
    before: Sequence[Host] | None = None,
) -> Fleet:
    """Return the view of these hosts. `groups` are those of an inventory; without them all hosts are one."""
    values = values_of(hosts, by)
    ordered = sorted(Counter(values.values()).items(), key=lambda each: (-each[1], each[0]))
    return Fleet(
        by,
        tuple(hosts),
        tuple(Count(value, number) for value, number in ordered),
        tuple(_outliers(values, groups or {ALL: frozenset(values)})),
        None if before is None else tuple(_differences(before, hosts, by)),
    )


def values_of(hosts: Sequence[Host], by: str) -> dict[str, str]:
    """Return the value of each host that answered."""
    value = VALUES[by]
    return {host.name: value(host) for host in hosts if host.answered}


def _outliers(values: Mapping[str, str], groups: Mapping[str, frozenset[str]]) -> Iterator[Outlier]:
    for name, members in sorted(groups.items()):
        told = {host: values[host] for host in sorted(members) if host in values}
        if len(told) < MIN_GROUP:
            continue
        counts = Counter(told.values())
        usual, most = counts.most_common(1)[0]
        if most < MOST_RATIO * len(told):
            continue
        for value in sorted(set(counts) - {usual}):
            yield Outlier(name, len(told), value, usual, tuple(host for host in told if told[host] == value))


def _differences(before: Sequence[Host], now: Sequence[Host], by: str) -> Iterator[Difference]:
    tables = [_table(hosts, by) for hosts in (before, now)]
    for name in sorted({*tables[0], *tables[1]}):
        old, new = (table.get(name, "") for table in tables)
        if old != new:
            yield Difference(name, old, new)


def _table(hosts: Sequence[Host], by: str) -> dict[str, str]:
    return {**{host.name: NO_ANSWER for host in hosts}, **values_of(hosts, by)}
