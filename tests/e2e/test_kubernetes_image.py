"""The image of examples/kubernetes, built by its recipe, run with the rights that the DaemonSet asks for.

Podman stands in for the kubelet: what the pod's fields mean is said to it as options, because its own `kube play`
leaves out hostPID. The base is a Debian with Python and pip under the name of the recipe's, in a storage of the test's
own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from environments.lab import cache_dir
from prometheus_client.parser import text_string_to_metric_families

from envinspect.version import __version__

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "examples/kubernetes"
POD = list(yaml.safe_load_all((FOLDER / "daemonset.yaml").read_text(encoding="utf-8")))[1]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
BASE = "docker.io/library/python:3.13-slim"
TREE = cache_dir() / "python"
DEADLINE_S = 60

pytestmark = pytest.mark.engine("podman")

Podman = Callable[..., str]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with images and containers of its own; all of them are gone afterwards."""
    if os.geteuid() != 0 or shutil.which("podman") is None or not TREE.is_dir():
        pytest.fail("no podman, no root or no tree with Python; try: tests/e2e/provision.sh", pytrace=False)
    folder = tmp_path_factory.mktemp("podman")
    settings = folder / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n')
    # Podman takes no longer path than 50 characters for what it keeps while it runs.
    running = tempfile.mkdtemp(prefix="kubernetes-", dir="/tmp")
    words = ["podman", "--root", folder / "store", "--runroot", running, "--cgroup-manager", "cgroupfs"]
    words += ["--runtime", str(shutil.which("runc")), "--log-level", "error"]

    def call(*more: str | Path, check: bool = True) -> str:
        done = subprocess.run(
            [*map(str, words), *map(str, more)],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**os.environ, "CONTAINERS_CONF": str(settings)},
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield call
    call("system", "reset", "--force", check=False)
    shutil.rmtree(running, ignore_errors=True)


@pytest.fixture(scope="module")
def image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image as the comment in the recipe says."""
    folder = tmp_path_factory.mktemp("image")
    packed = folder / "base.tar"
    subprocess.run(["tar", "-C", TREE, "-cf", packed, "."], check=True)
    # Debian's pip wants to be told what the image's own does anyway: there is no environment to install into.
    podman("import", "--quiet", "--change", "ENV PIP_BREAK_SYSTEM_PACKAGES=1", packed, BASE)
    packed.unlink()
    context = folder / "context"
    context.mkdir()
    shutil.copy(FOLDER / "Containerfile", context)
    wheel = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(context), str(REPOSITORY)]
    subprocess.run([sys.executable, "-m", "pip", *wheel], check=True)
    # Nothing comes from a network: what the wheel needs is in the base.
    podman("build", "--quiet", "--network", "none", "--tag", CONTAINER["image"], context)
    return str(CONTAINER["image"])


def test_the_recipe_makes_an_image_that_is_envinspect(podman: Podman, image: str) -> None:
    assert __version__ in podman("run", "--rm", "--network", "none", image, "--version")
    assert "podman" in podman("run", "--rm", "--network", "none", image, "--brief")


def _options(volumes: Path) -> list[str]:
    """Return Podman's words for the fields of the pod."""
    rights = CONTAINER["securityContext"]
    assert (POD["hostPID"], rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, True, False)
    words = ["--pid", "host", "--read-only", "--security-opt", "no-new-privileges", "--network", "none"]
    words += ["--user", f"{rights['runAsUser']}:{rights['runAsGroup']}"]
    words += [f"--cap-drop={name}" for name in rights["capabilities"]["drop"]]
    words += [f"--cap-add={name}" for name in rights["capabilities"]["add"]]
    words += [f"--memory={CONTAINER['resources']['limits']['memory'].removesuffix('i').lower()}"]
    words += [f"--env={each['name']}={each['value']}" for each in CONTAINER["env"]]
    for each in CONTAINER["volumeMounts"]:
        (volumes / each["name"]).mkdir()
        words.append(f"--volume={volumes / each['name']}:{each['mountPath']}")
    return words


def test_with_the_pods_rights_it_writes_what_the_node_runs(podman: Podman, image: str, tmp_path: Path) -> None:
    program, *words = CONTAINER["command"]
    options = ["--detach", "--name", "census", *_options(tmp_path), "--entrypoint", program]
    podman("run", *options, image, *words, *CONTAINER["args"])
    features, metrics = tmp_path / "features/envinspect-census", tmp_path / "metrics/envinspect-census.prom"
    deadline_s = time.monotonic() + DEADLINE_S
    while not metrics.exists() and time.monotonic() < deadline_s:
        time.sleep(0.2)
    said = podman("logs", "census")
    podman("rm", "--force", "--time", "0", "census")
    assert metrics.exists(), said
    assert "envinspect-runs-podman=true" in features.read_text().splitlines()
    families = {each.name: each for each in text_string_to_metric_families(metrics.read_text())}
    # The processes of the node, far more than the two of this container.
    assert sum(each.value for each in families["envinspect_census_processes"].samples) > 2
    # The node itself is left out only where its first process may not be looked at.
    assert (tmp_path / "features/envinspect").exists() or "--pid 1: its root: Permission denied" in said, said


def test_without_the_nodes_processes_it_says_so_and_writes_nothing(podman: Podman, image: str, tmp_path: Path) -> None:
    program, *words = CONTAINER["command"]
    options = _options(tmp_path)
    place = options.index("--pid")
    del options[place : place + 2]
    said = podman("run", "--rm", *options, "--entrypoint", program, image, *words, *CONTAINER["args"], check=False)
    assert "hostPID is not in effect here" in said
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == []
