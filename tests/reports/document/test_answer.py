"""The answer in words, and what its figures mean: known answers."""

from typing import Any

import pytest

from envbench.records.metrics import METRICS
from envbench.records.phases import Experiment, Phase, Unit
from envreport.document.answer import ANSWERS
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
        "a minimal virtual machine emulated in software (qemu, q35) in 3.10 s (medians): 7.75 times as long."
    )
    assert "docker (runc): median 400 ms [392 ms, 408 ms], n = 8" in document.answer_notes
    section = next(each for each in document.sections if each.id == "deploy")
    assert "Quickest here: docker (runc), 1 MiB, ready after 400 ms; slowest: qemu" in section.lead
    assert [row[-1].text for row in section.tables[0].rows] == ["50 %", "50 %"]


@pytest.mark.parametrize("base", ["absent", "there"])
def test_an_image_from_the_users_registry_is_named_so(base: str, rows: Any) -> None:
    """Podman does not tell how much came: that is no zero, and no reason to leave the way out."""
    variant = f"base={base};from=registry;image=example.com/web:v3;runtime=runc"
    for phase, middle in (("deploy_transfer", 2 * S), ("deploy_ready", 3 * S)):
        rows.add(Experiment.DEPLOY, "podman", phase, [middle * each for each in SPREAD], variant=variant, profile="own")
    document = build(rows.results())
    assert document.answer.startswith("Fetched and started, a container of the payload “own” (podman")
    assert "from your registry" in document.answer
    assert document.answer.endswith("is ready in 3 s (median); no VM was measured beside it.")
    section = next(each for each in document.sections if each.id == "deploy")
    assert section.lead.startswith("The image comes from your registry")
    assert "from your registry" in section.tables[0].rows[0][0].text
    assert section.tables[0].rows[0][1].text == "bytes not counted"


C, V = ("docker", ""), ("qemu", "accel=kvm;machine=q35")
CONTAINER, MACHINE = "a minimal container (docker)", "a minimal virtual machine"
ON_KVM = f"{MACHINE} on hardware virtualisation (KVM) (qemu, q35)"
COSTS = {
    Experiment.MEMORY: (
        "total",
        (8 * MIB, 128 * MIB),
        f"Idle, {CONTAINER} takes 8 MiB of this machine's memory, {ON_KVM} 128 MiB (medians): 16 times as much.",
    ),
    Experiment.IDLE: (
        "cpu_ns_per_min",
        (20 * MS, 240 * MS),
        f"In an idle minute, {CONTAINER} takes 20 ms of CPU time, {ON_KVM} 240 ms (medians): 12 times as much.",
    ),
    Experiment.PORTABILITY: (
        "carry",
        (250 * MS, 600 * MS),
        f"To be exported and imported again, {CONTAINER} takes 250 ms, {ON_KVM} 600 ms (medians): 2.40 times as long.",
    ),
}


@pytest.mark.parametrize("experiment", COSTS)
def test_a_run_of_one_experiment_begins_with_its_own_figure(experiment: Experiment, rows: Any) -> None:
    metric, middles, sentence = COSTS[experiment]
    starts(rows, "docker", 1 * S)
    for (backend, variant), middle in zip((C, V), middles, strict=True):
        values = [middle * each for each in SPREAD]
        rows.add(experiment, backend, metric, values, variant=variant, unit=METRICS[metric].unit)
    document = build(rows.results({"command": ["envbench", str(experiment)]}))
    assert document.answer == sentence
    assert len([note for note in document.answer_notes if ": median " in note and "n = 8" in note]) == 2


def asked(rows: Any, experiment: Experiment) -> str:
    answer: str = build(rows.results({"command": ["envbench", str(experiment)]})).answer
    return answer


def seen(rows: Any, experiment: Experiment, backend: tuple[str, str], **values: float) -> None:
    name, variant = backend
    for metric, value in values.items():
        rows.add(experiment, name, metric, [value], variant=variant, unit=METRICS[metric].unit)


def test_sizes_are_counted_and_have_no_median(rows: Any) -> None:
    seen(rows, Experiment.SIZE, C, disk=2 * MIB)
    seen(rows, Experiment.SIZE, V, disk=16 * MIB)
    expected = f"On disk, {CONTAINER} takes 2 MiB, {MACHINE} (qemu, q35) 16 MiB: 8 times as much."
    assert asked(rows, Experiment.SIZE) == expected


def test_one_kind_alone_is_said_to_be_alone(rows: Any) -> None:
    seen(rows, Experiment.SIZE, V, disk=16 * MIB)
    expected = f"On disk, {MACHINE} (qemu, q35) takes 16 MiB; no container was measured beside it."
    assert asked(rows, Experiment.SIZE) == expected


def test_density_answers_with_what_one_more_takes(rows: Any) -> None:
    for number in (1, 2, 3, 4, 5, 6):
        for (backend, variant), each in ((C, 3 * MIB), (V, 200 * MIB)):
            keys = ";".join(filter(None, (variant, "mode=sequence", f"n={number}")))
            rows.add(Experiment.DENSITY, backend, "memory_n", [4 * MIB + number * each], variant=keys, unit=Unit.BYTES)
    document = build(rows.results({"command": ["envbench", "density"]}))
    assert document.answer == (
        "Beside others of its kind, a minimal container (docker, one after another) takes 3 MiB of this machine's "
        "memory, a minimal virtual machine on hardware virtualisation (KVM) (qemu, q35, one after another) 200 MiB "
        "(slopes over the number of instances)."
    )
    assert "docker (one after another): slope 3 MiB [3 MiB, 3 MiB], n = 6" in document.answer_notes


def test_speed_answers_with_how_much_work_is_slower_and_which_most(rows: Any) -> None:
    """Of three kinds, the VM is slower in two; in the third its interval reaches to the host's speed."""
    work = {"cpu_int": (1.0, 0.25), "cpu_float": (1.0, 0.5), "memory_bandwidth": (1.0, 1.0)}
    for metric, (container, machine) in work.items():
        for (backend, variant), share in ((("process", ""), 1.0), (C, container), (V, machine)):
            values = [1000 * share * each for each in SPREAD]
            rows.add(Experiment.SPEED, backend, metric, values, variant=variant, unit=Unit.PER_S)
    assert asked(rows, Experiment.SPEED) == (
        f"Compared with this machine itself, {CONTAINER} is shown to be slower in none of 3 kinds of work; "
        f"{ON_KVM} is slower in 2 of 3 kinds of work, most in integer work (4 times as long)."
    )


def test_speed_without_the_host_is_not_compared(rows: Any) -> None:
    rows.add(Experiment.SPEED, "docker", "cpu_int", [1000.0] * 8, unit=Unit.PER_S)
    assert "gives no answer in one sentence" in asked(rows, Experiment.SPEED)


def test_isolation_answers_with_what_is_seen_and_reached(rows: Any) -> None:
    counted = {"host_facts_looked_for": 16, "host_kernel_interfaces_tried": 15}
    seen(rows, Experiment.ISOLATION, C, host_facts_readable=12, host_kernel_interfaces=6, **counted)
    seen(rows, Experiment.ISOLATION, V, host_facts_readable=0, host_facts_looked_for=16)
    assert asked(rows, Experiment.ISOLATION) == (
        "A minimal container (docker) reads 12 of 16 facts about this machine and reaches its kernel with 6 of 15 "
        "system calls; a minimal virtual machine (qemu, q35) reads 0 of 16 facts about this machine."
    )


@pytest.mark.parametrize(("inside", "whose"), [(1, "this machine's own kernel"), (0, "a kernel of its own")])
def test_kernel_answers_with_whose_kernel_it_is(inside: int, whose: str, rows: Any) -> None:
    seen(rows, Experiment.KERNEL, C, boot_id_equals_host=inside)
    expected = f"A minimal container (docker) uses {whose}; no VM was measured beside it."
    assert asked(rows, Experiment.KERNEL) == expected


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (0, "Nothing was left on this machine by docker, qemu (KVM, q35) after 7 starts and removals."),
        (3, "Left on this machine after 7 starts and removals: 3 things of docker."),
    ],
)
def test_release_answers_with_what_was_left(left: int, sentence: str, rows: Any) -> None:
    seen(rows, Experiment.RELEASE, C, **{"leaked.total": left, "cycles": 5})
    seen(rows, Experiment.RELEASE, V, **{"leaked.total": 0, "cycles": 2})
    assert asked(rows, Experiment.RELEASE) == sentence


def test_resize_answers_with_what_was_taken(rows: Any) -> None:
    seen(rows, Experiment.RESIZE, C, memory_grown=1, memory_shrunk=1, cpu_changed=1)
    seen(rows, Experiment.RESIZE, V, memory_grown=1, memory_shrunk=0)
    rows.add(Experiment.RESIZE, "docker", "resize_time", [1 * S, 2 * S, 3 * S])
    assert asked(rows, Experiment.RESIZE) == (
        "While it ran, a minimal container (docker) took 3 of 3 changes of memory and CPUs, seen inside after 2 s "
        "(median); a minimal virtual machine (qemu, q35) took 1 of 2 changes of memory and CPUs."
    )


def test_every_experiment_has_an_answer_of_its_own() -> None:
    assert set(ANSWERS) == set(Experiment)


def test_what_was_asked_for_and_not_measured_is_not_answered_by_something_else(rows: Any) -> None:
    seen(rows, Experiment.KERNEL, C, boot_id_equals_host=1)
    expected = "No figure of startup was measured in this run, only of kernel."
    assert asked(rows, Experiment.STARTUP) == expected


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
