"""The answer in words, and what its figures mean: known answers."""

from typing import Any

import pytest

from envbench.phases import Experiment, Phase
from envreport.document.build import build

S, MS, MIB = 1_000_000_000, 1_000_000, 2**20
SPREAD = (0.98, 0.99, 1.0, 1.0, 1.0, 1.0, 1.01, 1.02)


def starts(rows: Any, backend: str, middle: float, variant: str = "", profile: str = "minimal") -> None:
    rows.add(
        Experiment.STARTUP, backend, Phase.READY, [middle * each for each in SPREAD], variant=variant, profile=profile
    )


@pytest.mark.parametrize(
    ("variant", "profile", "words"),
    [
        ("accel=tcg;machine=q35", "minimal", "a minimal virtual machine emulated in software (qemu, q35) in 5 s"),
        ("accel=kvm", "distro", "a Debian virtual machine on hardware virtualisation (KVM) (qemu) in 5 s"),
        ("accel=tcg", "service", "an nginx virtual machine emulated in software (qemu) in 5 s"),
        ("accel=tcg", "own", "a virtual machine of the payload “own” emulated in software (qemu) in 5 s"),
    ],
)
def test_the_answer_names_payload_and_accelerator_in_words(variant: str, profile: str, words: str, rows: Any) -> None:
    starts(rows, "docker", 0.25 * S, profile=profile)
    starts(rows, "qemu", 5 * S, variant, profile)
    answer = build(rows.results()).answer
    assert words in answer
    assert answer.startswith("Here a")
    assert answer.endswith("times as long.")


def test_a_run_that_fetched_before_it_started_answers_with_that(rows: Any) -> None:
    """A slower network on one side, or a base that was there, is another question."""
    rows.add(Experiment.DEPLOY, "docker", "deploy_ready", [9 * S] * 8, variant="bandwidth=10Mbit;runtime=runc")
    rows.add(Experiment.DEPLOY, "docker", "deploy_ready", [0.1 * S] * 8, variant="base=there;runtime=runc")
    for backend, middle, variant in (("docker", 400 * MS, "runtime=runc"), ("qemu", 3.1 * S, "accel=tcg;machine=q35")):
        for phase, values in (
            ("deploy_bytes", [MIB] * 8),
            ("deploy_transfer", [middle * each / 2 for each in SPREAD]),
            ("deploy_ready", [middle * each for each in SPREAD]),
        ):
            rows.add(Experiment.DEPLOY, backend, phase, values, variant=variant, profile="minimal")
    document = build(rows.results())
    assert document.answer == (
        "Fetched and started, a minimal container (docker, runc) is ready in 400 ms, "
        "a minimal virtual machine emulated in software (qemu, q35) in 3.10 s (medians)."
    )
    section = next(each for each in document.sections if each.id == "deploy")
    assert "Quickest here: docker (runc), 1 MiB, ready after 400 ms; slowest: qemu" in section.lead
    assert [row[-1].text for row in section.tables[0].rows] == ["50 %", "50 %"]


def test_whole_systems_on_both_sides_come_before_the_minimal_one(rows: Any) -> None:
    for profile in ("minimal", "distro"):
        starts(rows, "docker", 0.25 * S, profile=profile)
        starts(rows, "qemu", 5 * S, "accel=kvm", profile)
    starts(rows, "podman", 0.25 * S, profile="service")
    assert "a Debian container (docker)" in build(rows.results()).answer


def test_break_even_comes_from_the_runs_own_figures(rows: Any) -> None:
    starts(rows, "docker", 1 * S)
    starts(rows, "qemu", 5 * S, "accel=kvm")
    for backend, size, variant in (("docker", 8, ""), ("qemu", 128, "accel=kvm")):
        rows.add(Experiment.MEMORY, backend, "total", [size * MIB] * 6, variant=variant)
    time, memory = build(rows.results({"host": {"host": {"memory_bytes": 1024 * MIB}}})).meaning
    assert time.startswith("Each start of the VM costs 4 s more")
    assert "66.7 min in 1000 starts" in time
    assert "From 15 starts a day on" in time
    assert "10 idle instances take 80 MiB" in memory
    assert "1.25 GiB as VMs" in memory
    assert "about 128 or 8" in memory


def test_what_is_not_shown_is_not_said(rows: Any) -> None:
    starts(rows, "docker", 1 * S)
    starts(rows, "qemu", 1 * S, "accel=kvm")
    assert build(rows.results()).meaning == ("Neither is shown to start faster than the other.",)


def test_one_start_each_is_too_few(rows: Any) -> None:
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [S]).add(Experiment.STARTUP, "qemu", Phase.READY, [9 * S])
    assert "Too few starts" in build(rows.results()).meaning[0]


def test_an_emulated_machine_is_no_ground_for_a_decision(rows: Any) -> None:
    starts(rows, "docker", 1 * S)
    starts(rows, "qemu", 5 * S, "accel=tcg")
    assert "measure on a machine whose KVM works" in build(rows.results()).meaning[-1]


def test_what_the_run_was_asked_for_comes_first(rows: Any) -> None:
    starts(rows, "docker", 1 * S)
    rows.add(Experiment.MEMORY, "docker", "total", [8 * MIB] * 6)
    document = build(rows.results({"command": ["envbench", "startup", "--runs", "8"]}))
    assert document.themes[0] == "Start-up"
    assert document.headline
    assert document.headline.id == "ready"
    assert document.unmeasured_command == "envbench all"
    other = build(rows.results({"command": ["envbench", "memory"]}))
    assert other.headline
    assert other.headline.id == "memory-chart"


def test_the_machine_is_told_in_short(rows: Any) -> None:
    host = {"kernel": "6.1", "system": "Linux", "cpu_brand": "EPYC", "memory_bytes": 2**30}
    meta = {"host": {"host": host, "resources": {"cpus_allowed": 2}, "layers": [{"name": "KVM", "kind": "vm"}]}}
    facts = {each.name: each.value for each in build(rows.results(meta)).machine}
    assert facts == {"Processor": "2 CPUs, EPYC", "Memory": "1 GiB", "Kernel": "Linux 6.1", "Layers around it": "KVM"}
