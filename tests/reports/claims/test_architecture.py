"""The verdicts of the claims on kernels, operating systems, emulation and hypervisors."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.architecture import EMULATES, KNOWN, REFUSED, WSL2, foreign
from tests.reports.claims.known.rows import KVM, TCG, E, host, seen

from envbench.records.phases import Phase
from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


def test_equal_kernels_of_containers_alone_say_nothing_of_distributions(rows: Any) -> None:
    seen(E.KERNEL, "host", all_kernels_equal=0)(rows)
    seen(E.KERNEL, "docker", boot_id_equals_host=1)(rows)
    found = judge(BY_ID["distro-kernel"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "VM" in found.reason


def test_examples_are_counted_and_never_any(rows: Any) -> None:
    seen(E.KERNEL, "qemu", guest_not_linux_ready=1)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).label == "supported by 1 example on this one host"
    seen(E.KERNEL, "qemu", guest_other_arch_ready=1)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).label == "supported by 2 examples on this one host"


def test_an_emulator_is_no_hypervisor(rows: Any) -> None:
    seen(E.KERNEL, "docker", hypervisor_process=0, needs_kvm_device=0)(rows)
    rows.add(E.KERNEL, "qemu", "hypervisor_process", [1], variant=TCG)
    found = judge(BY_ID["hypervisor-needed"], rows.results())
    assert found.verdict is Verdict.NOT_TESTABLE
    assert "emulator" in found.reason
    rows.add(E.KERNEL, "qemu", "hypervisor_process", [1], variant=KVM)
    assert judge(BY_ID["hypervisor-needed"], rows.results()).verdict is Verdict.SUPPORTED


def test_a_guests_clock_that_runs_too_fast_does_not_take_its_kernel_away(rows: Any) -> None:
    """An emulated guest on a busy machine said 65 s of uptime after a start of 12 s."""
    seen(E.KERNEL, "qemu", boot_id_equals_host=0, uptime_starts_at_zero=0)(rows)
    unseen = judge(BY_ID["kernel-own"], rows.results())
    assert unseen.verdict is Verdict.INCONCLUSIVE
    assert "clock" in unseen.why
    rows.add(E.STARTUP, "qemu", Phase.KERNEL, [5e9] * 6, variant=KVM)
    found = judge(BY_ID["kernel-own"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert "seen on its serial line in 6 starts" in found.figure


def test_gvisor_does_not_speak_for_containers(rows: Any) -> None:
    rows.add(E.KERNEL, "docker", "boot_id_equals_host", [0], variant="runtime=runsc")
    assert judge(BY_ID["kernel-shared"], rows.results()).verdict is Verdict.NOT_MEASURED


def test_wsl_layers_answer_without_the_experiment(rows: Any) -> None:
    for layer, verdict in (("wsl1", Verdict.SUPPORTED), ("wsl2", Verdict.CONTRADICTED)):
        found = judge(BY_ID["wsl1-kernel"], rows.results(host({"kind": "wsl", "id": layer, "name": layer})))
        assert found.verdict is verdict


def test_a_handler_that_the_run_registered_is_shown_and_decides_nothing(rows: Any) -> None:
    foreign(8)(rows)
    rows.samples[:] = [each for each in rows.samples if each.phase != "binfmt_registered"]
    seen(E.KERNEL, "host", binfmt_registered=0)(rows)
    found = judge(BY_ID["emulation-arch"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert any("before: no" in each.figure for each in found.findings if not each.decides)


def test_one_host_does_not_stand_for_all_of_its_kind(rows: Any) -> None:
    REFUSED.supports(rows)  # type: ignore[misc]
    assert judge(BY_ID["windows-containers"], rows.results()).label == "supported on this one Linux host"
    assert judge(BY_ID["container-os-bound"], rows.results()).label == "supported"


def test_another_architecture_alone_is_no_other_operating_system(rows: Any) -> None:
    seen(E.KERNEL, "qemu", guest_other_arch_ready=1)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).verdict is Verdict.NOT_MEASURED
    seen(E.KERNEL, "qemu", guest_not_linux_ready=0)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).label == "inconclusive"


def test_a_refusal_says_nothing_of_an_emulation_that_is_not_there(rows: Any) -> None:
    REFUSED.supports(rows)  # type: ignore[misc]
    without = judge(BY_ID["emulation-os"], rows.results())
    assert without.verdict is Verdict.WRONG
    EMULATES(rows)
    assert judge(BY_ID["emulation-os"], rows.results()).label == "contradicted on this one Linux host"


def test_another_engine_says_nothing_of_docker_desktop(rows: Any) -> None:
    seen(E.KERNEL, "docker", engine_is_desktop=1, engine_kernel_equals_client=0)(rows)
    seen(E.KERNEL, "podman", engine_is_desktop=0, engine_kernel_equals_client=1)(rows)
    found = judge(BY_ID["desktop-vm"], rows.results())
    assert found.label == "supported on this one machine"
    assert "podman" not in found.figure


def test_one_kernel_for_client_and_docker_desktop_shows_nothing_inside_wsl(rows: Any) -> None:
    """WSL 2 runs all its distributions, Docker Desktop's too, on the kernel of one VM."""
    seen(E.KERNEL, "docker", engine_is_desktop=1, engine_kernel_equals_client=1)(rows)
    assert judge(BY_ID["desktop-vm"], rows.results()).verdict is Verdict.CONTRADICTED
    assert judge(BY_ID["desktop-vm"], rows.results(host(WSL2))).verdict is Verdict.INCONCLUSIVE


def test_what_is_around_the_client_carries_no_docker_desktop_elsewhere(rows: Any) -> None:
    """A client in a cloud's machine, and the engine in a machine of its own inside that."""
    seen(E.KERNEL, "docker", engine_is_desktop=1)(rows)
    around_client = {"kind": "vm", "id": "firecracker", "name": "Firecracker", "hypervisor_type": 2}
    assert judge(BY_ID["desktop-hosted"], rows.results(host(around_client))).verdict is Verdict.PARTLY_RIGHT


def test_hyper_v_underneath_does_not_settle_whether_it_is_a_separate_one(rows: Any) -> None:
    seen(E.WSL, "wsl", hyper_v=1)(rows)
    found = judge(BY_ID["desktop-no-hypervisor"], rows.results())
    assert found.verdict is Verdict.PARTLY_RIGHT
    assert found.reason == ""
    assert [each.figure for each in found.findings] == ["Hyper-V is underneath: yes"]


def test_a_figure_names_what_it_is_of(rows: Any) -> None:
    foreign(8)(rows)
    figure = judge(BY_ID["emulation-arch"], rows.results()).figure
    assert "CPU time of a foreign program over that of the native one: docker: median" in figure


def test_two_userlands_are_an_example_of_different_distributions(rows: Any) -> None:
    seen(E.KERNEL, "docker", two_userlands_one_kernel=1)(rows)
    assert judge(BY_ID["distro-mix"], rows.results()).label == "supported by the two userlands of this run"
