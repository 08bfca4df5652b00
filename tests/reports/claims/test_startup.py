"""The verdicts of the claims on starting."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.rows import KVM, E, S, around, series
from tests.reports.claims.known.startup import KNOWN, startup_shares

from envbench.records.phases import Phase
from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


def test_a_whole_system_decides_against_the_minimal_guest(rows: Any) -> None:
    """Firmware and kernel are most of a minimal guest's start and a part of Debian's."""
    startup_shares(tuple(0.97 * each for each in (0.98, 0.99, 1, 1, 1, 1, 1, 1)))(rows)
    assert judge(BY_ID["start-why-kernel"], rows.results()).verdict is Verdict.SUPPORTED
    for order in range(100, 108):
        for phase, value in ((Phase.READY, 30 * S), (Phase.KERNEL, 9 * S)):
            rows.add(E.STARTUP, "qemu", phase, [value], variant=KVM, profile="distro", orders=[order])
    assert judge(BY_ID["start-why-kernel"], rows.results()).verdict is Verdict.CONTRADICTED


def test_the_words_of_a_claim_are_judged_apart(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=around(0.3 * S))(rows)
    found = judge(BY_ID["start-container-ms"], rows.results())
    assert {each.about: each.answer for each in found.findings} == {
        "in milliseconds: docker": "holds",
        "almost instantly: docker": "fails",
    }
    assert "almost instantly" in found.why
    assert "The rest holds: in milliseconds" in found.why


def test_half_of_the_starts_failed_is_no_median(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu=around(5 * S), docker=around(0.3 * S))(rows)
    rows.add(E.STARTUP, "docker", Phase.READY, [None] * 8, outcome="failed", detail="no space")
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "half of its starts failed" in found.why


def test_emulated_vm_below_a_minute_contradicts_minutes(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu_tcg=around(5 * S))(rows)
    found = judge(BY_ID["start-vm-minutes"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert not found.tcg_only
    assert "KVM too" in found.why


def test_emulated_vm_above_a_minute_says_nothing_about_kvm(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu_tcg=around(90 * S))(rows)
    found = judge(BY_ID["start-vm-minutes"], rows.results())
    assert (found.verdict, found.tcg_only) == (Verdict.SUPPORTED, True)


def test_hardware_decides_where_both_were_measured(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu_tcg=around(5 * S), docker=around(1 * S))(rows)
    series(E.STARTUP, Phase.READY, qemu=around(0.5 * S))(rows)
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert len(found.findings) == 2


def test_an_unknown_accelerator_counts_as_emulated(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.READY, around(5 * S)).add(E.STARTUP, "docker", Phase.READY, around(1 * S))
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.tcg_only
    assert "accelerator not recorded" in {each.words for each in found.conditions}


def test_too_few_starts_decide_nothing(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=[0.3 * S] * 5)(rows)
    assert judge(BY_ID["start-container-ms"], rows.results()).verdict is Verdict.INCONCLUSIVE


def test_a_users_own_image_is_not_held_against_a_machine_with_another_payload(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.READY, around(2 * S), variant=KVM)
    rows.add(E.STARTUP, "docker", Phase.READY, around(0.3 * S), profile="own")
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "with the other's payload" in found.reason
    rows.add(E.STARTUP, "qemu", Phase.READY, around(20 * S), variant=f"{KVM};boot=disk", profile="own")
    assert judge(BY_ID["start-faster"], rows.results()).verdict is Verdict.SUPPORTED


def test_failed_starts_are_not_fast(rows: Any) -> None:
    rows.add(E.STARTUP, "docker", Phase.READY, around(0.3 * S))
    rows.add(E.STARTUP, "docker", Phase.READY, [None] * 6, outcome="timed_out", detail="no ready line")
    found = judge(BY_ID["start-container-seconds"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("6 of 14 starts failed" in each.words for each in found.conditions)


def test_floor_guest_is_no_vm(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.READY, around(0.1 * S), variant=KVM, profile="floor")
    assert judge(BY_ID["start-vm-minutes"], rows.results()).verdict is Verdict.NOT_MEASURED


def from_nothing(rows: Any, vm: float, container: float, *, vm_keys: str = "", keys: str = "base=absent") -> None:
    variants = ";".join(filter(None, (KVM, vm_keys)))
    rows.add(E.DEPLOY, "qemu", "deploy_ready", around(vm), variant=variants, profile="service")
    rows.add(E.DEPLOY, "docker", "deploy_ready", around(container), variant=keys, profile="service")


def cycles(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.CYCLE, around(30 * S), variant=KVM, profile="service")
    rows.add(E.STARTUP, "docker", Phase.CYCLE, around(1 * S), profile="service")


@pytest.mark.parametrize(
    ("vm", "container", "verdict"),
    [
        (60 * S, 6 * S, Verdict.SUPPORTED),
        (6 * S, 60 * S, Verdict.CONTRADICTED),
    ],
)
def test_rapid_deployment_has_a_transfer_in_it_where_one_was_measured(
    rows: Any, vm: float, container: float, verdict: Verdict
) -> None:
    cycles(rows)
    from_nothing(rows, vm, container)
    assert judge(BY_ID["cycle-rapid"], rows.results()).verdict is verdict


def test_without_a_transfer_the_cycle_alone_decides(rows: Any) -> None:
    cycles(rows)
    assert judge(BY_ID["cycle-rapid"], rows.results()).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("vm_keys", "keys"), [("", "base=there"), ("", "bandwidth=1Mbit;base=absent"), ("bandwidth=1Gbit", "base=absent")]
)
def test_a_base_that_was_there_or_another_bandwidth_decides_nothing(rows: Any, vm_keys: str, keys: str) -> None:
    cycles(rows)
    from_nothing(rows, 6 * S, 60 * S, vm_keys=vm_keys, keys=keys)
    found = judge(BY_ID["cycle-rapid"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert any("from nothing" in each.about for each in found.findings) is (keys == "base=there")


def test_the_firmware_is_no_kernel(rows: Any) -> None:
    """A start of 10 s with 4 s of firmware and 3 s of kernel is not slow because of its kernel, nor without it."""
    for order in range(8):
        for phase, value in ((Phase.READY, 10 * S), (Phase.FIRMWARE, 4 * S), (Phase.KERNEL, 3 * S)):
            rows.add(E.STARTUP, "qemu", phase, [value], variant=KVM, orders=[order])
    found = judge(BY_ID["start-why-kernel"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "with the firmware only" in found.why
    assert found.figure.startswith("kernel's share of a start, qemu (KVM): median 30 %")
    assert "; with the firmware median 70 %" in found.figure


def test_a_share_is_not_rounded_to_its_bound(rows: Any) -> None:
    startup_shares((0.5004,) * 8)(rows)
    found = judge(BY_ID["start-why-kernel"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert "median 50.04 %" in found.figure


def test_where_backends_disagree_both_sides_are_the_figure(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=around(0.3 * S), runc=around(0.05 * S), podman=around(0.1 * S))(rows)
    found = judge(BY_ID["start-container-ms"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "almost instantly: docker" in found.figure
    assert "almost instantly: runc" in found.figure
    assert "almost instantly: podman" not in found.figure


def test_who_never_got_ready_is_named_beside_a_verdict_on_its_kind(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=around(0.3 * S), qemu=around(5 * S))(rows)
    rows.add(E.STARTUP, "podman", Phase.READY, [None] * 3, outcome="failed", detail="no space")
    rows.add(E.STARTUP, "qemu", Phase.READY, [None] * 2, variant=KVM, profile="distro", outcome="failed", detail="dead")
    said = [each.words for each in judge(BY_ID["start-faster"], rows.results()).conditions]
    assert "without podman: 3 of 3 starts failed (no space)" in said
    minutes = judge(BY_ID["start-vm-minutes"], rows.results())
    assert minutes.label == "contradicted for a minimal guest only"
    assert "without qemu (KVM) · distro: 2 of 2 starts failed (dead)" in [each.words for each in minutes.conditions]
    assert not any("podman" in each.words for each in minutes.conditions), "no machine"


def test_a_guest_under_kvm_that_fails_is_no_emulated_one(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu=around(5 * S), libvirt_tcg=around(90 * S))(rows)
    found = judge(BY_ID["start-vm-minutes"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert "emulated" not in found.why
