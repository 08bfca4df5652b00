"""A census of a node with 200 real containers, in seconds: `python tests/perf/census.py` (also part of `make perf`).

The containers are runc's, of one static busybox, each with namespaces and a control group of its own. Each of them must
be in the census.
"""

import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from perf_figures import Figures

from envbench.surroundings.clock import NS_PER_S, monotonic_ns

CONTAINERS = 200
ROUNDS = 5
LIMIT_S = 2.0


def bundle(folder: Path, busybox: str) -> dict[str, object]:
    """Make the tree that all containers share; return runc's own specification with what they have in common."""
    (folder / "rootfs/bin").mkdir(parents=True)
    shutil.copy(busybox, folder / "rootfs/bin/busybox")
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    spec: dict[str, object] = json.loads((folder / "config.json").read_text("utf-8"))
    process, linux = spec["process"], spec["linux"]
    assert isinstance(process, dict)
    assert isinstance(linux, dict)
    process |= {"terminal": False, "args": ["/bin/busybox", "sleep", "600"]}
    linux["resources"] = {"memory": {"limit": 64 << 20}}
    if not any(one["type"] == "cgroup" for one in linux["namespaces"]):
        linux["namespaces"].append({"type": "cgroup"})  # as engines do by default where all groups are version 2
    return spec


@contextmanager
def container(folder: Path, state: Path, spec: dict[str, object]) -> Iterator[str]:
    """Start one container with an id of its own; remove it at the end."""
    name = secrets.token_hex(32)
    linux = spec["linux"]
    assert isinstance(linux, dict)
    linux["cgroupsPath"] = f"/envinspect-census/{name}"
    (folder / "config.json").write_text(json.dumps(spec), "utf-8")
    runc = ["runc", "--root", str(state)]
    try:
        subprocess.run([*runc, "run", "--detach", "--bundle", str(folder), name], check=True, stdin=subprocess.DEVNULL)
        yield name
    finally:
        subprocess.run([*runc, "delete", "--force", name], check=False, capture_output=True)


def taken() -> tuple[float, dict[str, object]]:
    """Take the census once; return the seconds from outside, start-up included, and what it says."""
    began_ns = monotonic_ns()
    done = subprocess.run(
        [Path(sys.executable).with_name("envinspect"), "census", "--json"], capture_output=True, check=False
    )
    took_s = (monotonic_ns() - began_ns) / NS_PER_S
    found: dict[str, object] = json.loads(done.stdout)
    return took_s, found


def main() -> int:
    """Start the containers, take the census some times, and say the median."""
    figures = Figures()
    busybox = shutil.which("busybox")
    if busybox is None or shutil.which("runc") is None or os.geteuid() != 0:
        figures.lack("census: takes root, runc and a static busybox")
        return figures.ended()
    with tempfile.TemporaryDirectory(prefix="envinspect-census-") as name, ExitStack() as running:
        folder = Path(name)
        spec = bundle(folder, busybox)
        ids = {running.enter_context(container(folder, folder / "state", spec)) for _ in range(CONTAINERS)}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        rounds = [taken() for _ in range(ROUNDS)]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) / ROUNDS
    sets = rounds[-1][1]["sets"]
    assert isinstance(sets, list)
    missing = ids - {row["id"] for row in sets}
    name = f"census of {CONTAINERS} containers"
    figures.take(name, "s", [seconds for seconds, _ in rounds], most=LIMIT_S, beside=f"{cpu_s:.2f} s of CPU each")
    figures.take(f"{name}: those it misses", "containers", [len(missing)], most=0)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
