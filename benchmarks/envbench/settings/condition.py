"""What means that an instance is ready, as data: a line on its output, an answer at a port, a command run inside.

`--ready` is read here; who watches for a condition is `readiness` (output), `probe` (ports) and `exec_probe` (inside).
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_PORT_READY = re.compile(r"tcp:(\d{1,5})|http:(\d{1,5})(/[!-~]*?)?(?:=(\d{3}))?", re.ASCII)
READY_WAYS = "log:REGEX, http:PORT/PATH[=STATUS], tcp:PORT, health or exec:COMMAND"


@dataclass(frozen=True, slots=True)
class LogReady:
    r"""Ready is the first byte of the first match of a regular expression in a line of the output (Python's re).

    `$` and `\b` at its end wait for what comes next: a line that has not ended yet can still become another one.
    """

    regex: str

    def __str__(self) -> str:
        return f"line that matches {self.regex}"


@dataclass(frozen=True, slots=True)
class HttpReady:
    """Ready is the first HTTP answer with this status at this port of the instance, seen on the host."""

    port: int
    path: str = "/"
    status: int = 200
    with_nonce: bool = False
    """Whether the answer's body must hold the start's nonce: then no other instance can have given it."""
    interval_s: float = 0.005
    """The next attempt begins so long after one that was refused."""

    def __str__(self) -> str:
        return f"answer {self.status} to http:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class TcpReady:
    """Ready is the first byte that a service says by itself at this port (SSH, SMTP, FTP and MySQL do).

    A connection alone shows nothing: what publishes or forwards the port takes it before anything listens inside.
    """

    port: int
    interval_s: float = 0.005
    """The next attempt begins so long after one that was refused."""

    def __str__(self) -> str:
        return f"first byte from tcp:{self.port}"


PortReady = HttpReady | TcpReady
"""Ready as it is seen from outside, at a port."""


@dataclass(frozen=True, slots=True)
class ExecReady:
    """Ready is the first end with exit code 0 of a command that the engine runs inside the container."""

    argv: tuple[str, ...]
    interval_s: float = 0.05
    """The next run begins so long after the end of one that failed."""

    def __str__(self) -> str:
        return f"exit code 0 of {shlex.join(self.argv)}"


@dataclass(frozen=True, slots=True)
class HealthReady:
    """Ready is the first success of the command in the image's HEALTHCHECK.

    It is run at our interval, not at the image's (30 s unless it says otherwise): that would be all that is measured.
    """

    interval_s: float = 0.05
    """The next run begins so long after the end of one that failed."""

    def __str__(self) -> str:
        return "success of the image's HEALTHCHECK"


InsideReady = ExecReady | HealthReady
"""Ready as a command says that is run inside: containers alone have that."""

Ready = LogReady | HttpReady | TcpReady | ExecReady | HealthReady

SERVICE_READY = HttpReady(80, with_nonce=True)
"""When the service profile is ready, on every backend."""


def read_ready(text: str) -> Ready:
    """Return the condition that the words of `--ready` say. Raises ValueError, with what is wrong as its text."""
    way, _, rest = text.partition(":")
    if way == "log" and rest:
        return log_ready(rest)
    if text == "health":
        return HealthReady()
    if way == "exec" and rest.strip():
        return ExecReady(_words(rest))
    match = _PORT_READY.fullmatch(text)
    port = int(match[1] or match[2]) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise ValueError(f"{text!r} is none of {READY_WAYS}")
    if match[1]:
        return TcpReady(port)
    return HttpReady(port, match[3] or "/", int(match[4] or 200))


def log_ready(regex: str) -> LogReady:
    """Return the condition of a line on the output. Raises ValueError for what no line, or any line, would match."""
    try:
        matches_nothing = re.compile(regex).search("")
    except re.error as error:
        place = "" if error.pos is None else f" at its character {error.pos + 1}"
        raise ValueError(f"{regex!r} is no regular expression: {error.msg}{place}") from error
    if matches_nothing:
        raise ValueError(f"{regex!r} matches an empty line: anything would be ready")
    return LogReady(regex)


def health_argv(test: Sequence[str], shell: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command of a HEALTHCHECK as an image's configuration has it, () where it has none.

    `test` is ["NONE"], ["CMD", program, …] or ["CMD-SHELL", words] (Docker Engine API, HealthConfig), [] where the
    image says nothing of it; `shell` is the image's SHELL, for the last of them.
    """
    match list(test):
        case ["CMD", *argv]:
            return tuple(argv)
        case ["CMD-SHELL", words]:
            return (*(shell or ("/bin/sh", "-c")), words)
        case _:
            return ()


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"exec:{text}: {error}") from error


def as_record(ready: Ready | None) -> dict[str, Any]:
    """Return a condition as run.json shows it: {"is": its words, and its fields}; {} for the payload's ready line."""
    return {} if ready is None else {"is": str(ready), **asdict(ready)}
