"""Every way envinspect ends badly, each with its exit code (contract 2), and how an error becomes one line."""

from __future__ import annotations


class EnvinspectError(Exception):
    """Base: what happened and where, in one line; `remedy` is what to try, "" where nothing is known to help.

    `str` is the line without the remedy; `one_line` puts the two together where they are shown to a person.
    """

    exit_code = 1

    def __init__(self, what: str = "", *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


class UsageError(EnvinspectError):
    """Bad arguments: an unknown name, a path that is not there."""

    exit_code = 2


class CaptureError(EnvinspectError):
    """A capture that cannot be read or written: truncated, hostile, of another schema, or a full disk."""

    exit_code = 2


class NotDeterminedError(EnvinspectError):
    """Too much could not be read to answer."""

    exit_code = 3


class UnreachableError(EnvinspectError):
    """A place that could not be asked, or did not answer wholly: no shell, no rights, an answer that was cut short."""

    exit_code = 3


class NotMetError(EnvinspectError):
    """--is NAME: answered, and the answer is no."""

    exit_code = 4


def one_line(error: EnvinspectError) -> str:
    """Return what happened and what to try, as it is printed; "" for an error that is for scripts (`--is` not met)."""
    what = printable(str(error), 500)
    return f"{what}; try: {printable(error.remedy)}" if error.remedy else what


def printable(text: str, limit: int = 200) -> str:
    """Return text from outside so that it can be printed: escaped where it is no printable character, and shortened."""
    if not text.isprintable():
        text = "".join(
            character
            if character.isprintable()
            else character.encode("unicode_escape", "surrogatepass").decode("ascii")
            for character in text
        )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, regular in the plural: "1 host", "2 processes"."""
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")
