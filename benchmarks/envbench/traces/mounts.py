"""What is mounted where, as the kernel lists it (proc(5), /proc/pid/mountinfo)."""

import re
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")


def mounts() -> tuple[tuple[Path, str], ...]:
    """Return (mount point, filesystem type) of every mount, in the kernel's order; () where it cannot be read."""
    try:
        text = Path("/proc/self/mountinfo").read_text("utf-8", errors="surrogateescape")
    except OSError:
        return ()
    # By line feeds alone: a mount point may hold what str.splitlines() takes for the end of a line.
    return tuple(_mount(line) for line in text.split("\n") if line)


def filesystem_of(path: Path) -> str:
    """Return the type of the filesystem that this path lies on, "" where that cannot be told."""
    # What was mounted last at the deepest point covers the others.
    above = [
        (len(point.parts), place, kind) for place, (point, kind) in enumerate(mounts()) if path.is_relative_to(point)
    ]
    return max(above)[2] if above else ""


def mounts_under(path: Path) -> tuple[Path, ...]:
    """Return the mount points at or below this path, deepest first."""
    path = path.resolve()  # The kernel lists no way through a link.
    points = (point for point, _kind in mounts())
    return tuple(
        sorted((point for point in points if point.is_relative_to(path)), key=lambda p: len(p.parts), reverse=True)
    )


def _mount(line: str) -> tuple[Path, str]:
    point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split(" ")[4])
    return Path(point), line.partition(" - ")[2].split(" ")[0]
