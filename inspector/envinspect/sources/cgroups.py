"""Reads /proc/PID/cgroup (man 7 cgroups): version 1, version 2 and both at once."""

from __future__ import annotations

from envinspect.model import Record


class Membership(Record):
    """One line: the hierarchy's number (0 is cgroup v2), its controllers ("" for v2), and the path in it."""

    hierarchy: int
    controllers: str
    path: str


def parse_cgroup(text: str) -> tuple[Membership, ...]:
    """Return the memberships of a process; lines that are not `number:controllers:path` are left out.

    A bare path is read as well: reports often keep only the third field. Of a group that is gone only the name is left,
    and the kernel says so behind it where a process is a zombie (docs.kernel.org/admin-guide/cgroup-v2, 2.2).
    """
    memberships: list[Membership] = []
    for line in text.splitlines():
        head, separator, path = line.partition(":/")
        if line.startswith("/"):
            memberships.append(Membership(-1, "", line.rstrip()))
            continue
        number, colon, controllers = head.partition(":")
        if separator and colon and number.strip().isdecimal() and len(number) < 10:
            memberships.append(Membership(int(number), controllers, "/" + path.removesuffix(" (deleted)")))
    return tuple(memberships)


def components(path: str) -> tuple[str, ...]:
    """Return the parts of a cgroup path, systemd's escapes undone.

    Where runc is handed a systemd path without the systemd driver, `slice:prefix:name` is one folder: it is read as
    `slice`, `prefix-name`.
    """
    parts: list[str] = []
    for raw in path.split("/"):
        part = raw.strip()
        if not part or part in {"..", "."}:
            continue
        pieces = part.split(":")
        if len(pieces) == 3:
            parts += [unescape(pieces[0]), f"{unescape(pieces[1])}-{unescape(pieces[2])}"]
        else:
            parts.append(unescape(part))
    return tuple(part for part in parts if part)


def unescape(unit: str) -> str:
    r"""Undo systemd's `\xNN` in a unit name (man 1 systemd-escape); anything else stays as it is."""
    if "\\x" not in unit:
        return unit
    first, *rest = unit.split("\\x")
    decoded = [first]
    for piece in rest:
        code = piece[:2]
        if len(code) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in code):
            decoded.append(chr(int(code, 16)) + piece[2:])
        else:
            decoded.append("\\x" + piece)
    return "".join(decoded)


def is_hex(text: str, length: int) -> bool:
    """Say whether a text is exactly so many hexadecimal digits, of either case."""
    return len(text) == length and all(digit in "0123456789abcdefABCDEF" for digit in text)


def is_container_id(text: str) -> bool:
    """Say whether a text is a full container id as Docker, Podman, CRI-O and containerd use them: 64 digits."""
    return is_hex(text, 64)


def is_id(text: str) -> bool:
    """Say whether a text may be a container's id, cut short or not."""
    return 3 <= len(text) <= 64 and is_hex(text, len(text))


def is_kubelets(part: str) -> bool:
    """Say whether a part is the kubelet's folder for all pods or one of its classes: nothing but pods runs below it."""
    return part.startswith(("kubepods", "kubelet-kubepods"))


def is_pod(part: str) -> bool:
    """Say whether a part names a Kubernetes pod's cgroup: `pod` and a UID, alone or at the end of a slice's name."""
    name = part.removesuffix(".slice")
    _, found, uid = name.rpartition("pod")
    if not found:
        return False
    return is_pod_uid(uid)


def is_pod_uid(text: str) -> bool:
    """Say whether a text is a pod's UID, in any form that drivers write it in; static pods have a hash for one."""
    return is_hex(text.replace("_", "").replace("-", ""), 32)
