"""Reads a folder of answers, one file a host: what `--json` prints, or what Ansible's tree of results holds.

An answer comes from a host and is not trusted: of each key only a value of the right kind is taken.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from envinspect.model import Record
from envinspect.model.errors import UsageError

ANSWER_LIMIT_BYTES = 16 << 20
BARE_METAL = "bare-metal"
NOT_RECORDED = "not recorded"
NONE = "none"


class Host(Record):
    """One host's answer in short. `error` says why there is none; then all else is empty.

    `layers` and `kinds` are outermost first. `kernel` is None where the answer does not record it, as that of Ansible's
    facts does not; `cloud` and `orchestrator` are None where nothing spoke for one. `unread` names what could not be
    read, as "ERROR SOURCE".
    """

    name: str
    summary: str = ""
    determined: bool = False
    bare_metal: bool = False
    layers: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    cloud: str | None = None
    orchestrator: str | None = None
    kernel: str | None = None
    unread: tuple[str, ...] = ()
    error: str = ""

    @property
    def answered(self) -> bool:
        """Whether the host answered at all, determined or not."""
        return not self.error


def read_answers(folder: str) -> tuple[Host, ...]:
    """Return the hosts of a folder by name; hidden files and what is no file are passed by.

    A file that is no answer is a host with an error. Raises UsageError where the folder cannot be read or is empty.
    """
    try:
        with os.scandir(folder) as entries:
            paths = {_host(each.name): each.path for each in sorted(entries, key=lambda each: each.name)
                     if _is_answer(each)}  # fmt: skip
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", remedy="a folder of answers, one file a host") from error
    if not paths:
        raise UsageError(
            f"{folder}: no answer in it",
            remedy="ansible all -m envinspect.envinspect.environment_facts -a answers=FOLDER",
        )
    return tuple(_read(name, path) for name, path in sorted(paths.items()))


def _is_answer(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and not entry.name.endswith((".tar.gz", ".retry")) and entry.is_file()


def _host(file: str) -> str:
    return file.removesuffix(".json")


def _read(name: str, path: str) -> Host:
    try:
        if Path(path).stat().st_size > ANSWER_LIMIT_BYTES:
            return Host(name, error=f"no answer: larger than {ANSWER_LIMIT_BYTES >> 20} MiB")
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        return Host(name, error=f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Host(name, error="no answer: this is no JSON")
    return _answer(name, found)


def _answer(name: str, found: Any) -> Host:
    if not isinstance(found, dict):
        return Host(name, error="no answer: this is no JSON object")
    if found.get("schema") == "envinspect/1":
        return _whole(name, found)
    facts = _dict(_dict(found.get("ansible_facts")).get("envinspect"))
    if facts:
        return _in_short(name, facts)
    words = _text(found.get("msg"))
    if words is None:
        return Host(name, error="no answer: neither envinspect --json nor a result of environment_facts")
    state = "unreachable" if found.get("unreachable") is True else "failed"
    return Host(name, error=f"{state}: {' '.join(words.split())}")


def _whole(name: str, found: dict[str, Any]) -> Host:
    layers = [each for each in _list(found.get("layers")) if isinstance(each, dict)]
    unknown = [each for each in _list(found.get("unknown")) if isinstance(each, dict)]
    return Host(
        name,
        summary=_text(found.get("summary")) or "",
        determined=found.get("determined") is True,
        bare_metal=found.get("bare_metal") is True,
        layers=_texts(each.get("id") for each in layers),
        kinds=_texts(each.get("kind") for each in layers),
        cloud=_text(_dict(found.get("cloud")).get("id")),
        orchestrator=_text(_dict(found.get("orchestrator")).get("id")),
        kernel=_text(_dict(found.get("host")).get("kernel")),
        unread=tuple(f"{each.get('error')} {each.get('source')}" for each in unknown),
    )


def _in_short(name: str, facts: dict[str, Any]) -> Host:
    return Host(
        name,
        summary=_text(facts.get("summary")) or "",
        determined=facts.get("determined") is True,
        bare_metal=facts.get("bare_metal") is True,
        layers=_texts(_list(facts.get("layers"))),
        kinds=_texts(_list(facts.get("kinds"))),
        cloud=_text(facts.get("cloud")),
        orchestrator=_text(facts.get("orchestrator")),
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))


def read_groups(path: str) -> dict[str, frozenset[str]]:
    """Return the groups of `ansible-inventory --list`: name → hosts, those of groups inside it among them.

    Raises UsageError where the file cannot be read or is none.
    """
    remedy = "ansible-inventory --list > FILE"
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: this is no JSON", remedy=remedy) from error
    if not isinstance(found, dict):
        raise UsageError(f"{path}: this is no inventory", remedy=remedy)
    names = [name for name in found if name not in ("_meta", "all", "ungrouped")]
    groups = {name: frozenset(_members(found, name, frozenset())) for name in names}
    return {name: hosts for name, hosts in groups.items() if hosts}


def _members(groups: dict[str, Any], name: str, above: frozenset[str]) -> set[str]:
    group = _dict(groups.get(name))
    found = set(_texts(_list(group.get("hosts"))))
    for child in _texts(_list(group.get("children"))):
        if child not in above:
            found |= _members(groups, child, above | {name})
    return found
