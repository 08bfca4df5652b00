"""Every way envbench ends badly, each with its exit code (contract 3). Only `cli.main` turns an error into a code."""

from typing import ClassVar


class EnvbenchError(Exception):
    """Base: one line that says what happened, where, and what to try."""

    exit_code: ClassVar[int] = 1


class UsageError(EnvbenchError):
    """Bad arguments or input that cannot be used: an expression, an output folder, a results folder."""

    exit_code = 2


class NoUsableBackendError(EnvbenchError):
    """No backend can run here; says each backend's reason and remedy."""

    exit_code = 3


class BackendError(EnvbenchError):
    """An engine refused or failed at something; the start behind it becomes a failed row."""

    exit_code = 4


class StartTimeoutError(BackendError):
    """The ready line was not seen before the deadline; carries the tail of the console."""


class StartsFailedError(EnvbenchError):
    """The run ended and is reported, but some of its starts failed."""

    exit_code = 4


class GateFailedError(EnvbenchError):
    """--fail-if or --baseline: the interval excludes the bound."""

    exit_code = 5


class GateInconclusiveError(EnvbenchError):
    """--fail-if or --baseline: the interval spans the bound."""

    exit_code = 6


class InterruptedRunError(EnvbenchError):
    """Ctrl-C or SIGTERM: everything was cleaned up and the partial results were kept."""

    exit_code = 130
