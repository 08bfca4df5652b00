"""Why an engine cannot be used, as a field, and the one table of what helps: a row a cause, and where it differs.

What the machine or a library says is turned into a cause by its numbers and types, never by its words.
"""

import errno
from collections.abc import Mapping
from enum import StrEnum


class Cause(StrEnum):
    """Why something cannot be used; the word stands in `doctor --json`."""

    NOT_INSTALLED = "not installed"
    """A Python module or a program is missing, or another one stands in its place."""
    CONFIGURATION = "configuration"
    """The address, context or URI that the user set leads nowhere."""
    UNKNOWN_HOST = "unknown host"
    ABSENT = "absent"
    """There is no socket at the address."""
    REFUSED = "refused"
    """Nothing listens at the address, or what listened has ended."""
    PERMISSION = "permission"
    TLS_MISSING = "TLS missing"
    """It was asked without TLS and speaks nothing else."""
    TLS_UNWANTED = "TLS unwanted"
    """It was asked with TLS and does not speak it."""
    CERTIFICATES = "certificates"
    """Its certificate or ours is missing, unreadable or not accepted."""
    NO_ANSWER = "no answer"
    UNSEEN = "unseen"
    """It does not see a folder of ours that it is to read from: its /tmp, or its whole root, is another."""
    BROKEN = "broken"
    """It is there, and fails where its own program would fail as well."""


_UNDO_URI = "unset LIBVIRT_DEFAULT_URI, or a --libvirt-uri such as qemu:///system"
_ROOT = "run it as root (sudo)"
_CERTIFICATES = "its ca.pem, cert.pem and key.pem"

_START: Mapping[str, str] = {
    "docker": "start it (systemctl start docker, or dockerd &), or install it: apt install docker.io",
    "docker elsewhere": "{undo}, or start the engine of that address",
    "containerd": "start containerd (systemctl start containerd), or set CONTAINERD_ADDRESS",
    "containerd elsewhere": "unset CONTAINERD_ADDRESS, or start the containerd of that address",
    "libvirt": "systemctl start libvirtd (without systemd: virtlogd -d && libvirtd -d)",
    "libvirt elsewhere": f"{_UNDO_URI}, or start the daemon of that address",
}

REMEDIES: Mapping[Cause, Mapping[str, str]] = {
    Cause.NOT_INSTALLED: {
        "": "pip install 'envinspect[bench]'",
        "docker over ssh": "pip install paramiko",
        "docker in another's place": "start from another folder, or take that one out of PYTHONPATH",
        "podman runtime": "apt install crun",
        "libvirt": "pip install 'envinspect[libvirt]' (after apt install libvirt-dev gcc)",
    },
    Cause.CONFIGURATION: {
        "docker": "{undo}, or an address such as unix:///run/docker.sock or tcp://HOST:PORT",
        "libvirt": "a URI of the QEMU driver: qemu:///system, qemu:///session or qemu:///embed?root=DIR",
    },
    Cause.UNKNOWN_HOST: {
        "docker": "{undo}, or a host name that getent hosts NAME knows",
        "libvirt": f"{_UNDO_URI}, or a host name that getent hosts NAME knows",
    },
    Cause.ABSENT: {**_START, "layers": "run envbench where the engine runs: the engine's folders are not here"},
    Cause.REFUSED: _START,
    Cause.PERMISSION: {
        "": _ROOT,
        "group of the socket": f"{_ROOT}, or join the socket's group: sudo usermod -aG {{group}} $USER, log in again",
        "libvirt": "sudo usermod -aG libvirt $USER and log in again, or --libvirt-uri qemu:///session",
        "libvirt elsewhere": _ROOT,
        "libvirt embedded": "a root=DIR that this user may write to",
        "libvirt session": "HOME and XDG_RUNTIME_DIR that are folders of this user's own",
        "file of a machine": "make the file readable for the user that libvirt runs QEMU as, or --backend qemu",
    },
    Cause.TLS_MISSING: {
        "docker": f"DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH=FOLDER with {_CERTIFICATES}"
        " (a context: docker context update)",
    },
    Cause.TLS_UNWANTED: {
        "docker": "unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH (a context: docker context update)",
    },
    Cause.CERTIFICATES: {
        "docker": f"DOCKER_CERT_PATH=FOLDER with {_CERTIFICATES}, all readable (a context: docker context update)",
        "libvirt": f"{_UNDO_URI}, or the certificates that virsh needs too (libvirt.org/kbase/tlscerts.html)",
    },
    Cause.NO_ANSWER: {
        "": "look at its log, or restart it",
        "docker elsewhere": "{undo}, or restart that engine",
        "containerd elsewhere": "unset CONTAINERD_ADDRESS, or restart the containerd of that address",
        "libvirt elsewhere": f"{_UNDO_URI}, or restart the daemon of that address",
    },
    Cause.UNSEEN: {
        "": "TMPDIR=DIR, a short path that the engine sees too (a snap: one in HOME), or PrivateTmp=no in its service",
        "libvirt": "TMPDIR=/var/lib/libvirt, or another folder that its daemon sees, or PrivateTmp=no in the daemon's"
        " service (systemctl edit)",
        "libvirt elsewhere": "a --libvirt-uri of a daemon that sees the folders of this machine",
    },
    Cause.BROKEN: {
        "docker": "docker --host {endpoint} version must work first",
        "docker runtime": "docker run --runtime {runtime} must work first; the engine lists: {listed}",
        "podman": "podman run --rm IMAGE true, as this user, must work first",
        "containerd": "ctr --address {socket} version must work first",
        "containerd elsewhere": "unset CONTAINERD_ADDRESS, or have ctr --address {socket} version work first",
        "containerd runtime": "ctr --address {socket} run must work first; it needs runc and its shim",
    },
}
"""Cause → place → what to try. "" is any place that has no row of its own; words in braces are the caller's."""


def remedy_for(cause: Cause | None, place: str = "", **words: object) -> str:
    """Return what helps with a cause at a place, "" where nothing is known to.

    A place such as "docker elsewhere" has the row of "docker" where it has none of its own.
    """
    rows = REMEDIES.get(cause, {}) if cause else {}
    for name in (place, place.partition(" ")[0], ""):
        if name in rows:
            return rows[name].format(**words)
    return ""


def cause_of_errno(number: int | None) -> Cause | None:
    """Return what an error number of the kernel's (errno(3)) means for an address or a file, None for all others."""
    return _BY_ERRNO.get(number or 0)


def remedy_for_lack(error: BaseException | None) -> str:
    """Return what helps where an error, or what it stems from, is a lack of this machine's (space, say); else ""."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None and error.errno in _LACKS:
            return _LACKS[error.errno]
        error = error.__cause__
    return ""


_LACKS: Mapping[int, str] = {
    errno.ENOSPC: "free space where temporary files lie, or TMPDIR=DIR, a folder with room",
    errno.EDQUOT: "free space where temporary files lie, or TMPDIR=DIR, a folder with room",
    errno.EROFS: "TMPDIR=DIR, a folder that can be written",
    errno.EFBIG: "ulimit -f unlimited",
    errno.EMFILE: "ulimit -n 1024",
    errno.EAGAIN: "ulimit -u unlimited, or more processes for this container (--pids-limit)",
    errno.ENFILE: "sysctl fs.file-max, and what has all those files open",
    errno.ENOMEM: "ulimit -v unlimited, or more memory",
}

_BY_ERRNO: Mapping[int, Cause] = {
    errno.ENOENT: Cause.ABSENT,
    errno.ENOTDIR: Cause.ABSENT,
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.EACCES: Cause.PERMISSION,
    errno.EPERM: Cause.PERMISSION,
    errno.EAGAIN: Cause.NO_ANSWER,
    errno.ETIMEDOUT: Cause.NO_ANSWER,
    errno.EHOSTUNREACH: Cause.NO_ANSWER,
    errno.ENETUNREACH: Cause.NO_ANSWER,
}
