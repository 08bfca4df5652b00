"""What holds for every claim: no verdict without data, none by emulation, and what was not measured says why."""

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace as with_fields
from tests.reports.claims.known import EXPECTED, KNOWN, MODULES
from tests.reports.claims.known.architecture import HYPERVISORS
from tests.reports.claims.known.rows import KVM, E, S, around, series

from envbench.records.phases import Experiment, Phase
from envreport.claims import BY_ID, CLAIMS, Verdict, judge, judge_all
from envreport.claims.conditions import ConditionKind
from envreport.claims.judge import Missing, explain_missing
from envreport.claims.model import Need
from envreport.claims.verdict import Basis
from envreport.results.backends import Side

NEED = Need(Experiment.WSL, "own_kernel", (Side.WSL,))


def notes(rows: Any, **note: str) -> Any:
    return rows.results({"skips": [note]} if note else {})


def test_an_experiment_that_could_not_be_done_gives_its_own_reason_and_remedy(rows: Any) -> None:
    found = notes(rows, experiment="wsl", what="all", reason="this is not WSL", remedy="run it inside WSL")
    assert explain_missing((NEED,), found) == Missing(
        "The wsl experiment could not be done: this is not WSL", "run it inside WSL", measurable=False
    )


def test_without_a_note_the_command_is_named(rows: Any) -> None:
    speed = Need(Experiment.SIZE, "disk", (Side.VM,))
    other = notes(rows, experiment="speed", what="disk", reason="no disk", remedy="give it one")
    for found in (notes(rows), other):
        assert explain_missing((speed,), found) == Missing(
            "The size experiment was not part of this run", "`envbench size`", measurable=True
        )


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_claim_has_known_answers(module: ModuleType) -> None:
    source = import_module(f"envreport.claims.{module.__name__.rpartition('.')[2]}")
    assert list(module.KNOWN) == [each.id for each in source.CLAIMS]
    assert set(KNOWN) == set(BY_ID)


def test_without_data_nothing_is_answered(rows: Any) -> None:
    for found in judge_all(rows.results()):
        if found.verdict in {Verdict.NOT_TESTABLE, Verdict.NOT_MEASURED}:
            assert found.claim.by_references is None, found.claim.id
            assert found.reason
            assert found.remedy
        else:
            assert found.verdict is found.claim.by_references, found.claim.id
            assert found.verdict.basis is Basis.LITERATURE
            assert "by its references" in found.label
            assert found.claim.reading
            assert found.claim.reference


def test_what_was_no_part_of_a_run_is_told_apart_from_what_cannot_be_measured(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=around(0.3 * S))(rows)
    found = {each.claim.id: each for each in judge_all(rows.results({"host": {"layers": []}}))}
    assert found["size-mb-gb"].verdict is Verdict.NOT_MEASURED
    assert found["size-mb-gb"].label == "not measured in this run"
    assert found["start-faster"].verdict is Verdict.NOT_MEASURED
    assert found["wsl-integration"].verdict is Verdict.NOT_TESTABLE
    kvm = {"backends": {"skipped": [{"name": "qemu", "reason": "not installed", "remedy": "apt install qemu"}]}}
    without = judge(BY_ID["start-faster"], rows.results(kvm))
    assert without.verdict is Verdict.NOT_TESTABLE
    assert "apt install qemu" in without.remedy
    rows.add(E.STARTUP, "qemu", Phase.READY, [None] * 3, variant=KVM, outcome="failed", detail="no firmware")
    failed = judge(BY_ID["start-faster"], rows.results())
    assert failed.verdict is Verdict.NOT_TESTABLE
    assert "3 of 3 starts failed (no firmware)" in failed.reason


def test_no_claim_is_answered_by_a_party_that_gave_no_answer(make_rows: Any) -> None:
    """Every claim's rows without those of one side: the verdict must not name what was not asked."""
    for claim_id, known in KNOWN.items():
        whole = make_rows()
        for build in (known.supports, known.contradicts):
            if build is not None:
                build(whole)
        for vm in (True, False):
            rows = make_rows()
            (known.supports or known.contradicts or (lambda _: None))(rows)
            rows.samples[:] = [each for each in rows.samples if (each.backend in {"qemu", "libvirt"}) is not vm]
            found = judge(
                BY_ID[claim_id], rows.results(HYPERVISORS["supports"] if claim_id == "desktop-hosted" else {})
            )
            named = {key.backend for finding in found.findings for key in finding.keys}
            assert named <= {each.backend for each in rows.samples}, claim_id
            if found.verdict in EXPECTED.values() and not rows.samples:
                assert claim_id == "desktop-hosted"


@pytest.mark.parametrize(
    "claim_id", [each.id for each in CLAIMS if each.whole_system and not each.id.startswith("size-")]
)
def test_a_claim_on_whole_systems_holds_for_a_minimal_guest_only_where_no_other_ran(claim_id: str, rows: Any) -> None:
    supports = KNOWN[claim_id].supports
    assert supports
    supports(rows)
    minimal = judge(BY_ID[claim_id], rows.results())
    payload = "payload" if claim_id == "memory-app-only" else "guest"
    assert minimal.label == f"supported for a minimal {payload} only"
    whole = [with_fields(each, profile="distro") for each in rows.samples]
    rows.samples.extend(whole)
    both_ran = judge(BY_ID[claim_id], rows.results())
    assert both_ran.label == "supported"
    assert {key.profile for each in both_ran.findings if each.decides for key in each.keys} == {"distro"}
    assert "minimal" in {key.profile for each in both_ran.findings if not each.decides for key in each.keys}


def test_claims_that_nothing_settles_are_answered_by_their_references(rows: Any) -> None:
    for build in (KNOWN["start-faster"].supports, KNOWN["kernel-shared"].supports):
        assert build
        build(rows)
    verdicts = {each.claim.id: each.verdict for each in judge_all(rows.results())}
    assert verdicts["hypervisor-types"] is Verdict.PARTLY_RIGHT
    assert verdicts["hypervisor-terms"] is verdicts["emulation-os"] is Verdict.WRONG
    assert verdicts["windows-containers"] is Verdict.RIGHT


@pytest.mark.parametrize("claim_id", ["start-faster", "cycle-rapid", "memory-overhead", "speed-vm-slower", "idle-cost"])
def test_emulation_never_supports_for_hardware(claim_id: str, rows: Any) -> None:
    supports = KNOWN[claim_id].supports
    assert supports
    supports(rows)
    emulated = [with_fields(each, variant=each.variant.replace("kvm", "tcg")) for each in rows.samples]
    rows.samples[:] = emulated
    found = judge(BY_ID[claim_id], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.tcg_only
    assert "under software emulation only" in found.label
    assert ConditionKind.ACCELERATOR in {each.kind for each in found.conditions}
