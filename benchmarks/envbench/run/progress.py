"""Says how far a run is: a bar on a terminal, a plain line now and then where there is none, or events for programs."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from envbench.errors import EnvbenchError, InterruptedRunError
from envbench.records.phases import Outcome
from envbench.run.course import Position
from envbench.run.sampler import Start
from envbench.surroundings.clock import NS_PER_MS, NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 10
EVENT_SCHEMA = "envbench-progress/1"
WAYS = ("auto", "lines", "json")


class Reporter(Protocol):
    """Where a run's progress goes. Used as a context manager around the run."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Show a line to people."""
        ...

    def start(self, start: Start) -> None:
        """Show that a start has ended."""
        ...

    def at(self, position: Position) -> None:
        """Show how far the run is."""
        ...

    def grew(self, what: str, size_bytes: int) -> None:
        """Show how much of something that is downloaded or built is there."""
        ...

    def wrote(self, path: str) -> None:
        """Name a file that is written."""
        ...

    def failed(self, error: EnvbenchError | InterruptedRunError | OSError) -> bool:
        """Tell of the error that ends the command; return False where that is left to the command line."""
        ...


def reporter(*, verbose: bool, way: str = "auto") -> Reporter:
    """Return the reporter that was asked for; "auto" is the one that fits where stderr goes."""
    if way == "json":
        return JsonReporter()
    if way == "auto" and not verbose and sys.stderr.isatty() and not os.environ.get("CI"):
        return BarReporter()
    return LineReporter(verbose=verbose)


@contextlib.contextmanager
def errors_told(shown: Reporter) -> Iterator[None]:
    """Have the reporter tell of an error where it does; the command then only ends with the error's exit code."""
    try:
        yield
    except (EnvbenchError, InterruptedRunError, OSError) as error:
        if not shown.failed(error):
            raise
        raise click.exceptions.Exit(getattr(error, "exit_code", 1)) from error


def describe(start: Start) -> str:
    """Return one start in a few words."""
    place = f"{start.ticket.configuration}{' warm-up' if start.ticket.warmup else ''} {start.ticket.iteration + 1}"
    if start.outcome is not Outcome.OK or start.ready_ns is None:
        return f"{place}: {start.outcome}: {start.detail}"
    return f"{place}: ready after {start.ready_ns / NS_PER_MS:.1f} ms"


class LineReporter:
    """Plain lines: failures at once, every start with `verbose`, else one line every few seconds."""

    def __init__(self, *, verbose: bool, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._verbose = verbose
        self._now_ns = now_ns
        self._last_ns = now_ns()
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def say(self, line: str) -> None:
        """Show a line to people."""
        with contextlib.suppress(OSError):  # Its reader is gone, which is no reason to stop measuring.
            click.echo(line, err=True)

    def start(self, start: Start) -> None:
        """Show a start where it failed or all are wanted."""
        if self._verbose or start.outcome is not Outcome.OK:
            self.say(describe(start))

    def at(self, position: Position) -> None:
        """Show how far the run is when another part begins, and now and then."""
        is_new = position.number != self._number
        self._number = position.number
        if is_new and position.count > 1:
            self._last_ns = self._now_ns()
            self.say(f"{position.number} of {position.count}, {position.part}: begins")
        elif self._is_due():
            self.say(str(position))

    def grew(self, what: str, size_bytes: int) -> None:
        """Show now and then how much is there."""
        if self._is_due():
            self.say(f"{what}: {megabytes(size_bytes)} so far")

    def wrote(self, path: str) -> None:
        """Name a file that is written."""
        self.say(f"wrote {path}")

    def failed(self, error: EnvbenchError | InterruptedRunError | OSError) -> bool:  # noqa: ARG002 -- a reporter's signature
        """Leave the error to the command line."""
        return False

    def _is_due(self) -> bool:
        now_ns = self._now_ns()
        if now_ns - self._last_ns < LINE_EVERY_S * NS_PER_S:
            return False
        self._last_ns = now_ns
        return True


class BarReporter:
    """A bar by rich, which itself heeds NO_COLOR."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._begun_ns = monotonic_ns()

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 -- only a terminal pays for it
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        columns = (BarColumn(bar_width=16), TextColumn("{task.description}"))
        # Few refreshes: a bar must not load the machine that is being measured.
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=2, transient=True)
        self._bar.start()
        self._task = self._bar.add_task("getting ready", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        """Show a line above the bar."""
        if self._bar is None:
            click.echo(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def start(self, start: Start) -> None:
        """Give a failed start a line of its own."""
        if start.outcome is not Outcome.OK:
            self.say(describe(start))

    def at(self, position: Position) -> None:
        """Move the bar; it only swings while nobody can tell how long the rest takes."""
        spent_s = (monotonic_ns() - self._begun_ns) / NS_PER_S
        total_s = None if position.left_s is None else spent_s + position.left_s
        self._show(str(position), total_s, spent_s)

    def grew(self, what: str, size_bytes: int) -> None:
        """Show how much is there."""
        self._show(f"{what}: {megabytes(size_bytes)} so far", None, 0)

    def wrote(self, path: str) -> None:
        """Name a file that is written."""
        self.say(f"wrote {path}")

    def failed(self, error: EnvbenchError | InterruptedRunError | OSError) -> bool:  # noqa: ARG002 -- a reporter's signature
        """Leave the error to the command line."""
        return False

    def _show(self, words: str, total: float | None, completed: float) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=words, total=total, completed=completed)


class JsonReporter:
    """One JSON object a line for everything that happens (docs/results-format.md); what cannot be told is left out."""

    def __init__(self, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._now_ns = now_ns
        self._begun_ns = now_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def say(self, line: str) -> None:
        """Write a line for people as an event."""
        self._event("message", message=line)

    def start(self, start: Start) -> None:
        """Write a start as an event."""
        ticket = start.ticket
        self._event(
            "start",
            backend=ticket.configuration.backend,
            variant=ticket.configuration.variant_text,
            profile=ticket.configuration.profile,
            warmup=ticket.warmup,
            iteration=ticket.iteration,
            outcome=str(start.outcome),
            ready_ns=start.ready_ns,
            detail=start.detail or None,
        )

    def at(self, position: Position) -> None:
        """Write how far the run is as an event."""
        left_s = None if position.left_s is None else round(position.left_s, 1)
        self._event(
            "progress",
            experiment=position.part,
            number=position.number,
            count=position.count,
            done=position.done,
            total=position.total,
            unit=position.unit,
            left_s=left_s,
        )

    def grew(self, what: str, size_bytes: int) -> None:
        """Write how much is there as an event."""
        self._event("bytes", what=what, bytes=size_bytes)

    def wrote(self, path: str) -> None:
        """Write a file's name as an event."""
        self._event("wrote", path=path)

    def failed(self, error: EnvbenchError | InterruptedRunError | OSError) -> bool:
        """Write the error that ends the command as an event."""
        message = " ".join(str(error).split())
        remedy = getattr(error, "remedy", "") or None
        self._event("error", message=message, remedy=remedy, exit_code=getattr(error, "exit_code", 1))
        return True

    def _event(self, name: str, **values: Any) -> None:
        known = {key: value for key, value in values.items() if value is not None}
        elapsed_s = round((self._now_ns() - self._begun_ns) / NS_PER_S, 3)
        line = json.dumps({"schema": EVENT_SCHEMA, "event": name, "elapsed_s": elapsed_s, **known})
        with contextlib.suppress(OSError):
            click.echo(line, err=True)


def megabytes(size_bytes: int) -> str:
    """Return a size as people read it."""
    return f"{size_bytes / 1e6:.0f} MB"
