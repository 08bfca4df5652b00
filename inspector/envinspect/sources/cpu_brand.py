"""Reads the CPU's name out of CPUID leaves 0x80000002 to 4 (Intel SDM vol. 2A, CPUID)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

BRAND_LEAVES = (0x8000_0002, 0x8000_0003, 0x8000_0004)


def brand(words: Iterable[int]) -> str:
    """Return the text in the twelve registers, up to its NUL, without the blanks that pad it."""
    text = b"".join(word.to_bytes(4, "little") for word in words).decode("latin-1")
    return " ".join(text.partition("\0")[0].split())
