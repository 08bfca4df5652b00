"""Images, disks or kernels of the user's own that took turns in one run, each pair with a verdict.

Pairs differ in nothing else: same backend, same other settings. What a run calls faster or slower errs, all pairs
together, in 5 % of the runs at most (Holm 1979).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from envbench.records.metrics import metric
from envbench.records.phases import OWN_KEYS, Experiment, Phase, Unit
from envbench.records.samples import variant_keys, variant_text
from envreport import units
from envreport.compare import Change, change_by_test, change_word
from envreport.results import BackendKey, Results, SeriesKey
from envreport.results.backends import label
from envreport.statistics import estimates
from envreport.statistics.figures import Estimate


@dataclass(frozen=True, slots=True)
class OwnPair:
    """Two of the user's own things on one backend; `ratio` is the second's time to ready over the first's.

    Hodges and Lehmann's ratio with its rank-sum interval; `p` is Holm's, None where there are no values to test.
    """

    first: BackendKey
    second: BackendKey
    key: str
    """What differs: "image", "disk" or "kernel"."""
    counts: tuple[int, int]
    ratio: Estimate | None
    p: float | None
    change: Change
    why: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called."""
        return variant_keys(self.first.variant)[self.key], variant_keys(self.second.variant)[self.key]

    @property
    def backend(self) -> str:
        """The backend in words, without what differs."""
        keys = variant_keys(self.first.variant)
        return label(self.first.backend, variant_text({name: keys[name] for name in keys if name != self.key}), "")

    @property
    def sentence(self) -> str:
        """The verdict with its figures, in a sentence without its full stop."""
        first, second = self.names
        words = {
            Change.SAME: f"{second} is as fast as {first}",
            Change.INCONCLUSIVE: f"cannot tell {second} from {first}",
        }.get(self.change, f"{second} is {self.change} than {first}")
        ratio = f"time to ready {units.estimate_text(self.ratio, Unit.RATIO, 1.0)}" if self.ratio else ""
        return f"{self.backend}: {words} ({'; '.join(filter(None, (ratio, self.why)))})"

    def record(self) -> dict[str, Any]:
        """Return the pair as plain values."""
        interval = self.ratio.interval if self.ratio else None
        return {
            "backend": self.first.backend,
            "profile": self.first.profile,
            "key": self.key,
            "first": self.names[0],
            "second": self.names[1],
            "first_variant": self.first.variant,
            "second_variant": self.second.variant,
            "verdict": change_word(self.change),
            "ratio": self.ratio.value if self.ratio else None,
            "ratio_low": interval.low if interval else None,
            "ratio_high": interval.high if interval else None,
            "p_holm": self.p,
            "n_first": self.counts[0],
            "n_second": self.counts[1],
            "why": self.why,
        }


def own_pairs(results: Results) -> tuple[OwnPair, ...]:
    """Return each pair of the user's own things that were started on the same backend, in the order asked for."""
    pairs = list(_pairs(results))
    tested = [pair for pair in pairs if all(_values(results, key) for key in pair[1:])]
    adjusted = estimates.holm(
        [estimates.rank_sum_probability(*(_values(results, key) for key in p[1:])) for p in tested]
    )
    return tuple(_judged(results, *pair, dict(zip(tested, adjusted, strict=True)).get(pair)) for pair in pairs)


def _pairs(results: Results) -> Iterator[tuple[str, BackendKey, BackendKey]]:
    groups: dict[tuple[str, ...], list[BackendKey]] = {}
    for experiment, backend in results.starts:
        keys = variant_keys(backend.variant)
        if experiment is Experiment.STARTUP:
            for own in filter(keys.__contains__, OWN_KEYS):
                rest = variant_text({name: value for name, value in keys.items() if name != own})
                groups.setdefault((own, backend.backend, backend.profile, rest), []).append(backend)
    for (own, name, *_), members in groups.items():
        order = _order_asked(results, name, own)
        members.sort(key=lambda each: order.get(variant_keys(each.variant)[own], len(order)))
        yield from ((own, first, second) for first, second in combinations(members, 2))


def _order_asked(results: Results, backend: str, key: str) -> Mapping[str, int]:
    """Return the place of each of the user's own things in the run's variants of this backend."""
    found = (dict(one) for used in results.run.backends.used if used.name == backend for one in used.variants)
    return {name: place for place, name in enumerate(dict.fromkeys(one[key] for one in found if key in one))}


def _values(results: Results, key: BackendKey) -> tuple[float, ...]:
    series = results.series.get(SeriesKey(Experiment.STARTUP, *key, Phase.READY))
    return series.values if series else ()


def _judged(results: Results, key: str, first: BackendKey, second: BackendKey, p: float | None) -> OwnPair:
    before, after = _values(results, first), _values(results, second)
    ratio = estimates.typical_ratio(after, before)
    why = "; ".join(filter(None, (_failed(results, key, each) for each in (first, second))))
    if p is None or any(_mostly_failed(results, each) for each in (first, second)):
        change = Change.INCONCLUSIVE
    else:
        change = change_by_test(ratio, p, metric(Phase.READY))
        few = ratio is None or ratio.interval is None
        why = why or ("too few starts for an interval" if few else "")
    return OwnPair(first, second, key, (len(before), len(after)), ratio, p, change, why)


def _failed(results: Results, key: str, backend: BackendKey) -> str:
    failure = results.failure(Experiment.STARTUP, backend)
    return f"{variant_keys(backend.variant)[key]}: {failure}" if failure else ""


def _mostly_failed(results: Results, backend: BackendKey) -> bool:
    """Return whether no fewer starts failed than worked: those that worked do not speak for all then."""
    failed = results.failed(Experiment.STARTUP, backend)
    return bool(failed) and 2 * failed >= results.starts.get((Experiment.STARTUP, backend), 0)
