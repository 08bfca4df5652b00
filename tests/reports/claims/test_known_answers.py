"""Synthetic runs that support, contradict or leave open each claim of the table give exactly those verdicts."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from envbench.phases import Experiment, Phase, Unit
from envreport.claims import BY_ID, CLAIMS, Judgement, Verdict, judge, judge_all
from envreport.claims.conditions import ConditionKind
from envreport.claims.verdict import Basis
from envreport.statistics import estimates

E = Experiment
MS, S, MIB, GB = 1_000_000, 1_000_000_000, 2**20, 10**9
KVM, TCG = "accel=kvm", "accel=tcg"
SPREAD = (0.97, 0.98, 0.99, 1.0, 1.0, 1.01, 1.02, 1.03)
WIDE = (0.3, 0.5, 0.8, 0.95, 1.06, 1.3, 2.0, 3.0)
Build = Callable[[Any], object]


class Known(NamedTuple):
    supports: Build | None
    contradicts: Build | None
    leaves_open: Build | None
    meta: Mapping[str, Any] = {}


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is the subject here; what the bootstrap itself is worth is held in test_estimates."""
    monkeypatch.setattr(estimates, "RESAMPLES", 1000)


def around(middle: float, factors: tuple[float, ...] = SPREAD) -> list[float]:
    return [middle * factor for factor in factors]


def series(experiment: E, phase: str, **backends: list[float]) -> Build:
    """Each backend by name; VM backends are KVM unless the name ends in _tcg."""

    def build(rows: Any) -> object:
        for name, values in backends.items():
            backend = name.removesuffix("_tcg")
            variant = (TCG if name.endswith("_tcg") else KVM) if backend in {"qemu", "libvirt"} else ""
            rows.add(experiment, backend, phase, values, variant=variant)
        return rows

    return build


def seen(experiment: E, backend: str, *, profile: str = "minimal", **facts: int | list[int]) -> Build:
    def build(rows: Any) -> object:
        variant = KVM if backend == "qemu" else ""
        for name, value in facts.items():
            rows.add(
                experiment,
                backend,
                name.replace("__", "."),
                value if isinstance(value, list) else [value],
                variant=variant,
                profile=profile,
            )
        return rows

    return build


def both(*builds: Build) -> Build:
    def build(rows: Any) -> object:
        for each in builds:
            each(rows)
        return rows

    return build


def pair(experiment: E, phase: str, over: str, under: str, *, ratio: float = 10.0, base: float = 100.0 * MS) -> Known:
    """Claims that `over` has more of it than `under`."""
    return Known(
        series(experiment, phase, **{over: around(ratio * base), under: around(base)}),
        series(experiment, phase, **{over: around(base), under: around(ratio * base)}),
        series(experiment, phase, **{over: around(base, WIDE), under: around(base, WIDE[::-1])}),
    )


def joined(*parts: Known) -> Known:
    return Known(
        both(*(part.supports for part in parts if part.supports)),
        both(*(part.contradicts for part in parts if part.contradicts)),
        both(*(part.leaves_open for part in parts if part.leaves_open)),
    )


def facts(experiment: E, backend: str, **expected: int) -> Known:
    """Observations: as claimed, the opposite, and seen both ways."""
    return Known(
        seen(experiment, backend, **expected),
        seen(experiment, backend, **{name: 1 - value for name, value in expected.items()}),
        seen(experiment, backend, **{name: [0, 1] for name in expected}),
    )


def startup_shares(kernel_share: tuple[float, ...]) -> Build:
    def build(rows: Any) -> object:
        for order, share in enumerate(kernel_share):
            ready = 2 * S
            for phase, value in ((Phase.READY, ready), (Phase.KERNEL, ready * share)):
                rows.add(E.STARTUP, "qemu", phase, [value], variant=KVM, orders=[order])
        return rows

    return build


def sizes(container: float, vm: float, kernel: float) -> Build:
    return both(
        seen(E.SIZE, "docker", disk=int(container), item__kernel=0, item__app=int(container)),
        seen(E.SIZE, "qemu", disk=int(vm), item__kernel=int(kernel), item__other=int(vm - kernel)),
    )


def density(vm: tuple[float, ...], container: tuple[float, ...]) -> Build:
    def build(rows: Any) -> object:
        for backend, variant, costs in (("qemu", f"{KVM};mode=sequence", vm), ("docker", "mode=sequence", container)):
            for number in (1, 2, 3, 4, 6, 8):
                for cost in costs:
                    rows.add(E.DENSITY, backend, "memory_n", [number * cost * MIB], variant=f"{variant};n={number}")
            rows.add(E.DENSITY, backend, "instances", [8], variant=f"{variant};n=8")
        return rows

    return build


def speed(
    container: float, *, metrics: tuple[str, ...] = ("cpu_int", "syscall"), factors: tuple[float, ...] = SPREAD
) -> Build:
    narrow = tuple(1 + (factor - 1) / 10 for factor in SPREAD)
    used = narrow if factors is SPREAD else factors
    return both(
        *(
            series(E.SPEED, each, process=around(1000, narrow), docker=around(1000 / container, used))
            for each in metrics
        )
    )


def wsl(**values: int | list[int]) -> Build:
    return seen(E.WSL, "wsl", **values)


def wsl_light(vm: float, distribution: float, container: float, factors: tuple[float, ...] = SPREAD) -> Build:
    return both(
        series(E.STARTUP, Phase.READY, qemu=around(vm * S), docker=around(container * S)),
        series(E.WSL, "distribution_start", wsl=around(distribution * S, factors)),
    )


def host(*layers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"host": {"layers": list(layers)}}


MUTUAL = (
    "mutual__processes_seen",
    "mutual__mounts_seen",
    "mutual__memory_seen",
    "mutual__files_seen",
)
ITEMS = ("item__kernel", "item__modules", "item__init", "item__package_manager")
RESIZE = ("memory_grown", "memory_shrunk", "cpu_changed")


def resized(value: int | list[int]) -> Build:
    return both(*(seen(E.RESIZE, backend, **dict.fromkeys(RESIZE, value)) for backend in ("docker", "qemu")))


def counts(first: int, second: int) -> Build:
    return both(
        seen(E.ISOLATION, "qemu", host_facts_readable=first, host_kernel_interfaces=first),
        seen(E.ISOLATION, "docker", host_facts_readable=second, host_kernel_interfaces=second),
    )


def exported(vm: float, container: float, factors: tuple[float, ...] = SPREAD) -> Build:
    sized = both(
        seen(E.PORTABILITY, "qemu", export_bytes=int(vm * MIB)),
        seen(E.PORTABILITY, "docker", export_bytes=int(container * MIB)),
    )
    timed = (
        series(E.PORTABILITY, name, qemu=around(vm * S, factors), docker=around(container * S, factors[::-1]))
        for name in ("export", "import", "carry")
    )
    return both(sized, *timed)


def foreign(slowdown: float, factors: tuple[float, ...] = SPREAD) -> Build:
    return both(
        seen(E.KERNEL, "host", binfmt_registered=1),
        seen(E.KERNEL, "docker", foreign_arch_runs=1),
        series(E.KERNEL, "foreign_arch_slowdown", docker=around(slowdown, factors)),
    )


GUEST_ANSWERED = seen(E.KERNEL, "qemu", boot_id_equals_host=0)
DESKTOP = seen(E.KERNEL, "docker", engine_is_desktop=1)
REFUSED = facts(E.KERNEL, "docker", windows_image_refused=1)
NATIVE, SLOW, UNCLEAR = speed(1.0), speed(1.3), speed(1.0, factors=WIDE)

KNOWN: Mapping[str, Known] = {
    "kernel-shared": facts(E.KERNEL, "docker", boot_id_equals_host=1, kernel_equals_host=1, visible_on_host=1),
    "kernel-own": facts(E.KERNEL, "qemu", boot_id_equals_host=0, uptime_starts_at_zero=1),
    "wsl1-kernel": facts(E.WSL, "wsl", own_kernel=0),
    "distro-mix": facts(E.KERNEL, "docker", two_userlands_one_kernel=1),
    "distro-kernel": Known(
        None,
        both(GUEST_ANSWERED, seen(E.KERNEL, "host", all_kernels_equal=0)),
        both(GUEST_ANSWERED, seen(E.KERNEL, "host", all_kernels_equal=1)),
    ),
    "vm-any-os": Known(
        seen(E.KERNEL, "qemu", guest_not_linux_ready=1, guest_other_arch_ready=1),
        None,
        seen(E.KERNEL, "qemu", guest_not_linux_ready=1, guest_other_arch_ready=0),
    ),
    "container-os-bound": REFUSED,
    "emulation-arch": Known(foreign(8), foreign(0.5), foreign(1, WIDE)),
    "emulation-os": Known(REFUSED.contradicts, REFUSED.supports, REFUSED.leaves_open),
    "desktop-vm": Known(
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=0)),
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=1)),
        both(DESKTOP, seen(E.KERNEL, "docker", engine_kernel_equals_client=[0, 1])),
    ),
    "desktop-no-hypervisor": facts(E.WSL, "wsl", hyper_v=0),
    "desktop-hosted": Known(DESKTOP, DESKTOP, DESKTOP),
    "hypervisor-types": Known(None, None, None),
    "hypervisor-terms": Known(None, None, None),
    "hypervisor-needed": joined(
        facts(E.KERNEL, "docker", hypervisor_process=0, needs_kvm_device=0),
        facts(E.KERNEL, "qemu", hypervisor_process=1),
    ),
    "hardware-emulated": joined(
        facts(E.KERNEL, "docker", hardware_equals_host=1), facts(E.KERNEL, "qemu", hardware_equals_host=0)
    ),
    "start-faster": pair(E.STARTUP, Phase.READY, "qemu", "docker"),
    "start-container-seconds": Known(
        series(E.STARTUP, Phase.READY, docker=around(0.3 * S)),
        series(E.STARTUP, Phase.READY, docker=around(30 * S)),
        series(E.STARTUP, Phase.READY, docker=around(5 * S, WIDE)),
    ),
    "start-container-ms": Known(
        series(E.STARTUP, Phase.READY, docker=around(0.05 * S)),
        series(E.STARTUP, Phase.READY, docker=around(0.3 * S)),
        series(E.STARTUP, Phase.READY, docker=around(0.1 * S)),
    ),
    "start-vm-minutes": Known(
        series(E.STARTUP, Phase.READY, qemu=around(90 * S)),
        series(E.STARTUP, Phase.READY, qemu=around(5 * S)),
        series(E.STARTUP, Phase.READY, qemu=around(60 * S)),
    ),
    "start-why-kernel": Known(
        startup_shares(tuple(0.8 * each for each in SPREAD)),
        startup_shares(tuple(0.2 * each for each in SPREAD)),
        startup_shares(tuple(0.5 * each for each in SPREAD)),
    ),
    "cycle-rapid": pair(E.STARTUP, Phase.CYCLE, "qemu", "docker"),
    "memory-overhead": pair(E.MEMORY, "total", "qemu", "docker", base=10 * MIB),
    "memory-app-only": Known(
        both(
            series(E.MEMORY, "total", docker=around(MIB)), series(E.MEMORY, "payload_bare", process=around(1.2 * MIB))
        ),
        both(series(E.MEMORY, "total", docker=around(12 * MIB)), series(E.MEMORY, "payload_bare", process=around(MIB))),
        both(
            series(E.MEMORY, "total", docker=around(MIB, WIDE)), series(E.MEMORY, "payload_bare", process=around(MIB))
        ),
    ),
    "memory-minimum": Known(
        both(seen(E.MEMORY, "docker", minimum_ready=6 * MIB), seen(E.MEMORY, "qemu", minimum_ready=40 * MIB)),
        both(seen(E.MEMORY, "docker", minimum_ready=40 * MIB), seen(E.MEMORY, "qemu", minimum_ready=6 * MIB)),
        both(seen(E.MEMORY, "docker", minimum_ready=40 * MIB), seen(E.MEMORY, "qemu", minimum_ready=41 * MIB)),
    ),
    "cpu-overhead": joined(
        pair(E.STARTUP, Phase.HOST_CPU, "qemu", "docker"), pair(E.IDLE, "cpu_ns_per_min", "qemu", "docker")
    ),
    "idle-cost": joined(
        pair(E.IDLE, "cpu_ns_per_min", "qemu", "docker"), pair(E.IDLE, "idle_memory", "qemu", "docker")
    ),
    "release-clean": Known(
        seen(E.RELEASE, "docker", leaked__total=0),
        seen(E.RELEASE, "docker", leaked__total=3),
        seen(E.RELEASE, "docker", leaked__total=[0, 2]),
    ),
    "hot-resize": Known(resized(1), resized(0), resized([0, 1])),
    "density": Known(density((60, 61, 62), (8, 9)), density((8, 9), (60, 61, 62)), density((5, 60), (5, 60))),
    "wsl-light": Known(wsl_light(5, 1, 0.3), wsl_light(1, 5, 6), wsl_light(1, 1, 0.3, WIDE)),
    "size-mb-gb": Known(
        sizes(2 * MIB, 3 * GB, MIB),
        sizes(2 * MIB, 20 * MIB, MIB),
        both(sizes(2 * MIB, 3 * GB, MIB), seen(E.SIZE, "docker", disk=2 * GB)),
    ),
    "size-no-kernel": Known(
        sizes(2 * MIB, 17 * MIB, 14 * MIB),
        sizes(2 * MIB, 400 * MIB, 14 * MIB),
        both(
            sizes(2 * MIB, 17 * MIB, 14 * MIB),
            seen(E.SIZE, "libvirt", disk=400 * MIB, item__kernel=14 * MIB, item__other=386 * MIB),
        ),
    ),
    "size-app-only": Known(
        seen(E.SIZE, "docker", profile="distro", disk=90 * MIB, **dict.fromkeys(ITEMS, 0)),
        seen(E.SIZE, "docker", profile="distro", disk=90 * MIB, **dict.fromkeys(ITEMS, 5 * MIB)),
        None,
    ),
    "speed-container-native": Known(NATIVE, SLOW, UNCLEAR),
    "speed-container-not-bare": Known(SLOW, NATIVE, UNCLEAR),
    "speed-vm-slower": Known(
        series(E.SPEED, "cpu_int", docker=around(1000), qemu=around(500)),
        series(E.SPEED, "cpu_int", docker=around(500), qemu=around(1000)),
        series(E.SPEED, "cpu_int", docker=around(1000, WIDE), qemu=around(1000, WIDE[::-1])),
    ),
    "wsl-interop": Known(
        both(series(E.WSL, "drive_files", wsl=around(900)), series(E.WSL, "linux_files", wsl=around(100))),
        both(series(E.WSL, "drive_files", wsl=around(100)), series(E.WSL, "linux_files", wsl=around(900))),
        both(
            series(E.WSL, "drive_files", wsl=around(100, WIDE)),
            series(E.WSL, "linux_files", wsl=around(100, WIDE[::-1])),
        ),
    ),
    "isolation-namespaces": Known(
        seen(E.ISOLATION, "docker", namespaces_own=7, cgroup_own=1, memory_limit_enforced=1, cpu_limit_enforced=1),
        seen(E.ISOLATION, "docker", namespaces_own=0, cgroup_own=0, memory_limit_enforced=0, cpu_limit_enforced=0),
        seen(E.ISOLATION, "docker", namespaces_own=7, cgroup_own=1, memory_limit_enforced=[0, 1], cpu_limit_enforced=1),
    ),
    "isolation-mutual": Known(
        seen(E.ISOLATION, "docker", mutual__indirect=4, **dict.fromkeys(MUTUAL, 0)),
        seen(E.ISOLATION, "docker", **dict.fromkeys(MUTUAL, 2)),
        seen(E.ISOLATION, "docker", **{name: [0, 1] for name in MUTUAL}),
    ),
    "isolation-vm-stronger": Known(
        counts(0, 9), counts(9, 0), both(counts(0, 9), seen(E.ISOLATION, "docker", host_facts_readable=0))
    ),
    "isolation-wsl": Known(
        wsl(interop=1, kernel_shared_by_distributions=1, drives_mounted=1),
        wsl(interop=0, kernel_shared_by_distributions=0, drives_mounted=0),
        wsl(interop=[0, 1], kernel_shared_by_distributions=1, drives_mounted=1),
    ),
    "windows-containers": REFUSED,
    "portable": Known(exported(40, 2), exported(2, 40), exported(10, 9, WIDE)),
    "storage-ephemeral": joined(
        facts(E.PORTABILITY, "docker", gone_after_remove=1), facts(E.PORTABILITY, "qemu", vm_disk_keeps=1)
    ),
    "wsl-integration": Known(
        wsl(interop=1, interop_back=1, drives_mounted=2),
        wsl(interop=0, interop_back=0, drives_mounted=0),
        wsl(interop=[0, 1], interop_back=1, drives_mounted=1),
    ),
    "managers": Known(seen(E.KERNEL, "host", managers__vm=2, managers__container=1), None, None),
}
HYPERVISORS = {
    "supports": host({"kind": "vm", "id": "virtualbox", "name": "VirtualBox", "hypervisor_type": 2}),
    "contradicts": host({"kind": "vm", "id": "hyper-v", "name": "Hyper-V", "hypervisor_type": 1}),
    "leaves_open": host(
        {"kind": "vm", "id": "hyper-v", "name": "Hyper-V", "hypervisor_type": 1},
        {"kind": "vm", "id": "qemu", "hypervisor_type": 2},
    ),
}
EXPECTED = {"supports": Verdict.SUPPORTED, "contradicts": Verdict.CONTRADICTED, "leaves_open": Verdict.INCONCLUSIVE}
CASES = [(claim_id, side) for claim_id, known in KNOWN.items() for side in EXPECTED if getattr(known, side) is not None]


def test_every_claim_has_known_answers() -> None:
    assert set(KNOWN) == {claim.id for claim in CLAIMS}


def judged(claim_id: str, side: str, rows: Any) -> Judgement:
    getattr(KNOWN[claim_id], side)(rows)
    meta = HYPERVISORS[side] if claim_id == "desktop-hosted" else {}
    return judge(BY_ID[claim_id], rows.results(meta))


@pytest.mark.parametrize(("claim_id", "side"), CASES)
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    found = judged(claim_id, side, rows)
    assert found.verdict is EXPECTED[side], found
    assert not found.tcg_only
    assert found.figure
    assert found.why
    assert found.findings


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


def test_equal_kernels_of_containers_alone_say_nothing_of_distributions(rows: Any) -> None:
    seen(E.KERNEL, "host", all_kernels_equal=1)(rows)
    seen(E.KERNEL, "docker", boot_id_equals_host=1)(rows)
    found = judge(BY_ID["distro-kernel"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "VM" in found.reason


def test_examples_are_counted_and_never_any(rows: Any) -> None:
    seen(E.KERNEL, "qemu", guest_not_linux_ready=1)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).label == "supported by 1 example"
    seen(E.KERNEL, "qemu", guest_other_arch_ready=1)(rows)
    assert judge(BY_ID["vm-any-os"], rows.results()).label == "supported by 2 examples"


def test_an_emulator_is_no_hypervisor(rows: Any) -> None:
    seen(E.KERNEL, "docker", hypervisor_process=0, needs_kvm_device=0)(rows)
    rows.add(E.KERNEL, "qemu", "hypervisor_process", [1], variant=TCG)
    found = judge(BY_ID["hypervisor-needed"], rows.results())
    assert found.verdict is Verdict.NOT_TESTABLE
    assert "emulator" in found.reason
    rows.add(E.KERNEL, "qemu", "hypervisor_process", [1], variant=KVM)
    assert judge(BY_ID["hypervisor-needed"], rows.results()).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("claim_id", [each.id for each in CLAIMS if each.whole_system and each.id != "size-app-only"])
def test_a_claim_on_whole_systems_holds_for_a_minimal_guest_only_where_no_other_ran(claim_id: str, rows: Any) -> None:
    supports = KNOWN[claim_id].supports
    assert supports
    supports(rows)
    minimal = judge(BY_ID[claim_id], rows.results())
    assert minimal.label == "supported for a minimal guest only"
    whole = [each.__class__(**{**_fields(each), "profile": "distro"}) for each in rows.samples]
    rows.samples.extend(whole)
    both_ran = judge(BY_ID[claim_id], rows.results())
    assert both_ran.label == "supported"
    assert {key.profile for each in both_ran.findings if each.decides for key in each.keys} == {"distro"}
    assert "minimal" in {key.profile for each in both_ran.findings if not each.decides for key in each.keys}


def test_a_whole_system_decides_against_the_minimal_guest(rows: Any) -> None:
    """Firmware and kernel are most of a minimal guest's start and a part of Debian's."""
    startup_shares(tuple(0.97 * each for each in (0.98, 0.99, 1, 1, 1, 1, 1, 1)))(rows)
    assert judge(BY_ID["start-why-kernel"], rows.results()).verdict is Verdict.SUPPORTED
    for order in range(100, 108):
        for phase, value in ((Phase.READY, 30 * S), (Phase.KERNEL, 9 * S)):
            rows.add(E.STARTUP, "qemu", phase, [value], variant=KVM, profile="distro", orders=[order])
    assert judge(BY_ID["start-why-kernel"], rows.results()).verdict is Verdict.CONTRADICTED


@pytest.mark.parametrize(
    ("host_answer", "words"),
    [
        ({"bare_metal": True, "layers": []}, "supported"),
        ({"layers": [{"kind": "vm", "id": "kvm"}]}, "supported against this machine, itself a guest"),
        ({}, "supported against this machine; whether it is bare metal is not known"),
    ],
)
def test_bare_metal_is_judged_on_bare_metal_alone(host_answer: Any, words: str, rows: Any) -> None:
    SLOW(rows)
    assert judge(BY_ID["speed-container-not-bare"], rows.results({"host": host_answer})).label == words


def test_the_words_of_a_claim_are_judged_apart(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, docker=around(0.3 * S))(rows)
    found = judge(BY_ID["start-container-ms"], rows.results())
    assert {each.about: each.answer for each in found.findings} == {
        "in milliseconds: docker": "holds",
        "almost instantly: docker": "fails",
    }
    assert "almost instantly" in found.why
    assert "The rest holds: in milliseconds" in found.why


def test_sights_of_each_other_are_told_out_of_how_many(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **dict.fromkeys(MUTUAL[:3], 0))(rows)
    found = judge(BY_ID["isolation-mutual"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.findings[0].figure == "0 of 3 ways tried"
    assert "not tried: files" in found.findings[0].note


def test_counts_of_isolation_are_told_out_of_how_many(rows: Any) -> None:
    counts(0, 9)(rows)
    for backend, variant in (("qemu", KVM), ("docker", "")):
        rows.add(E.ISOLATION, backend, "host_facts_looked_for", [17], variant=variant)
    found = judge(BY_ID["isolation-vm-stronger"], rows.results())
    assert found.findings[0].figure == "host facts readable inside: 0 of 17 tried against 9 of 17 tried"


def test_half_of_the_starts_failed_is_no_median(rows: Any) -> None:
    series(E.STARTUP, Phase.READY, qemu=around(5 * S), docker=around(0.3 * S))(rows)
    rows.add(E.STARTUP, "docker", Phase.READY, [None] * 8, outcome="failed", detail="no space")
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "half of its starts failed" in found.why


def test_what_a_container_adds_comes_in_bytes_first(rows: Any) -> None:
    series(E.MEMORY, "payload_bare", process=around(2 * MIB, (1.0,) * 8))(rows)
    series(E.MEMORY, "total", docker=around(13 * MIB, (1.0,) * 8))(rows)
    assert judge(BY_ID["memory-app-only"], rows.results()).figure.startswith(
        "docker over memory of the bare payload: +11 MiB ("
    )


def test_one_machine_does_not_show_that_many_cannot_run(rows: Any) -> None:
    density((60, 61, 62), (8, 9))(rows)
    rows.samples[:] = [each for each in rows.samples if each.phase != "instances"]
    rows.add(E.DENSITY, "qemu", "instances", [1], variant=f"{KVM};mode=sequence;n=1", detail="the time was over")
    assert judge(BY_ID["density"], rows.results()).verdict is Verdict.INCONCLUSIVE


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
    emulated = [
        each.__class__(**{**_fields(each), "variant": each.variant.replace("kvm", "tcg")}) for each in rows.samples
    ]
    rows.samples[:] = emulated
    found = judge(BY_ID[claim_id], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.tcg_only
    assert "under software emulation only" in found.label
    assert ConditionKind.ACCELERATOR in {each.kind for each in found.conditions}


def _fields(sample: Any) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in sample.__dataclass_fields__}


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


@pytest.mark.parametrize("init_bytes", [0, 1100, 5 * MIB])
def test_the_minimal_payload_says_nothing_about_what_images_hold(init_bytes: int, rows: Any) -> None:
    seen(E.SIZE, "docker", disk=6 * MIB, item__init=init_bytes, item__package_manager=0)(rows)
    found = judge(BY_ID["size-app-only"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "--profile distro" in found.remedy
    seen(E.SIZE, "docker", profile="distro", disk=90 * MIB, item__package_manager=5 * MIB)(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.CONTRADICTED


def test_a_disks_own_filesystem_is_shown_and_is_no_part_of_what_the_files_add(rows: Any) -> None:
    seen(E.SIZE, "docker", item__kernel=0, item__app=90 * MIB, item__filesystem=10 * MIB)(rows)
    seen(E.SIZE, "qemu", item__kernel=14 * MIB, item__app=90 * MIB, item__filesystem=60 * MIB)(rows)
    found = judge(BY_ID["size-no-kernel"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.findings[0].figure.startswith("14 MiB of 14 MiB more in files (100 %)")
    assert "filesystem takes another 50 MiB" in found.findings[0].figure


def test_a_users_own_image_is_not_held_against_a_machine_with_another_payload(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.READY, around(2 * S), variant=KVM)
    rows.add(E.STARTUP, "docker", Phase.READY, around(0.3 * S), profile="own")
    found = judge(BY_ID["start-faster"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "with the other's payload" in found.reason
    rows.add(E.STARTUP, "qemu", Phase.READY, around(20 * S), variant=f"{KVM};boot=disk", profile="own")
    assert judge(BY_ID["start-faster"], rows.results()).verdict is Verdict.SUPPORTED


def test_a_users_own_image_is_told_what_it_holds(rows: Any) -> None:
    seen(E.SIZE, "docker", profile="own", disk=90 * MIB, **dict.fromkeys(ITEMS, 5 * MIB))(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.CONTRADICTED


def test_one_engine_that_adds_memory_is_enough_against_only_what_the_app_needs(rows: Any) -> None:
    series(E.MEMORY, "payload_bare", process=around(2 * MIB))(rows)
    series(E.MEMORY, "total", runc=around(2 * MIB, (1.0,) * 8), docker=around(13 * MIB))(rows)
    found = judge(BY_ID["memory-app-only"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert {finding.answer for finding in found.findings} == {"holds", "fails"}


def test_one_host_name_for_two_containers_is_no_sight_of_each_other(rows: Any) -> None:
    seen(E.ISOLATION, "runc", mutual__names_seen=1, **dict.fromkeys(MUTUAL, 0))(rows)
    assert judge(BY_ID["isolation-mutual"], rows.results()).verdict is Verdict.SUPPORTED


def test_a_contradiction_names_what_failed_and_nothing_else(rows: Any) -> None:
    seen(E.ISOLATION, "docker", **{**dict.fromkeys(MUTUAL, 0), "mutual__files_seen": 2})(rows)
    why = judge(BY_ID["isolation-mutual"], rows.results()).why
    assert "files of the other seen" in why
    assert "mounts" not in why


def test_failed_starts_are_not_fast(rows: Any) -> None:
    rows.add(E.STARTUP, "docker", Phase.READY, around(0.3 * S))
    rows.add(E.STARTUP, "docker", Phase.READY, [None] * 6, outcome="timed_out", detail="no ready line")
    found = judge(BY_ID["start-container-seconds"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("6 of 14 starts failed" in each.words for each in found.conditions)


def test_floor_guest_is_no_vm(rows: Any) -> None:
    rows.add(E.STARTUP, "qemu", Phase.READY, around(0.1 * S), variant=KVM, profile="floor")
    assert judge(BY_ID["start-vm-minutes"], rows.results()).verdict is Verdict.NOT_MEASURED


def test_gvisor_does_not_speak_for_containers(rows: Any) -> None:
    rows.add(E.KERNEL, "docker", "boot_id_equals_host", [0], variant="runtime=runsc")
    assert judge(BY_ID["kernel-shared"], rows.results()).verdict is Verdict.NOT_MEASURED


def test_wsl_layers_answer_without_the_experiment(rows: Any) -> None:
    for layer, verdict in (("wsl1", Verdict.SUPPORTED), ("wsl2", Verdict.CONTRADICTED)):
        found = judge(BY_ID["wsl1-kernel"], rows.results(host({"kind": "wsl", "id": layer, "name": layer})))
        assert found.verdict is verdict


def test_opposite_claims_never_both_hold(make_rows: Any) -> None:
    for build in (NATIVE, SLOW, UNCLEAR):
        rows = make_rows()
        build(rows)
        results = rows.results()
        found = {judge(BY_ID[name], results).verdict for name in ("speed-container-native", "speed-container-not-bare")}
        assert found in ({Verdict.SUPPORTED, Verdict.CONTRADICTED}, {Verdict.INCONCLUSIVE})


def test_units_of_rows_are_those_of_the_contract(rows: Any) -> None:
    series(E.MEMORY, "total", docker=[1.0])(rows)
    assert rows.samples[0].unit is Unit.BYTES


def test_a_median_of_zero_is_compared_by_intervals(rows: Any) -> None:
    rows.add(E.IDLE, "docker", "cpu_ns_per_min", [0, 0, 0, 0, 0, 10 * MS])
    rows.add(E.IDLE, "qemu", "cpu_ns_per_min", around(900 * MS), variant=KVM)
    series(E.STARTUP, Phase.HOST_CPU, qemu=around(10 * S), docker=around(S))(rows)
    assert judge(BY_ID["cpu-overhead"], rows.results()).verdict is Verdict.SUPPORTED


def test_a_median_of_zero_within_reach_stays_open(rows: Any) -> None:
    rows.add(E.IDLE, "docker", "cpu_ns_per_min", [0, 0, 0, 0, 0, 950 * MS])
    rows.add(E.IDLE, "qemu", "cpu_ns_per_min", around(900 * MS), variant=KVM)
    series(E.STARTUP, Phase.HOST_CPU, qemu=around(10 * S), docker=around(S))(rows)
    assert judge(BY_ID["cpu-overhead"], rows.results()).verdict is Verdict.INCONCLUSIVE
