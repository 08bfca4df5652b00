"""A Debian 13 machine with systemd and cgroup v2 alone: provisioning, engines, services, scopes and sessions."""

import json
from collections.abc import Mapping

import pytest

from platforms import guest
from platforms.guest_steps import ALWAYS, NIGHTLY
from platforms.kept import keep
from platforms.steps import Outcome, Step
from platforms.tables import ability, ids, rows_of, verdict
from platforms.tree import tree_folder

pytestmark = [pytest.mark.engine("qemu"), pytest.mark.timeout(4000)]
nightly = pytest.mark.nightly


@pytest.fixture(scope="module")
def steps(request: pytest.FixtureRequest) -> tuple[Step, ...]:
    """The steps that the selected tests judge."""
    here = [item for item in request.session.items if item.path == request.path]
    return ALWAYS + NIGHTLY if any(item.get_closest_marker("nightly") for item in here) else ALWAYS


@pytest.fixture(scope="module")
def machine(steps: tuple[Step, ...]) -> Mapping[str, Outcome]:
    """What came of the steps on the machine, which is booted once."""
    if not tree_folder(guest.SUITE).with_name(f"platform-{guest.SUITE}.made-of").exists():
        pytest.fail("no tree to make the machine of; try: tests/e2e/provision.sh platforms", pytrace=False)
    outcomes = guest.take(steps, deadline_s=3600)
    how = "Debian 13 emulated by QEMU (q35, SeaBIOS), systemd, cgroup v2 alone"
    keep("Machine, Debian 13", how, "make e2e-platforms ARGS='-k test_guest.py'", outcomes)
    return outcomes


Machine = Mapping[str, Outcome]


def test_every_step_ended_well(machine: Machine, steps: tuple[Step, ...]) -> None:
    assert list(machine) == [step.name for step in steps], "a step was not reached"
    assert [str(outcome) for outcome in machine.values() if outcome.exit != 0] == []


def test_the_machine_is_what_the_lab_is_for(machine: Machine) -> None:
    said = machine["cgroups"].stdout.split()
    assert said[:2] == ["cgroup2fs", "QEMU"]
    assert "FACP" in said


@pytest.mark.parametrize(
    ("step", "layers"),
    [
        ("machine", ["qemu"]),
        ("session", ["qemu"]),
        ("docker", ["qemu", "docker"]),
        ("podman", ["qemu", "podman"]),
    ],
)
def test_the_layers_are_the_truth(machine: Machine, step: str, layers: list[str]) -> None:
    assert ids(machine[step]) == layers


@pytest.mark.parametrize(
    ("step", "limit"),
    [("service limited", 256 << 20), ("scope", 300 << 20), ("docker resources", 256 << 20)],
)
def test_a_memory_limit_is_seen(machine: Machine, step: str, limit: int) -> None:
    assert json.loads(machine[step].stdout)["memory_bytes"] == limit


def test_a_service_sees_its_cpus_and_tasks(machine: Machine) -> None:
    resources = json.loads(machine["service limited"].stdout)
    assert (resources["cpus"], resources["pids"]) == (0.5, 50)


def test_a_sandboxed_service_has_a_mount_namespace_of_its_own(machine: Machine) -> None:
    assert json.loads(machine["service sandboxed"].stdout)["namespaces"]["mnt"]["initial"] is False
    assert json.loads(machine["isolation"].stdout)["namespaces"]["mnt"]["initial"] is True


def test_provisioning_leaves_the_systems_own_sockets_active(
    machine: Machine,
) -> None:
    assert machine["sockets before"].stdout == machine["sockets after"].stdout == "active\nactive\nactive\n"
    assert "MISSING" not in machine["provision"].stderr + machine["provision again"].stderr


@pytest.mark.parametrize("name", ["process", "runc", "crun", "docker", "podman", "containerd"])
def test_root_can_use_every_engine(machine: Machine, name: str) -> None:
    assert json.loads(machine["doctor"].stdout)[name]["usable"], json.loads(machine["doctor"].stdout)[name]


def test_a_user_is_refused_dockers_socket(machine: Machine) -> None:
    doctor = json.loads(machine["doctor as a user"].stdout)
    assert doctor["process"]["usable"]
    assert not doctor["docker"]["usable"]
    assert "permission" in doctor["docker"]["reason"].lower()


@nightly
def test_containers_were_started(machine: Machine) -> None:
    rows = rows_of(machine["startup"])
    assert {row["backend"] for row in rows} >= {"runc", "crun", "docker", "podman"}
    assert {row["failed"] for row in rows} == {"0"}


@pytest.mark.parametrize("step", ["kernel", pytest.param("kernel denied", marks=nightly)])
def test_a_container_is_never_said_to_have_hardware_of_its_own(machine: Machine, step: str) -> None:
    """Docker masks /sys/firmware, and a user may not read its tables: what is denied is not different."""
    seen = {row["phase"]: row["value"] for row in rows_of(machine[step]) if row["backend"] == "docker"}
    assert seen["hardware_equals_host"] == "1"
    assert {value for phase, value in seen.items() if phase.startswith("hardware.")} == {"1"}
    assert verdict(machine[f"{step} claims"], "hardware-emulated")["verdict"] == "not testable here"


@nightly
def test_guests_that_do_not_answer_prove_nothing(machine: Machine) -> None:
    for claim in ("distro-kernel", "kernel-own", "hardware-emulated"):
        assert verdict(machine["kernel without a guest"], claim)["verdict"] == "not testable here", claim
    assert verdict(machine["kernel without a guest"], "kernel-shared")["verdict"] == "supported"


@nightly
@pytest.mark.parametrize("step", ["isolation denied", "rootless isolation"])
def test_a_user_sees_that_containers_isolate(machine: Machine, step: str) -> None:
    assert verdict(machine[step], "isolation-namespaces")["verdict"] == "supported"


@nightly
def test_a_rootless_docker_has_the_limits_that_systemd_delegates(machine: Machine) -> None:
    assert json.loads(machine["rootless resources"].stdout)["memory_bytes"] == 256 << 20
    assert ids(machine["rootless docker"]) == ["qemu", "docker"]
    docker = ability(machine["rootless capabilities"], "docker")
    assert (docker["answer"], "/run/user/1000/docker.sock" in docker["because"]) == ("yes", True)
