"""Makes tests/systems/real-NAME of the captures that the matrix's last run left in the cache.

    python tests/e2e/systems.py [NAME...]

Only environments that were answered right are taken, and only where the capture gives the same layers again.
What names this machine rather than its kind (its folders, mounts of its owner's tooling, boot parameters) is taken out
first.
"""

import importlib
import json
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from types import ModuleType

from environments.lab import cache_dir
from environments.matrix import RESULTS

REPOSITORY = Path(__file__).parent.parent.parent
SYSTEMS = REPOSITORY / "tests/systems"
LARGEST_BYTES = 200_000

# What is this machine's own: (pattern, what stands for it).
SCRUB: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"{re.escape(str(cache_dir()))}", "/srv/trees"),
        (r"/tmp/envinspect-e2e-[a-z0-9_]+", "/srv/lab"),
        (r"envinspect-e2e-[a-z0-9_-]{8}", "envinspect"),
        (rf"{re.escape(str(REPOSITORY))}/\.venv", "/opt/venv"),
        (rf"{re.escape(str(REPOSITORY))}", "/srv/envinspect"),
        (r"/root/\.pyenv/versions/[0-9.]+", "/usr/local"),
        (rf"\b{re.escape(Path('/proc/1/comm').read_text().strip())}\b", "service"),
        (r"\(\w+@\w+\)", "(builder@host)"),
        (r"(?m)^\d+ \d+ \S+ \S+ /mnt/\S* .*\n", ""),
    )
)


def scrub(text: str) -> str:
    for pattern, replacement in SCRUB:
        text = pattern.sub(replacement, text)
    return text


# Of a kernel's command line, what a VMM or an image sets; the rest is the machine owner's.
BOOT_WORDS = (
    "console=",
    "reboot=",
    "panic=",
    "pci=",
    "root=",
    "ro",
    "rw",
    "quiet",
    "virtio_mmio.device=",
    "BOOT_IMAGE=",
)


def scrub_command_line(text: str) -> str:
    kept = [
        word for word in text.split() if word.startswith(tuple(w for w in BOOT_WORDS if "=" in w)) or word in BOOT_WORDS
    ]
    return " ".join(kept) + "\n"


def _scrub_folder(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            text = scrub(path.read_bytes().decode("latin-1"))
            if path.parts[-2:] == ("proc", "cmdline"):
                text = scrub_command_line(text)
            path.write_bytes(text.encode("latin-1"))
        if scrub(path.name) != path.name:
            path.rename(path.with_name(scrub(path.name)))


def _expectations() -> ModuleType:
    """The test module that knows expect.toml's form."""
    sys.path.insert(0, str(REPOSITORY))
    return importlib.import_module("tests.inspector.test_systems")


def _single(folder: Path) -> Path:
    """Return the folder that holds facts.json: the archive's own top, or the one folder in it."""
    return next(folder.rglob("facts.json")).parent


def _prune(root: Path, asked: set[str]) -> None:
    """Remove what only resources and the host's description read: here, every file has to be evidence's."""
    for path in sorted(root.rglob("*"), reverse=True):
        inside = "/" + str(path.relative_to(root))
        other = inside.replace("/sys/devices/virtual/dmi/id/", "/sys/class/dmi/id/")
        if path.is_file() and not {inside, other} & asked:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def adopt(row: dict[str, object], archive: Path, expectations: ModuleType) -> str:
    """Make one system; return a line that says what came of it."""
    from envinspect.inspection import inspect
    from envinspect.systems.captured import read_capture

    name = f"real-{row['name']}"
    target = SYSTEMS / name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with tarfile.open(archive) as packed:
            packed.extraction_filter = getattr(tarfile, "data_filter", None)  # not before Python 3.11.4
            packed.extractall(folder)  # noqa: S202 - our own archive, filtered where Python can
        _scrub_folder(folder)
        source = _single(folder)
        answer = inspect(read_capture(str(source)))
        stack = answer.stack
        layers = [layer.id for layer in stack.layers]
        if layers != row["envinspect"]:
            return f"{name}: left out, the capture says {layers} where the machine said {row['envinspect']}"
        _prune(source / "root", answer.facts.files.keys() | answer.facts.stats.keys())
        size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        if size > LARGEST_BYTES:
            return f"{name}: left out, {size} bytes"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    (target / "expect.toml").write_text(expectations.expectation(stack))
    (target / "ORIGIN.md").write_text(
        f"# {name}\n\n*Captured*, not constructed: {row['how']}.\n\n"
        f"Started by the matrix (`tests/e2e/environments`, row `{row['name']}`) on a Firecracker microVM,\n"
        f"Debian 12; the truth is {', '.join(map(str, row['truth']))}.\n"  # type: ignore[arg-type]
        "Captured by `envinspect capture`, which redacts; what names that one machine (folders and boot\n"
        "parameters of its own) was taken out by `tests/e2e/systems.py`.\n"
    )
    return f"{name}: {layers}, {size} bytes"


def main(names: list[str]) -> int:
    rows = {row["name"]: row for row in json.loads((cache_dir() / RESULTS).read_text())}
    expectations = _expectations()
    for name, row in rows.items():
        archive = cache_dir() / "captures" / f"{name}.tar.gz"
        if (names and name not in names) or not archive.exists():
            continue
        if not row["right"]:
            sys.stdout.write(f"real-{name}: left out, the answer was wrong\n")
            continue
        sys.stdout.write(adopt(row, archive, expectations) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
