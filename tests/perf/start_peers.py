"""The harness's figures against others' for the same starts, taken in turns (`make perf`).

The process backend against `hyperfine -N`, Docker against hyperfine's `docker run`, direct QEMU against the very same
command line with a stopwatch around it, libvirt against `virsh create`.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from perf_figures import Figures

from envbench.backend import Backend, Mark, Unusable, Workload
from envbench.backends import load
from envbench.backends.libvirt.backend import LibvirtBackend
from envbench.backends.libvirt.domain import domain_xml
from envbench.backends.qemu import QemuBackend
from envbench.backends.vm.emulator import find_emulator
from envbench.backends.vm.guest import qemu_argv
from envbench.payload.kernel import default_cache_dir
from envbench.payload.words import argv_for
from envbench.readiness.output import OutputReader, marker_for, wait_ready
from envbench.run.reaper import reap_entries
from envbench.settings import Settings, new_nonce, new_run_id
from envbench.surroundings.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal

PROCESS_ROUNDS = 40
DOCKER_ROUNDS = 8
QEMU_ROUNDS = 12
BATCH = 15
"""Starts of a process in one go of either side; one round has one of each."""


class Ground:
    """One backend of a run of its own."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self.backend, self.settings = backend, settings
        self.variant = backend.variants()[0]
        backend.prepare(self.variant)

    def timed(self, *, keep_running: bool, until_ended: bool = False) -> int:
        """Return a start's time in ns, from the request until ready, or until it has ended by itself."""
        marks: dict[Mark, int] = {}

        def mark(moment: Mark) -> None:
            marks.setdefault(moment, monotonic_ns())

        workload = Workload(nonce := new_nonce(), keep_running=keep_running)
        instance = self.backend.start(workload, self.variant, mark)
        try:
            ended_ns = wait_ready(instance, OutputReader(marker_for(nonce)), monotonic_ns() + 60 * NS_PER_S)
            if until_ended:
                instance._child.wait(monotonic_ns() + 60 * NS_PER_S)  # type: ignore[attr-defined]
                ended_ns = monotonic_ns()
        finally:
            instance.destroy()
        return ended_ns - marks[Mark.REQUESTED]


@contextlib.contextmanager
def opened(name: str) -> Iterator[Ground | None]:
    """Give a backend that is ready to start, None where it cannot be used here; leave nothing of it."""
    run_id = new_run_id()
    with tempfile.TemporaryDirectory(prefix=f"envbench-{run_id}-") as folder:
        settings = Settings(run_id, Path(folder), default_cache_dir(), accelerators=("tcg",))
        journal = Journal(run_id, Path(folder, "state"))
        backend = load(name)(settings, journal)
        found = backend.check()
        if isinstance(found, Unusable):
            sys.stderr.write(f"{name}: {found.reason}\n")
            yield None
        else:
            yield Ground(backend, settings)
        backend.close()
        reap_entries(journal.entries(), run_id)
        journal.close()


def hyperfine_ns(line: str, runs: int) -> list[float]:
    """Return hyperfine's times for a command without a shell around it."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "times.json")
        subprocess.run(
            ["hyperfine", "-N", "-w", "1", "-r", str(runs), "--export-json", told, line],
            check=True,
            capture_output=True,
        )
        return [seconds * NS_PER_S for seconds in json.loads(told.read_text())["results"][0]["times"]]


class Turns(NamedTuple):
    """Both sides, taken in turns."""

    ours_ns: float
    theirs_ns: float
    """The median of all times of a side."""
    ratios: list[float]
    """Ours to theirs, one a round."""


def in_turns(rounds: int, ours: Callable[[], list[float]], theirs: Callable[[], list[float]]) -> Turns:
    """Time both sides in every round, each the first in every other one."""
    all_ours, all_theirs, ratios = [], [], []
    for number in range(rounds):
        if number % 2:
            other, own = theirs(), ours()
        else:
            own, other = ours(), theirs()
        all_ours += own
        all_theirs += other
        ratios.append(statistics.median(own) / statistics.median(other))
    return Turns(statistics.median(all_ours), statistics.median(all_theirs), ratios)


def process(ground: Ground) -> Turns:
    """Return the process backend and hyperfine on the same command, both from spawn to end."""
    tree = ground.settings.work_dir / "tree"
    line = f"{tree}/bin/busybox sh {tree}{argv_for(Workload('abc'))[0]} abc"

    def ours() -> list[float]:
        return [ground.timed(keep_running=False, until_ended=True) for _ in range(BATCH + 1)][1:]

    return in_turns(PROCESS_ROUNDS, ours, lambda: hyperfine_ns(line, BATCH))


def docker(ground: Ground) -> Turns:
    """Return create to ready, and hyperfine's time for `docker run` of the same image."""
    image = ground.backend.image({})  # type: ignore[attr-defined]
    line = f"docker run --rm --network none --entrypoint {argv_for(Workload('abc'))[0]} {image} abc"

    def ours() -> list[float]:
        return [ground.timed(keep_running=False) for _ in range(3)]

    return in_turns(DOCKER_ROUNDS, ours, lambda: hyperfine_ns(line, 3))


def qemu(ground: Ground) -> Turns:
    """Return the backend's ready, and a plain stopwatch's around the same command line with a socket of its own."""
    assert isinstance(ground.backend, QemuBackend)
    recipe = ground.backend.recipe(ground.variant)
    emulator = find_emulator()

    def theirs() -> list[float]:
        nonce = new_nonce()
        with tempfile.TemporaryDirectory(dir=ground.settings.work_dir) as folder:
            guest = recipe.guest(Path(folder), "stopwatch", Workload(nonce, keep_running=True))
            argv = qemu_argv(guest, emulator)
            with listening(guest.serial) as listener:
                begun_ns = monotonic_ns()
                with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as machine:
                    took_ns = ready_ns(listener, nonce) - begun_ns
                    machine.kill()
        return [took_ns]

    return in_turns(QEMU_ROUNDS, lambda: [ground.timed(keep_running=True)], theirs)


def libvirt(ground: Ground) -> Turns:
    """Return the backend's ready, and a stopwatch's around `virsh create` of the same kind of domain.

    The stopwatch waits for virsh too: the backend's own connection is open before its clock starts.
    """
    backend = ground.backend
    assert isinstance(backend, LibvirtBackend)
    place, recipe = backend._place(ground.variant), backend.recipe(ground.variant)

    def theirs() -> list[float]:
        nonce = new_nonce()
        name, folder = f"stopwatch-{nonce}", place.folder / nonce
        folder.mkdir()
        guest = recipe.guest(folder, name, Workload(nonce, keep_running=True))
        guest = backend._readable_guest(place, recipe, folder, guest)
        told = folder / "domain.xml"
        told.write_text(domain_xml(guest, find_emulator(), ground.settings.run_id, place.security_models))
        with listening(guest.serial) as listener:
            guest.serial.chmod(0o666)
            begun_ns = monotonic_ns()
            subprocess.run(["virsh", "-q", "-c", place.uri, "create", told], check=True, stdout=subprocess.DEVNULL)
            took_ns = ready_ns(listener, nonce) - begun_ns
            subprocess.run(["virsh", "-q", "-c", place.uri, "destroy", name], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder)
        return [took_ns]

    return in_turns(QEMU_ROUNDS, lambda: [ground.timed(keep_running=True)], theirs)


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Give a socket that a machine's serial line can connect to."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        yield listener


def ready_ns(listener: socket.socket, nonce: str) -> int:
    """Wait for a machine's serial line and its ready line; return when it was there."""
    with listener.accept()[0] as line:
        heard = b""
        while f"ENVBENCH-READY {nonce}".encode() not in heard:
            heard += line.recv(4096)
        return monotonic_ns()


BARS = (
    ("process", "process / hyperfine -N", process, 0.90, 1.10),
    ("docker", "docker / hyperfine docker run", docker, None, 1.0),
    ("qemu", "qemu / same command line", qemu, 0.97, 1.03),
    ("libvirt", "libvirt / virsh create", libvirt, None, 1.03),
)


def main() -> int:
    """Measure, print, and return the exit code."""
    figures = Figures()
    for name, title, measure, least, most in BARS:
        if "hyperfine" in title and shutil.which("hyperfine") is None:
            figures.lack(f"hyperfine is not installed: {title} was not measured")
            continue
        with opened(name) as ground:
            if ground is None:
                figures.lack(f"{name} cannot be used here: {title} was not measured")
                continue
            found = measure(ground)
        medians = f"{found.ours_ns / NS_PER_MS:.2f} ms / {found.theirs_ns / NS_PER_MS:.2f} ms"
        figures.take(title, "ratio", found.ratios, least=least, most=most, beside=medians)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
