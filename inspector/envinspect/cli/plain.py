"""The short way: calls that need no parsing are answered without click, which costs more to load than all else."""

from __future__ import annotations

import os
import sys

from envinspect.cli.actions import INTERRUPTED, OF_NO_PLACE, REPORTS, Call, failed, perform
from envinspect.model.errors import EnvinspectError
from envinspect.render import DROP_IN
from envinspect.systems import Place

_FORMS: dict[tuple[str, ...], str] = {
    (): "text",
    ("--json",): "json",
    ("--brief",): "brief",
    ("--explain",): "explain",
    **{("--format", name): name for name in DROP_IN},
}
_PLACES = {"--from": "capture", "--root": "root"}


def main() -> int:
    """Run the command line and return the exit code (contract 2)."""
    try:
        code = _run(tuple(sys.argv[1:]))
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`envinspect | head -1`): not an error, but Python would complain when it closes stdout.
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        return failed(EnvinspectError(f"cannot write the answer: {error.strerror}"))
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(words: tuple[str, ...]) -> int:
    """Answer a command line that needs no parsing; hand all others, the wrong ones among them, to click."""
    call = call_of(words) if "_ENVINSPECT_COMPLETE" not in os.environ else None
    if call is None:
        from envinspect.cli.commands import run

        return run(list(words))
    try:
        return perform(call)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line and exit code 1, never a traceback
        return failed(error)


def call_of(words: tuple[str, ...]) -> Call | None:
    """Return what a command line asks, None where it needs click to be understood or refused."""
    rest, place = _place(words)
    if rest in _FORMS:
        return Call(_FORMS[rest], place)
    if rest[0] in REPORTS and rest[1:] in {(), ("--json",)}:
        return Call(rest[0], place, as_json=len(rest) > 1)
    if rest[0] in OF_NO_PLACE and rest[1:] in {(), ("--json",)} and not place.named:
        return Call(rest[0], as_json=len(rest) > 1)
    if len(rest) % 2 == 0 and set(rest[::2]) == {"--is"}:
        return Call("is", place, rest[1::2])
    return None


def _place(words: tuple[str, ...]) -> tuple[tuple[str, ...], Place]:
    """Return the words without a leading or closing option that names a system, and that system."""
    for pair, rest in ((words[:2], words[2:]), (words[-2:], words[:-2])):
        if len(pair) == 2 and pair[0] in _PLACES and not pair[1].startswith("-"):
            return rest, Place().replace(**{_PLACES[pair[0]]: pair[1]})
    return words, Place()


def _drop_output() -> None:
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
