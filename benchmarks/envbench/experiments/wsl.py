"""What only a WSL distribution on Windows can tell; elsewhere it is left out with the reason.

Written against Microsoft's documented interfaces (learn.microsoft.com/windows/wsl: wsl-config, filesystems,
basic-commands), and not verified on a Windows machine.
"""

import os
from collections.abc import Callable
from pathlib import Path
from time import sleep

from envbench.backend import Unusable
from envbench.backends.wsl import WslBackend, distributions, run_windows, wsl_exe, wsl_version
from envbench.errors import BackendError, EnvbenchError, one_line
from envbench.experiments.shared.accounting import available_bytes, total_bytes
from envbench.records.phases import Experiment
from envbench.run.bench import Bench
from envbench.settings import Configuration
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envinspect.model import Found
from envinspect.systems.cpuid import LiveCpuid

ROUNDS, ROUNDS_QUICK = 12, 6
FILES = 200
FILE_BYTES = 1024
HYPER_V_LEAF = "Microsoft Hv"
_WSL = Experiment.WSL


def run(bench: Bench) -> None:
    """Settle the claims on WSL, each part by itself."""
    answer = WslBackend(bench.settings, bench.journal).check()
    if isinstance(answer, Unusable):
        bench.skip(_WSL, "everything about WSL", answer.reason, answer.remedy)
        return
    configuration = Configuration(WslBackend.name, {"version": str(wsl_version())}, bench.settings.profile)
    for what, part in (
        ("kernel and hypervisor", _kernel),
        ("Windows drives", _drives),
        ("starting each other's programs", _interop),
        ("start of a distribution", _distributions),
    ):
        with bench.attempt(_WSL, what):
            part(bench, configuration)


def _kernel(bench: Bench, configuration: Configuration) -> None:
    own = wsl_version() == 2
    bench.record("own_kernel", own, configuration, detail=os.uname().release)
    vendor = hypervisor_vendor()
    if vendor is not None:
        bench.record("hyper_v", vendor == HYPER_V_LEAF, configuration, detail=f"CPUID 0x40000000: {vendor}")
    if own:
        bench.record(
            "distribution_memory", total_bytes() - available_bytes(), configuration, detail="MemTotal less MemAvailable"
        )


def hypervisor_vendor() -> str | None:
    """Return the hypervisor's signature in CPUID leaf 0x40000000, None where CPUID cannot be asked."""
    found = LiveCpuid().leaf(0x4000_0000, 0)
    if not isinstance(found, Found):
        return None
    return found.value.ascii().rstrip("\0")


def _drives(bench: Bench, configuration: Configuration) -> None:
    drives = windows_drives(Path("/proc/mounts").read_text("utf-8"))
    bench.record("drives_mounted", len(drives), configuration, detail=", ".join(drives))
    if not drives:
        raise EnvbenchError("no Windows drive is mounted", remedy="[automount] enabled=true in /etc/wsl.conf")
    folder = _writable_on(drives)
    for round_number in range(ROUNDS_QUICK if bench.quick else ROUNDS):
        places = [("drive_files", folder), ("linux_files", bench.settings.work_dir)]
        for name, place in places if round_number % 2 else reversed(places):
            bench.record(
                name, files_per_s(place / f"envbench-{bench.settings.run_id}"), configuration, iteration=round_number
            )


def windows_drives(mounts: str) -> list[str]:
    """Return the mount points of Windows drives: 9p or virtiofs with a drive as source (WSL 2), drvfs (WSL 1)."""
    found = []
    for line in mounts.splitlines():
        source, point, kind, options = line.split()[:4]
        is_drive = source.rstrip("\\/").endswith(":") or "aname=drvfs" in options
        if kind == "drvfs" or (kind in ("9p", "virtiofs") and is_drive):
            found.append(point)
    return found


def _writable_on(drives: list[str]) -> Path:
    """Return a folder for temporary files on a Windows drive, by what Windows itself calls it."""
    said = run_windows(("cmd.exe", "/c", "echo %TEMP%")).strip()
    for drive in drives:
        letter = Path(drive).name
        if said[:1].lower() == letter.lower():
            return Path(drive, *said[2:].strip("\\").split("\\"))
    raise EnvbenchError(f"Windows' folder for temporary files ({said}) is on no mounted drive")


def files_per_s(folder: Path) -> float:
    """Write, read and remove small files in a folder of our own; return files a second. Raises OSError."""
    folder.mkdir()
    try:
        begun_ns = monotonic_ns()
        for number in range(FILES):
            path = folder / str(number)
            path.write_bytes(b"x" * FILE_BYTES)
            path.read_bytes()
            path.unlink()
        return FILES * NS_PER_S / (monotonic_ns() - begun_ns)
    finally:
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


def _interop(bench: Bench, configuration: Configuration) -> None:
    _says(bench, configuration, "interop", lambda: run_windows(("cmd.exe", "/c", "echo envbench")))
    own = os.environ.get("WSL_DISTRO_NAME", "")
    words = (
        ("cmd.exe", "/c", f"wsl.exe -d {own} -- echo envbench")
        if own
        else ("cmd.exe", "/c", "wsl.exe -- echo envbench")
    )
    _says(bench, configuration, "interop_back", lambda: run_windows(words))


def _says(bench: Bench, configuration: Configuration, name: str, ask: Callable[[], str]) -> None:
    try:
        said = ask()
    except BackendError as error:
        bench.record(name, False, configuration, detail=one_line(error))
    else:
        bench.record(name, "envbench" in said, configuration, detail=said.strip())


def _distributions(bench: Bench, configuration: Configuration) -> None:
    """Time another distribution than our own: ours cannot be terminated from within."""
    others = [name for name in distributions() if name != os.environ.get("WSL_DISTRO_NAME")]
    if not others:
        raise EnvbenchError("only this distribution is installed", remedy="wsl.exe --install -d Debian, from Windows")
    other = others[0]
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    for round_number in range(ROUNDS_QUICK if bench.quick else ROUNDS):
        run_windows((wsl_exe(), "--terminate", other))
        sleep(1.0)
        begun_ns = monotonic_ns()
        said = run_windows((wsl_exe(), "-d", other, "--", "cat", "/proc/sys/kernel/random/boot_id")).strip()
        bench.record(
            "distribution_start",
            monotonic_ns() - begun_ns,
            configuration,
            iteration=round_number,
            detail="to its end of output",
        )
        if round_number == 0:
            bench.record(
                "kernel_shared_by_distributions",
                said == boot_id,
                configuration,
                detail=f"{other}: {said}; here: {boot_id}",
            )
