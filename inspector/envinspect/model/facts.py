"""What may be asked of a system: each question goes to the machine (or the capture) once and is remembered.

What was remembered is what a capture writes, so the list of captured files cannot drift from the list of read ones.
The doors that the questions go through are protocols here; `envinspect.systems` implements them.
"""

from __future__ import annotations

from envinspect.model import ABSENT, Found, Reading, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    K = TypeVar("K")
    V = TypeVar("V")
else:
    Protocol = object


class Uname(Record):
    """uname(2), as far as it is known; "" is unknown."""

    sysname: str = ""
    release: str = ""
    version: str = ""
    machine: str = ""


class Stat(Record):
    """The identity of a file, and its mode bits and size."""

    dev: int
    ino: int
    mode: int = 0
    size_bytes: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """The device and the inode: two paths with the same are one file."""
        return self.dev, self.ino


class Registers(Record):
    """What one CPUID leaf returned."""

    eax: int
    ebx: int
    ecx: int
    edx: int

    @property
    def words(self) -> tuple[int, int, int, int]:
        """The registers in the order in which Intel's manual names them."""
        return self.eax, self.ebx, self.ecx, self.edx

    def ascii(self) -> str:
        """Return the twelve bytes of EBX, ECX, EDX as latin-1 text: a hypervisor's signature."""
        return _latin(self.ebx, self.ecx, self.edx)

    def vendor(self) -> str:
        """Return the twelve bytes as leaves 0 and 0x21 spell them: EBX, EDX, ECX."""
        return _latin(self.ebx, self.edx, self.ecx)


def _latin(*words: int) -> str:
    return b"".join(word.to_bytes(4, "little") for word in words).decode("latin-1")


class Disk(Record):
    """A file system's size, and what of it an unprivileged process may still write."""

    total_bytes: int
    available_bytes: int


class Root(Protocol):
    """Where files are read from. All paths are absolute, as the inspected system spells them."""

    def read(self, path: str) -> Reading[bytes]:
        """Return a regular file's bytes, shortened where it is longer than any file that is asked for."""

    def link(self, path: str) -> Reading[str]:
        """Return a symbolic link's text, unresolved."""

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names, sorted."""

    def stat(self, path: str) -> Reading[Stat]:
        """Return the identity of what is at a path, links followed."""


class Cpuid(Protocol):
    """Where CPUID leaves come from."""

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        """Return the registers of one leaf."""


class Running(Protocol):
    """What no file tells and only the running machine can be asked; a captured or mounted system has none of it."""

    def connects(self, path: str, *, http: bool) -> Reading[str]:
        """Return what the engine behind a unix socket answers."""

    def no_new_privs(self) -> bool | None:
        """Return whether this process can gain no privileges (prctl(2)); None where it cannot be asked."""

    def kvm_api_version(self) -> Reading[int]:
        """Return the KVM API version that /dev/kvm answers."""

    def cpus_allowed(self) -> tuple[int | None, str]:
        """Return how many CPUs this process may run on (None: not known), and who says so."""

    def disk(self) -> Reading[Disk]:
        """Return the size of the working folder's file system."""

    def memory_bytes(self) -> int | None:
        """Return the machine's memory; None where nothing tells."""

    def boot_time_s(self) -> int | None:
        """Return when the machine booted, in seconds since 1970; None where nothing tells."""

    def cpu_brand(self) -> str | None:
        """Return the CPU's name; None where nothing tells."""


NATIVE = "native"
HOW = frozenset({NATIVE, "sh", "pid"})
CPUID_FROM = frozenset({"instruction", "device", "none"})


class Observer(Record):
    """How a system was looked at: `how` is one of HOW, `cpuid` of CPUID_FROM."""

    how: str
    cpuid: str


class Facts:
    """The one thing a probe is given.

    `files`, `links`, `listings`, `stats`, `variables` and `leaves` hold every answer so far, by question; capture
    writes them. `subject` is what the caller calls the system, `observer` how it was looked at: "" and None for the one
    that this process runs on. `running` is None where the system is not the one that this process runs on. `at_rest`
    is True for the files of a system that does not run: an image, a disk.
    """

    def __init__(
        self,
        root: Root,
        cpuid: Cpuid,
        *,
        uname: Uname,
        euid: int | None,
        environ: Callable[[str], Reading[str]],
        running: Running | None = None,
    ) -> None:
        self.subject = ""
        self.observer: Observer | None = None
        self.root = root
        self.uname = uname
        self.euid = euid
        self.running = running
        self.at_rest = False
        self.files: dict[str, Reading[bytes]] = {}
        self.links: dict[str, Reading[str]] = {}
        self.listings: dict[str, Reading[tuple[str, ...]]] = {}
        self.stats: dict[str, Reading[Stat]] = {}
        self.variables: dict[str, Reading[str]] = {}
        self.leaves: dict[tuple[int, int], Reading[Registers]] = {}
        self._cpuid = cpuid
        self._environ = environ
        self._derived: dict[object, Any] = {}

    def bytes(self, path: str) -> Reading[bytes]:
        """Return a file's bytes."""
        return _once(self.files, path, self.root.read)

    def text(self, path: str) -> Reading[str]:
        """Return a file as text, NUL and white space trimmed at both ends; bytes that are not UTF-8 become U+FFFD."""
        found = self.bytes(path)
        if not isinstance(found, Found):
            return found
        return Found(found.value.decode("utf-8", "replace").strip(" \t\r\n\0"))

    def link(self, path: str) -> Reading[str]:
        """Return a symbolic link's text."""
        return _once(self.links, path, self.root.link)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names, sorted."""
        return _once(self.listings, path, self.root.listing)

    def stat(self, path: str) -> Reading[Stat]:
        """Return the identity of what is at a path."""
        return _once(self.stats, path, self.root.stat)

    def exists(self, path: str) -> bool:
        """Say whether something is seen at a path; False for denied as well, so use it for hints only."""
        return isinstance(self.stat(path), Found)

    def environ(self, name: str) -> Reading[str]:
        """Return this process's own environment variable."""
        return _once(self.variables, name, self._environ)

    def cpuid(self, leaf: int, subleaf: int = 0) -> Reading[Registers]:
        """Return eax, ebx, ecx, edx of a CPUID leaf; absent where the architecture has none."""
        return _once(self.leaves, (leaf, subleaf), lambda key: self._cpuid.leaf(*key))

    def derived(self, make: Callable[[Facts], V]) -> V:
        """Return `make(self)`, worked out once: for what several probes need, such as the parsed mount table."""
        if make not in self._derived:
            self._derived[make] = make(self)
        answer: V = self._derived[make]
        return answer

    def str_or(self, path: str, default: str = "") -> str:
        """Return a file's text, `default` where it is absent or denied: for where the difference is told elsewhere."""
        found = self.text(path)
        return found.value if isinstance(found, Found) else default


def _once(known: dict[K, Reading[V]], key: K, ask: Callable[[K], Reading[V]]) -> Reading[V]:
    answer = known.get(key)
    if answer is None:
        answer = known[key] = ask(key)
    return answer


def no_environ(_name: str) -> Reading[str]:
    """Answer for a system whose environment is not at hand."""
    return ABSENT
