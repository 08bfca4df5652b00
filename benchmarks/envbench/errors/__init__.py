"""All errors of envbench, each with its exit code (README.md). Only `cli.main` turns an error into a code."""

import re
from typing import ClassVar

from envbench.errors.causes import Cause

_PASSWORD = re.compile(r"(?<=://)([^/\s:@\[]*):(?!\d+(?:/|$))[^\s@]*@")
"""A password with a slash is no valid address, and stands in the very error that says so; a port is none."""


class EnvbenchError(Exception):
    """Base: what happened and where, in one line; `remedy` is what to try, "" where nothing is known to help.

    `str` is the line without the remedy: the two are put together by `one_line`, where they are shown to a person.
    `cause` is why an engine could not be used, None where that is not known or the error is of another kind.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, remedy: str = "", cause: Cause | None = None) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.cause = cause


class UsageError(EnvbenchError):
    """Bad arguments or input that cannot be used: an expression, an output folder, a results folder."""

    exit_code = 2


class NoUsableBackendError(EnvbenchError):
    """No backend can run here; says each backend's reason and remedy."""

    exit_code = 3


class BackendError(EnvbenchError):
    """An engine refused or failed at something; the start behind it becomes a failed row."""

    exit_code = 4


class CommandError(BackendError):
    """A program that was run failed: `exit_status` is its own (negative: the signal), `said` its last words."""

    def __init__(self, what: str, *, exit_status: int, said: str, remedy: str = "") -> None:
        super().__init__(f"{what} ended with {exit_status}: {said or 'it said nothing'}", remedy=remedy)
        self.exit_status = exit_status
        self.said = said


class StartTimeoutError(BackendError):
    """The ready line was not seen before the deadline; carries the tail of the console."""


class StartsFailedError(EnvbenchError):
    """The run ended and is reported, but some of its starts failed."""

    exit_code = 4


class LeftBehindError(EnvbenchError):
    """The run ended and is reported, but something that it made could not be removed; its journal is kept."""


class GateFailedError(EnvbenchError):
    """--fail-if or --baseline: the interval excludes the bound."""

    exit_code = 5


class GateInconclusiveError(EnvbenchError):
    """--fail-if or --baseline: the interval spans the bound."""

    exit_code = 6


class InterruptedRunError(BaseException):
    """Ctrl-C or SIGTERM: everything was cleaned up and the partial results were kept.

    Like KeyboardInterrupt it is no Exception: a signal comes at any moment, and what notes a refusal there and goes on
    must not take it for one.
    """

    exit_code: ClassVar[int] = 130


def without_passwords(text: str) -> str:
    """Return a text in which no address says its password: s3://KEY:…@bucket (RFC 3986, 3.2.1)."""
    return _PASSWORD.sub(r"\1:…@", text)


def advice(what: str, remedy: str) -> str:
    """Return what happened and what to try, as it is shown to a person; no address in it says its password."""
    return without_passwords(f"{what}; try: {remedy}" if remedy else what)


LINE_MAX = 500
"""Longest error, in characters; a longer one is cut, and shows that it is."""


def one_line(error: BaseException) -> str:
    """Return an error as one line for a person: what happened, and what to try where that is known."""
    what = " ".join((str(error) or type(error).__name__).split())
    what = what if len(what) <= LINE_MAX else f"{what[: LINE_MAX - 1]}…"
    return advice(what, error.remedy if isinstance(error, EnvbenchError) else "")


def foreseen(error: Exception) -> Exception:
    """Return an error whose text can be shown; an unexpected one is named by its type (KeyError's text is a key)."""
    if isinstance(error, (EnvbenchError, OSError)):
        return error
    return EnvbenchError(f"{type(error).__name__}: {error}")
