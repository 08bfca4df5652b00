"""The one door to the CPU: executes CPUID on x86, says absent on any other architecture.

Python has no CPUID; the instruction is run from a page of our own (mmap, then a call by _ctypes). Where the system
forbids executable anonymous pages (SELinux execmem, PaX), the kernel's cpuid device is tried, and else the answer is
denied.
Calling convention and register order: Intel SDM vol. 2A, CPUID; System V AMD64 ABI.
"""

from __future__ import annotations

import os
import sys

from envinspect.model import ABSENT, Denied, Found, Reading
from envinspect.model.facts import Cpuid, Registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class NoCpuid:
    """An architecture without CPUID."""

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:  # noqa: ARG002
        """Return absent."""
        return ABSENT


class RecordedCpuid:
    """Leaves from a capture; one that was not recorded is denied, never asked of the live CPU."""

    def __init__(self, leaves: dict[tuple[int, int], Registers]) -> None:
        self._leaves = leaves

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        """Return a recorded leaf."""
        found = self._leaves.get((leaf, subleaf))
        return Denied("not-recorded") if found is None else Found(found)


# Argument on the stack (cdecl): a pointer to the same four words.
_I386 = bytes.fromhex("53578b7c240c8b078b4f080fa28907895f04894f0889570c5f5bc3")
# Arguments: rdi -> uint32[4] in which eax and ecx go in and all four come out.
_X86_64 = bytes.fromhex("538b078b4f080fa28907895f04894f0889570c5bc3")
_WORDS_AT, _WORDS_END = 64, 80
"""Where the four words lie in the page, behind the code."""


class LiveCpuid:
    """The CPU this process runs on (x86-64, Linux, macOS)."""

    def __init__(self) -> None:
        self._call: Callable[..., object] | None = None
        self._error = ""

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        """Execute CPUID once; denied where no page may be executed."""
        if self._call is None and not self._error:
            self._load()
        if self._call is None:
            return _from_device(leaf, subleaf) or Denied(self._error)
        self._page[_WORDS_AT:_WORDS_END] = b"".join(word.to_bytes(4, "little") for word in (leaf, 0, subleaf, 0))
        self._call(self._words)
        return Found(_registers(self._page[_WORDS_AT:_WORDS_END]))

    def _load(self) -> None:
        # Not `ctypes`, which makes all of C's types and opens libc: that was a tenth of what a plain call does.
        try:
            import mmap  # noqa: PLC0415 - only x86 pays for it
            from _ctypes import (  # noqa: PLC0415
                FUNCFLAG_CDECL,
                CFuncPtr,
                _SimpleCData,
                addressof,
                byref,
            )

            page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        except (OSError, ValueError, MemoryError):
            self._error = "EACCES"
            return
        except ImportError:
            self._error = "ENOSYS"  # a Python without ctypes
            return

        class Byte(_SimpleCData):  # type: ignore[type-arg]
            _type_ = "B"

        class Function(CFuncPtr):
            _flags_ = FUNCFLAG_CDECL
            _restype_ = None

        page[: len(_code())] = _code()
        self._page = page
        self._words = byref(Byte.from_buffer(page, _WORDS_AT))
        self._call = Function(addressof(Byte.from_buffer(page)))


def _from_device(leaf: int, subleaf: int) -> Found[Registers] | None:
    """Ask the kernel's cpuid driver (root only; linux: arch/x86/kernel/cpuid.c): position is leaf and sub-leaf."""
    try:
        descriptor = os.open("/dev/cpu/0/cpuid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            words = os.pread(descriptor, 16, leaf | subleaf << 32)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    if len(words) != 16:
        return None
    return Found(_registers(words))


def _registers(words: bytes) -> Registers:
    return Registers(*(int.from_bytes(words[at : at + 4], "little") for at in range(0, 16, 4)))


def _code() -> bytes:
    """Return the instructions for this process, which may be a 32-bit one on a 64-bit kernel."""
    return _X86_64 if sys.maxsize > 1 << 32 else _I386


def live_cpuid() -> Cpuid:
    """Return the door to this machine's CPU."""
    if sys.platform == "win32" or not _is_x86():
        return NoCpuid()
    return LiveCpuid()


def _is_x86() -> bool:
    """Say whether this process runs x86 code: by its own name where the kernel's word cannot be had.

    x32 programs have 32-bit pointers and 64-bit code: neither of the two codes is theirs.
    """
    name = getattr(sys.implementation, "_multiarch", "")
    try:
        machine = os.uname().machine
    except OSError:  # refused by a seccomp filter
        machine = name.partition("-")[0]
    return machine in {"x86_64", "amd64", "i386", "i486", "i586", "i686"} and not name.endswith("x32")
