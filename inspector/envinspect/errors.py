"""Every way envinspect ends badly, each with its exit code (contract 2). Only `cli.main` turns an error into a code."""

from __future__ import annotations


class EnvinspectError(Exception):
    """Base: one line that says what happened, where, and what to try."""

    exit_code = 1


class UsageError(EnvinspectError):
    """Bad arguments: an unknown name, a path that is not there."""

    exit_code = 2


class CaptureError(EnvinspectError):
    """A capture that cannot be read or written: truncated, hostile, of another schema, or a full disk."""

    exit_code = 2


class NotDeterminedError(EnvinspectError):
    """Too much could not be read to answer."""

    exit_code = 3


class NotMetError(EnvinspectError):
    """--is NAME: answered, and the answer is no."""

    exit_code = 4
