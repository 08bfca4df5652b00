"""Programs of another CPU architecture inside containers, by QEMU's user mode and the kernel's binfmt_misc.

Documentation/admin-guide/binfmt-misc.rst: a handler registered with the flag F opens its interpreter at once, so that
it works in every mount namespace. A handler that this module registers, and a mount that it makes, are undone at its
end.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from envbench.errors import BackendError, EnvbenchError
from envbench.experiments.shared import artefacts
from envbench.experiments.shared.running import ask, first
from envbench.experiments.shared.toolbox import FOREIGN, toolbox
from envbench.records.phases import Experiment
from envbench.run.bench import Bench, Prepared
from envbench.traces.journal import Journal, Kind
from envbench.traces.removal import remove_handler

BINFMT = Path("/proc/sys/fs/binfmt_misc")
REMEDY = f"apt install qemu-user-static, and {artefacts.REMEDY}"
ROUNDS = 6
WORK_MIB = 24
_ELF_64 = b"\x7fELF\x02\x01\x01" + bytes(9)
SIGNATURES = {
    # elf(5): 64 bits, little-endian, version 1, executable or shared, e_machine; as in QEMU's qemu-binfmt-conf.sh.
    "aarch64": (_ELF_64 + b"\x02\0\xb7\0", b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"),
    "x86_64": (_ELF_64 + b"\x02\0\x3e\0", b"\xff" * 5 + b"\xfe\xfe" + b"\0" + b"\xff" * 8 + b"\xfe\xff\xff\xff"),
}
"""Architecture → the bytes at a program's beginning and the mask of those that count."""

SCRIPT = f"""
B=${{ENVBENCH_BUSYBOX:-/bin/busybox}}
$B dd if=/dev/zero of=/tmp/work bs=1048576 count={WORK_MIB} 2>/dev/null
echo "@machine=$({FOREIGN} uname -m)"
i=0
while [ $i -lt {ROUNDS} ]; do
  $B time -f '@native=%U %S' $B sha256sum /tmp/work 2>&1 >/dev/null
  $B time -f '@foreign=%U %S' {FOREIGN} sha256sum /tmp/work 2>&1 >/dev/null
  i=$((i+1))
done
$B rm -f /tmp/work
"""


def run(bench: Bench) -> None:
    """Run the foreign BusyBox in every container; write whether it ran and its CPU time against the native one."""
    names = artefacts.foreign_machine()
    if names is None or artefacts.foreign_busybox(bench.settings.cache_dir) is None:
        raise EnvbenchError("no program for another architecture in the cache")
    with handler(names[1], bench.journal) as (before, origin):
        bench.record("binfmt_registered", before, detail=origin)
        with toolbox(
            bench, [one.configuration.backend for one in bench.chosen(one_of_a_kind=True) if one in bench.containers()]
        ) as tools:
            for prepared in tools.configurations:
                with bench.attempt(Experiment.KERNEL, f"{prepared.name}: a program for {names[1]}", REMEDY):
                    _measure(bench, prepared, names[1])


def _measure(bench: Bench, prepared: Prepared, machine: str) -> None:
    found = ask(bench, prepared, SCRIPT)
    said = first(found, "machine")
    ran = said == machine
    bench.record(
        "foreign_arch_runs", ran, prepared.configuration, detail=f"uname -m of a program for {machine}: {said}"
    )
    ratios = []
    for round_number, (native, foreign) in enumerate(
        zip(found.get("native", ()), found.get("foreign", ()), strict=False)
    ):
        native_s, foreign_s = (sum(map(float, text.split())) for text in (native, foreign))
        if ran and native_s > 0:
            ratios.append(foreign_s / native_s)
            detail = f"SHA-256 of {WORK_MIB} MiB: {foreign_s:g} s against {native_s:g} s of CPU"
            bench.record(
                "foreign_arch_slowdown", ratios[-1], prepared.configuration, iteration=round_number, detail=detail
            )
    middle = f"{sorted(ratios)[len(ratios) // 2]:.1f} times the CPU time" if ratios else "no CPU time"
    bench.say(f"kernel: {prepared.name}: a program for {machine} {'ran' if ran else 'did not run'}, {middle}")


@contextmanager
def handler(machine: str, journal: Journal) -> Iterator[tuple[bool, str]]:
    """Have a binfmt_misc handler for programs of this architecture; yield if it was there before, and whose it is.

    One that is there already is used and left. Raises EnvbenchError where none can be registered.
    """
    with _mounted():
        existing = BINFMT / f"qemu-{machine}"
        if existing.exists() and "enabled" in existing.read_text("utf-8", errors="replace"):
            yield True, f"{existing.name}: registered before this run"
            return
        emulator = shutil.which(f"qemu-{machine}-static")
        if emulator is None:
            raise EnvbenchError(f"no qemu-{machine}-static")
        name = f"envbench-{journal.run_id}-{machine}"
        number = journal.intend(Kind.HANDLER, str(BINFMT / name))
        _write(BINFMT / "register", registration(name, machine, emulator))
        try:
            yield False, f"{name}: {emulator}, registered for this experiment and removed after it"
        finally:
            remove_handler(BINFMT / name)
            journal.forget(number)


def registration(name: str, machine: str, emulator: str) -> bytes:
    """Return the line that registers a handler: name, kind M, offset 0, magic, mask, interpreter, flag F."""
    magic, mask = ("".join(f"\\x{byte:02x}" for byte in part) for part in SIGNATURES[machine])
    return f":{name}:M:0:{magic}:{mask}:{emulator}:F".encode()


def _write(path: Path, words: bytes) -> None:
    try:
        path.write_bytes(words)
    except OSError as error:
        raise EnvbenchError(f"{path}: {error.strerror}", remedy="sudo, and binfmt_misc in the kernel") from error


@contextmanager
def _mounted() -> Iterator[None]:
    if (BINFMT / "register").exists():
        yield
        return
    mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackendError(f"binfmt_misc cannot be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            subprocess.run(["umount", BINFMT], capture_output=True, check=False)
