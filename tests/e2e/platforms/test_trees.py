"""Debian 13 and unstable: their own engines, on this kernel; envbench on them, envinspect in their containers."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from platforms import tree
from platforms.kept import keep
from platforms.steps import Outcome
from platforms.tables import ability, ids, rows_of, verdict
from platforms.tree_steps import DAEMONS, LABS

AT_ONCE = 2
"""Labs that run at the same time: they share nothing but the kernel, and no figure of theirs is judged closely."""

pytestmark = [pytest.mark.engine("tree"), pytest.mark.timeout(2000)]
SUITES = ("trixie", pytest.param("sid", marks=pytest.mark.nightly))
every_suite = pytest.mark.parametrize("suite", SUITES)

Lab = Mapping[str, Outcome]


class Labs:
    """The labs of this session, each run once; all that are selected begin with the first that is asked for."""

    def __init__(self, selected: list[tuple[str, str]]) -> None:
        self._selected = selected
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._begun: dict[tuple[str, str], Future[dict[str, Outcome]]] = {}
        self._kept: set[tuple[str, str]] = set()

    def outcomes(self, suite: str, name: str) -> Lab:
        """Return what came of the steps of a lab."""
        for which in self._selected:
            if which not in self._begun:
                self._begun[which] = self._pool.submit(tree.take, which[0], LABS[which[1]], deadline_s=1000)
        found = self._begun[suite, name].result()
        if (suite, name) not in self._kept:
            self._kept.add((suite, name))
            how = f"Debian {suite} in namespaces of its own on this machine's kernel"
            words = " and ".join([suite, *name.replace(",", "").split()])
            keep(f"Tree of {suite}: {name}", how, f"make e2e-platforms ARGS='-k \"{words}\"'", found)
        return found

    def close(self) -> None:
        """Wait for the labs that run; begin none."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def labs(request: pytest.FixtureRequest) -> Iterator[Labs]:
    parameters = [
        item.callspec.params
        for item in request.session.items
        if hasattr(item, "callspec") and {"suite", "name"} <= item.callspec.params.keys()
    ]
    made = Labs(list(dict.fromkeys((each["suite"], each["name"]) for each in parameters)))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def lab(labs: Labs, suite: str, name: str, engine_missing: Callable[[str], None]) -> Lab:
    """What came of the steps of the test's own lab."""
    if not (tree.tree_folder(suite) / "opt/envbench/bin/python").exists():
        engine_missing(f"no tree of {suite}; try: tests/e2e/provision.sh platforms {suite}")
    return labs.outcomes(suite, name)


@pytest.mark.parametrize("name", LABS)
@every_suite
def test_every_step_ended_well(lab: Lab, suite: str, name: str) -> None:
    assert list(lab) == [step.name for step in LABS[name]], "a step was not reached"
    assert [str(outcome) for outcome in lab.values() if outcome.exit != 0] == []


@pytest.mark.parametrize("name", [*DAEMONS, "rootless"])
@every_suite
class TestDocker:
    def test_the_daemon_is_configured_as_asked(self, lab: Lab, suite: str, name: str) -> None:
        info = json.loads(lab["docker info"].stdout)
        configured = DAEMONS.get(name, {})
        assert info["DefaultRuntime"] == configured.get("default-runtime", "runc")
        assert info["LoggingDriver"] == configured.get("log-driver", "json-file")
        # From Docker 29 on, a new daemon takes containerd's store where nothing else is said.
        stores = {"containerd-store": {"overlayfs"}, "rootless": {"overlay2", "overlayfs", "fuse-overlayfs"}}
        assert info["Driver"] in stores.get(name, {"overlay2"})
        assert ("name=userns" in info["SecurityOptions"]) == (name == "userns-remap")
        assert ("name=rootless" in info["SecurityOptions"]) == (name == "rootless")

    def test_the_innermost_layer_is_docker(self, lab: Lab, suite: str, name: str) -> None:
        assert ids(lab["docker"])[-1] == "docker"

    def test_nothing_is_left(self, lab: Lab, suite: str, name: str) -> None:
        assert "things left behind: 0" in lab["release"].stdout


@pytest.mark.parametrize("name", DAEMONS)
@every_suite
class TestDockerDaemon:
    def test_the_memory_limit_is_seen(self, lab: Lab, suite: str, name: str) -> None:
        assert json.loads(lab["docker resources"].stdout)["memory_bytes"] == 256 << 20

    def test_the_containers_are_usable(self, lab: Lab, suite: str, name: str) -> None:
        doctor = json.loads(lab["doctor"].stdout)
        for backend in ("process", "namespaces", "runc", "crun", "docker", "podman", "containerd"):
            assert doctor[backend]["usable"], doctor[backend]
        assert doctor["docker"]["facts"]["default_runtime"] == DAEMONS[name].get("default-runtime", "runc")

    def test_sizes_mean_the_same_whatever_stores_the_image(self, lab: Lab, suite: str, name: str) -> None:
        sizes = {row["phase"]: int(float(row["value"])) for row in rows_of(lab["size"]) if row["unit"] == "bytes"}
        assert sizes["virtual"] == sum(size for item, size in sizes.items() if item.startswith("item."))
        unpacked = sizes["disk"] - (sizes["transfer"] if name == "containerd-store" else 0)
        # Blocks and inodes above the files' length, and the little that a storage driver notes.
        assert sizes["virtual"] <= unpacked < sizes["virtual"] + 200_000


@pytest.mark.parametrize("name", ["overlay2, journald"])
@every_suite
class TestJournald:
    def test_a_containers_output_goes_to_the_journal(self, lab: Lab, suite: str, name: str) -> None:
        assert "to the journal" in lab["journal"].stdout.partition("\n")[2]

    def test_every_start_got_ready_all_the_same(self, lab: Lab, suite: str, name: str) -> None:
        assert {row["failed"] for row in rows_of(lab["startup"])} == {"0"}


@pytest.mark.parametrize("name", ["rootless"])
@every_suite
class TestRootless:
    """A user whom root's Docker refuses, with one of the user's own, without control groups for its containers."""

    def test_the_users_own_engines_are_found_behind_roots(self, lab: Lab, suite: str, name: str) -> None:
        docker, podman = ability(lab["capabilities"], "docker"), ability(lab["capabilities"], "podman")
        assert (docker["answer"], "/run/user/1000/docker.sock" in docker["because"]) == ("yes", True)
        # Nothing listens for Podman; whether it starts a container, only a trial tells.
        assert (podman["answer"], "/usr/bin/podman" in podman["because"]) == ("unknown", True)
        assert "install" not in podman["remedy"]

    def test_docker_host_names_the_engine_that_is_asked(self, lab: Lab, suite: str, name: str) -> None:
        docker = ability(lab["capabilities elsewhere"], "docker")
        assert (docker["answer"], "DOCKER_HOST" in docker["because"], "EACCES" in docker["because"]) == (
            "no",
            True,
            True,
        )
        assert not json.loads(lab["doctor elsewhere"].stdout)["docker"]["usable"]

    def test_what_may_not_be_asked_is_not_to_be_started(self, lab: Lab, suite: str, name: str) -> None:
        doctor = json.loads(lab["doctor"].stdout)
        assert doctor["docker"]["usable"], doctor["docker"]
        assert doctor["docker"]["facts"]["endpoint"].endswith("/run/user/1000/docker.sock")
        assert (doctor["containerd"]["usable"], "root" in doctor["containerd"]["remedy"]) == (False, True)

    @pytest.mark.applies(tree.has_cgroup_v1(), "with cgroup v2 alone a user may be given controllers")
    def test_a_limit_that_was_ignored_is_no_limit(self, lab: Lab, suite: str, name: str) -> None:
        assert json.loads(lab["docker info"].stdout)["CgroupDriver"] == "none"
        resources = json.loads(lab["docker resources"].stdout)
        assert resources["memory_bytes"] == resources["memory_machine_bytes"]
        assert "minimum_ready" not in {row["phase"] for row in rows_of(lab["memory"])}
        assert verdict(lab["resize"], "hot-resize")["verdict"] == "not testable here"
        assert "control groups" in verdict(lab["isolation"], "isolation-namespaces")["conditions"]


@pytest.mark.parametrize("name", ["all daemons"])
@every_suite
class TestAllDaemons:
    def test_the_innermost_layer_is_podman(self, lab: Lab, suite: str, name: str) -> None:
        assert ids(lab["podman"])[-1] == "podman"

    def test_containers_and_machines_are_usable(self, lab: Lab, suite: str, name: str) -> None:
        doctor = json.loads(lab["doctor"].stdout)
        for backend in ("runc", "crun", "docker", "podman", "containerd", "qemu", "libvirt"):
            assert doctor[backend]["usable"], doctor[backend]

    def test_guests_that_do_not_answer_prove_nothing(self, lab: Lab, suite: str, name: str) -> None:
        for claim in ("distro-kernel", "kernel-own", "hardware-emulated"):
            assert verdict(lab["kernel without a guest"], claim)["verdict"] == "not testable here", claim
        assert verdict(lab["kernel without a guest"], "kernel-shared")["verdict"] == "supported"

    def test_containers_do_not_start_slower_than_machines(self, lab: Lab, suite: str, name: str) -> None:
        claim = verdict(lab["startup"], "start-faster")
        # Other work on this machine may leave it open; a measurement that says the contrary is wrong.
        assert claim["verdict"] in ("supported", "inconclusive"), claim
