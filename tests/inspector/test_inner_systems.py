"""What holds for all systems' inner layers: each id is reached, each rule has a case, markers alone decide nothing."""

import functools
from pathlib import Path

import pytest

from envinspect.captured import read_capture
from envinspect.inspection import Answer, inspect
from envinspect.model import Kind, Strength
from envinspect.overrules_inner import INNER_RULES
from envinspect.signatures.containers import FILESYSTEMS, FOLDERS, MANAGERS, SCOPES, STORAGE
from envinspect.signatures.entry import Entry
from envinspect.signatures.inner_catalogue import INNER
from envinspect.signatures.orchestrators import ENGINE_MOUNTS, VARIABLES

SYSTEMS = Path(__file__).parent.parent / "systems"
NAMES = sorted(folder.name for folder in SYSTEMS.iterdir() if (folder / "expect.toml").is_file())
INNER_KINDS = (Kind.CONTAINER, Kind.SANDBOX, Kind.CHROOT)


@functools.cache
def answer_for(name: str) -> Answer:
    return inspect(read_capture(str(SYSTEMS / name)))


@functools.cache
def reached() -> frozenset[tuple[Kind, str]]:
    found: set[tuple[Kind, str]] = set()
    for name in NAMES:
        stack = answer_for(name).stack
        marks = (*stack.layers, *stack.roles, stack.cloud, stack.orchestrator, stack.engine)
        found |= {(mark.kind, mark.id) for mark in marks if mark}
        found |= {(piece.kind, piece.id) for piece in stack.evidence if piece.strength > Strength.HINT}
    return frozenset(found)


UNREACHED = {
    "wsl-host": "is found by asking Windows, not in files",
}


@pytest.mark.parametrize("entry", INNER, ids=lambda entry: f"{entry.kind.word}-{entry.id}")
def test_id_is_answered_for_some_system(entry: Entry) -> None:
    if entry.id in UNREACHED:
        pytest.skip(UNREACHED[entry.id])
    assert (entry.kind, entry.id) in reached()


@pytest.mark.parametrize("rule", INNER_RULES, ids=lambda rule: rule.name)
def test_rule_overrules_something_somewhere(rule: object) -> None:
    name = getattr(rule, "name", "")
    assert any(item.rule == name for system in NAMES for item in answer_for(system).stack.overruled)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_namespaces_and_real_traces_make_a_container(name: str) -> None:
    for layer in answer_for(name).stack.layers:
        if layer.kind in INNER_KINDS:
            assert any(piece.strength > Strength.HINT for piece in layer.evidence)


@pytest.mark.parametrize("name", NAMES)
def test_no_scheduler_statistics_are_asked_for(name: str) -> None:
    """Until Linux 4.14 it showed the host's PID of a container's init; it misleads since."""
    assert "/proc/1/sched" not in answer_for(name).facts.files


def test_every_row_of_the_tables_names_a_known_id_and_its_source() -> None:
    known = {entry.id for entry in INNER}
    for row in (*SCOPES, *FOLDERS, *STORAGE, *FILESYSTEMS, *VARIABLES, *ENGINE_MOUNTS):
        assert row.id in known
        assert row.reference.startswith("https://")
    assert set(MANAGERS.values()) <= known


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("docker-fakes", "docker-cgroup-v2"),
        ("docker-without-marker-non-root", "docker-cgroup-v2"),
        ("unpacked-docker-image", "bare-runc"),
    ],
)
def test_markers_change_nothing_where_the_truth_is_known(marked: str, plain: str) -> None:
    layers = [[layer.id for layer in answer_for(name).stack.layers] for name in (marked, plain)]
    assert layers[0] == layers[1]
