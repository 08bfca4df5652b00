"""`envinspect --via 'docker exec -i …'` end to end, in seconds: `python tests/perf/via.py`, part of `make perf`.

The container is Docker's, of one static busybox.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perf_figures import Figures

from envbench.surroundings.clock import NS_PER_S, monotonic_ns

ROUNDS = 15
LIMIT_S = 0.3
TOOLS = ("sh", "base64", "head", "stat", "ls", "uname", "id", "cat", "od")


@contextmanager
def container(busybox: str) -> Iterator[str]:
    """Start a container that has a shell and its tools; remove it and its image at the end."""
    name = f"envinspect-perf-{uuid.uuid4().hex[:8]}"
    image = f"localhost/{name}:latest"
    with tempfile.TemporaryDirectory(prefix="envinspect-perf-") as folder:
        programs = Path(folder, "bin")
        programs.mkdir()
        shutil.copy(busybox, programs / "busybox")
        for tool in TOOLS:
            (programs / tool).symlink_to("busybox")
        tree = subprocess.run(["tar", "-C", folder, "-c", "."], capture_output=True, check=True).stdout
    try:
        subprocess.run(["docker", "import", "-", image], input=tree, capture_output=True, check=True)
        run = ["docker", "run", "-d", "--network=none", "--name", name, image, "/bin/busybox", "sleep", "300"]
        subprocess.run(run, capture_output=True, check=True)
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", name], capture_output=True, check=False)
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


def taken_s(*words: str | Path) -> float:
    """Run a command that must end well; return the seconds from outside."""
    began_ns = monotonic_ns()
    subprocess.run(words, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return (monotonic_ns() - began_ns) / NS_PER_S


def main() -> int:
    """Ask the container some times, in turn with a command that does nothing, and say the medians."""
    figures = Figures()
    busybox = shutil.which("busybox")
    if busybox is None or shutil.which("docker") is None:
        figures.lack("via: takes Docker and a static busybox")
        return figures.ended()
    envinspect = Path(sys.executable).with_name("envinspect")
    with container(busybox) as name:
        exec_in = ("docker", "exec", "-i", name)
        pairs = [
            (taken_s(envinspect, "--via", " ".join(exec_in)), taken_s(*exec_in, "sh", "-c", ":")) for _ in range(ROUNDS)
        ]
    asked, empty = ([*times] for times in zip(*pairs, strict=True))
    beside = f"an empty docker exec {statistics.median(empty):.2f} s"
    figures.take("--via 'docker exec -i'", "s", asked, most=LIMIT_S, beside=beside)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
