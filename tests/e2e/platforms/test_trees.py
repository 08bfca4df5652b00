"""Debian 13 and unstable: their own engines, on this kernel; envbench on them, envinspect in their containers."""

import csv
import json
from collections.abc import Callable, Mapping

import pytest

from platforms import tree
from platforms.kept import keep
from platforms.steps import Outcome
from platforms.tree_steps import DAEMONS, docker_steps, machine_steps

SUITES = ("trixie", "sid")
CONFIGURATIONS = [(suite, daemon) for suite in SUITES for daemon in DAEMONS]
pytestmark = [pytest.mark.engine("tree"), pytest.mark.timeout(1200)]

Lab = Callable[[str, str], Mapping[str, Outcome]]


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Return what gives a lab's outcomes; each lab is run once."""
    done: dict[tuple[str, str], Mapping[str, Outcome]] = {}

    def outcomes(suite: str, daemon: str) -> Mapping[str, Outcome]:
        if (suite, daemon) not in done:
            steps = machine_steps() if daemon == "all-daemons" else docker_steps(daemon)
            done[suite, daemon] = tree.take(suite, steps, deadline_s=1000)
            keep(
                f"Tree of {suite}, {daemon}",
                f"Debian {suite} in namespaces, Docker's daemon: {daemon}",
                done[suite, daemon],
            )
        return done[suite, daemon]

    return outcomes


@pytest.fixture(autouse=True)
def trees_are_there(engine_missing: Callable[[str], None]) -> None:
    for suite in SUITES:
        if not (tree.tree_folder(suite) / "opt/envbench/bin/python").exists():
            engine_missing(f"no tree of {suite}; try: tests/e2e/provision.sh platforms")


def rows_of(printed: Outcome, header: str) -> list[dict[str, str]]:
    """Return the rows of the table that a step printed last; it begins with this header."""
    return list(csv.DictReader(printed.stdout[printed.stdout.index(header) :].splitlines()))


def ids(asked: Outcome) -> list[str]:
    return [layer["id"] for layer in json.loads(asked.stdout)["layers"]]


@pytest.mark.parametrize(("suite", "daemon"), CONFIGURATIONS)
class TestDockerDaemon:
    def test_every_step_ended_well(self, lab: Lab, suite: str, daemon: str) -> None:
        outcomes = lab(suite, daemon)
        assert list(outcomes) == [step.name for step in docker_steps(daemon)], "a step was not reached"
        assert [str(outcome) for outcome in outcomes.values() if outcome.exit != 0] == []

    def test_the_daemon_is_configured_as_asked(self, lab: Lab, suite: str, daemon: str) -> None:
        info = json.loads(lab(suite, daemon)["docker info"].stdout)
        configured = DAEMONS[daemon]
        assert info["DefaultRuntime"] == configured.get("default-runtime", "runc")
        assert info["Driver"] == ("overlayfs" if daemon == "containerd-store" else "overlay2")
        assert ("name=userns" in info["SecurityOptions"]) == (daemon == "userns-remap")

    def test_the_innermost_layer_is_docker(self, lab: Lab, suite: str, daemon: str) -> None:
        assert ids(lab(suite, daemon)["docker"])[-1] == "docker"

    def test_the_memory_limit_is_seen(self, lab: Lab, suite: str, daemon: str) -> None:
        assert json.loads(lab(suite, daemon)["docker resources"].stdout)["memory_bytes"] == 256 << 20

    def test_the_containers_are_usable(self, lab: Lab, suite: str, daemon: str) -> None:
        doctor = json.loads(lab(suite, daemon)["doctor"].stdout)
        for name in ("process", "namespaces", "runc", "crun", "docker", "podman", "containerd"):
            assert doctor[name]["usable"], doctor[name]
        assert doctor["docker"]["facts"]["default_runtime"] == DAEMONS[daemon].get("default-runtime", "runc")

    def test_nothing_is_left(self, lab: Lab, suite: str, daemon: str) -> None:
        assert "things left behind: 0" in lab(suite, daemon)["release"].stdout

    def test_sizes_mean_the_same_whatever_stores_the_image(self, lab: Lab, suite: str, daemon: str) -> None:
        rows = rows_of(lab(suite, daemon)["size"], "schema,run_id")
        sizes = {row["phase"]: int(float(row["value"])) for row in rows if row["unit"] == "bytes"}
        assert sizes["virtual"] == sum(size for name, size in sizes.items() if name.startswith("item."))
        unpacked = sizes["disk"] - (sizes["transfer"] if daemon == "containerd-store" else 0)
        # Blocks and inodes above the files' length, and the little that a storage driver notes.
        assert sizes["virtual"] <= unpacked < sizes["virtual"] + 200_000


@pytest.mark.parametrize("suite", SUITES)
class TestAllDaemons:
    def test_every_step_ended_well(self, lab: Lab, suite: str) -> None:
        outcomes = lab(suite, "all-daemons")
        assert list(outcomes) == [step.name for step in machine_steps()], "a step was not reached"
        assert [str(outcome) for outcome in outcomes.values() if outcome.exit != 0] == []

    def test_the_innermost_layer_is_podman(self, lab: Lab, suite: str) -> None:
        assert ids(lab(suite, "all-daemons")["podman"])[-1] == "podman"

    def test_containers_and_machines_are_usable(self, lab: Lab, suite: str) -> None:
        doctor = json.loads(lab(suite, "all-daemons")["doctor"].stdout)
        for name in ("runc", "crun", "docker", "podman", "containerd", "qemu", "libvirt"):
            assert doctor[name]["usable"], doctor[name]

    def test_containers_do_not_start_slower_than_machines(self, lab: Lab, suite: str) -> None:
        claims = {row["id"]: row for row in rows_of(lab(suite, "all-daemons")["startup"], "schema,run_id,id,")}
        # Other work on this machine may leave it open; a measurement that says the contrary is wrong.
        assert claims["start-faster"]["verdict"] in ("supported", "inconclusive"), claims["start-faster"]
