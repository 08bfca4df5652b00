"""Reads /proc/PID/mountinfo and /proc/mounts (man 5 proc), truncated ones and WSL's unescaped ones too."""

from __future__ import annotations

from envinspect.model import Found, Record
from envinspect.model.facts import Facts

MOUNTINFO = "/proc/self/mountinfo"
MOUNTS = "/proc/mounts"


class Mount(Record):
    """One mount: where it is (`target`), what of its file system is shown there (`root`), the file system, its options.

    `root` is "" where the source (/proc/mounts) does not tell it. `options` are the file system's, an overlay's
    layers among them, `flags` the mount's own. `id` is unique among all mounts of the machine, `parent` that of the
    mount below it (0: not told), `device` is major:minor of the file system.
    """

    root: str
    target: str
    fstype: str
    source: str
    options: str
    id: int = 0
    device: str = ""
    flags: str = ""
    parent: int = 0

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: the mount's own flags tell read-only binds, the options the rest."""
        return "ro" in self.flags.split(",") or "ro" in self.options.split(",")

    def option(self, name: str) -> str:
        """Return the value of `name=value`, "" where there is none."""
        return next(iter(self.all_of(name)), "")

    def all_of(self, name: str) -> tuple[str, ...]:
        """Return the values of an option that may stand there several times, in order."""
        pairs = (option.partition("=") for option in self.options.split(","))
        return tuple(value for key, found, value in pairs if found and key == name)


class MountTable(Record):
    """The mounts, the file they were read from, and what is mounted at / (None: nothing, or not known)."""

    source: str
    mounts: tuple[Mount, ...]
    root: Mount | None


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Return the mounts in order; lines that are cut short or no mounts at all are left out."""
    mounts: list[Mount] = []
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 6 or not fields[0].isdecimal():
            continue
        fstype, _, rest = after.partition(" ")
        source, _, options = rest.partition(" ")
        number, parent = (int(field) if field.isdecimal() and len(field) < 12 else 0 for field in fields[:2])
        place = (_plain(fields[3]), _plain(fields[4]))
        mounts.append(Mount(*place, fstype, _plain(source), options, number, fields[2], fields[5], parent))
    return tuple(mounts)


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Return the mounts of the older format (man 5 fstab), which lacks the root within the file system."""
    mounts: list[Mount] = []
    for line in text.split("\n"):
        fields = line.split(" ")
        if len(fields) >= 4 and fields[1].startswith("/"):
            mounts.append(Mount("", _plain(fields[1]), fields[2], _plain(fields[0]), fields[3]))
    return tuple(mounts)


def mount_table(facts: Facts) -> MountTable:
    """Return the mounts of this process, from the older list where the newer one is not there."""
    found = facts.text(MOUNTINFO)
    if isinstance(found, Found):
        source, mounts = MOUNTINFO, parse_mountinfo(found.value)
    else:
        source, mounts = MOUNTS, parse_mounts(facts.str_or(MOUNTS))
    return MountTable(source, mounts, root_of(mounts))


def root_of(mounts: tuple[Mount, ...]) -> Mount | None:
    """Return the mount on /: the last one; the initramfs below it counts only where the system still runs from it."""
    roots = [mount for mount in mounts if mount.target == "/"]
    return next((mount for mount in reversed(roots) if mount.fstype != "rootfs"), roots[-1] if roots else None)


def kernels_own(facts: Facts, path: str) -> bool:
    """Say whether a file below /proc or /sys is the kernel's own, and not one that was mounted over it.

    lxcfs (https://linuxcontainers.org/lxcfs/) and sysboxfs mount files of their own making, which speak of the
    container. True where no mount tells.
    """
    holder = mount_at(facts.derived(mount_table).mounts, path)
    return holder is None or holder.target == "/" or holder.fstype in {"proc", "sysfs"}


def mount_at(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """Return the mount that a path lies on: the last one with the longest mount point; None where none is known."""
    best: Mount | None = None
    for mount in mounts:
        above = mount.target.rstrip("/")
        if (path == above or path.startswith(f"{above}/")) and (best is None or len(mount.target) >= len(best.target)):
            best = mount
    return best


def _plain(field: str) -> str:
    """Undo the octal escapes for space, tab, newline and backslash."""
    if "\\" not in field:
        return field
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, letter)
    return field
