"""What holds for all systems' inner layers: each id is reached, each rule has a case, markers alone decide nothing."""

from __future__ import annotations

import functools

import pytest
from tests.inspector.captured_systems import answer_for, answers

from envinspect.model import Kind, Strength
from envinspect.signatures.by_probe import SIGNS
from envinspect.signatures.catalogue import lineage
from envinspect.signatures.containers import FILESYSTEMS, FOLDERS, MANAGERS, SCOPES, STORAGE
from envinspect.signatures.inner_catalogue import INNER
from envinspect.signatures.orchestrators import ENGINE_MOUNTS, VARIABLES


@functools.cache
def reached() -> frozenset[tuple[Kind, str]]:
    found: set[tuple[Kind, str]] = set()
    for stack in (answer.stack for answer in answers()):
        marks = (*stack.layers, *stack.roles, stack.cloud, *stack.orchestrators, stack.engine)
        found |= {(mark.kind, mark.id) for mark in marks if mark}
        found |= {(piece.kind, piece.id) for piece in stack.evidence if piece.strength > Strength.HINT}
    return frozenset(found)


UNREACHED = {
    "wsl-host": "is found by asking Windows, not in files",
}


def test_every_id_is_answered_for_some_system() -> None:
    missing = {entry.id for entry in INNER if (entry.kind, entry.id) not in reached()}
    assert missing == UNREACHED.keys()


def test_every_row_of_the_tables_names_a_known_id_and_its_source() -> None:
    known = {entry.id for entry in INNER}
    for row in (*SCOPES, *FOLDERS, *STORAGE, *FILESYSTEMS, *VARIABLES, *ENGINE_MOUNTS):
        assert row.id in known
        assert row.reference.startswith("https://")
    assert set(MANAGERS.values()) <= known


def test_every_sign_that_a_probe_is_said_to_look_for_is_found_somewhere() -> None:
    seen = {(piece.id, piece.source, piece.reference) for answer in answers() for piece in answer.stack.evidence}
    # The name of a container manager may be refined by what else is found.
    seen |= {(more, *place) for found, *place in seen for kind in Kind for more in lineage(kind, found)}
    sources: dict[tuple[str, str], set[str]] = {}
    for found, source, reference in seen:
        sources.setdefault((found, reference), set()).add(source)
    lost = [row for row in SIGNS if not any(s.startswith(row.source) for s in sources.get((row.id, row.reference), ()))]
    assert lost == []


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
