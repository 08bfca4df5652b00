"""Says how far a run is: a bar with the time left on a terminal, a plain line now and then where there is none."""

import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from envbench.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from envbench.phases import Outcome
from envbench.run.sampler import Start

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_S = 10


class Reporter(Protocol):
    """Where a run's progress goes. Used as a context manager around the run."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Show a line to people."""
        ...

    def step(self, start: Start, done: int, left_s: float) -> None:
        """Show that a start has ended; `done` starts so far, about `left_s` seconds to go."""
        ...


def reporter(*, verbose: bool, quiet: bool = False) -> Reporter:
    """Return the reporter that fits where stderr goes."""
    if not quiet and not verbose and sys.stderr.isatty() and not os.environ.get("CI"):
        return BarReporter()
    return LineReporter(verbose=verbose, quiet=quiet)


def describe(start: Start) -> str:
    """Return one start in a few words."""
    place = f"{start.ticket.configuration}{' warm-up' if start.ticket.warmup else ''} {start.ticket.iteration + 1}"
    if start.outcome is not Outcome.OK or start.ready_ns is None:
        return f"{place}: {start.outcome}: {start.detail}"
    return f"{place}: ready after {start.ready_ns / NS_PER_MS:.1f} ms"


class LineReporter:
    """Plain lines: failures at once, every start with `verbose`, else a sign of life every few seconds."""

    def __init__(self, *, verbose: bool, quiet: bool = False, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._verbose = verbose
        self._quiet = quiet
        self._now_ns = now_ns
        self._last_ns = now_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def say(self, line: str) -> None:
        """Show a line to people."""
        if not self._quiet:
            with contextlib.suppress(OSError):  # Nobody reads it any more: no reason to stop measuring.
                click.echo(line, err=True)

    def step(self, start: Start, done: int, left_s: float) -> None:
        """Show a start where it failed or all are wanted, and now and then how far the run is."""
        if self._verbose or start.outcome is not Outcome.OK:
            self.say(describe(start))
        if self._now_ns() - self._last_ns >= LINE_EVERY_S * NS_PER_S:
            self._last_ns = self._now_ns()
            self.say(f"{done} starts done, about {left_s:.0f} s left")


class BarReporter:
    """A bar by rich, which itself heeds NO_COLOR."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._begun_ns = monotonic_ns()

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 -- only a terminal pays for it
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        columns = (TextColumn("{task.fields[left]}"), BarColumn(bar_width=30), TextColumn("{task.description}"))
        # Few refreshes: a bar must not load the machine that is being measured.
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=2, transient=True)
        self._bar.start()
        self._task = self._bar.add_task("getting ready", total=None, left="")
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

    def step(self, start: Start, done: int, left_s: float) -> None:
        """Move the bar; a failed start gets a line of its own."""
        if start.outcome is not Outcome.OK:
            self.say(describe(start))
        if self._bar is not None and self._task is not None:
            spent_s = (monotonic_ns() - self._begun_ns) / NS_PER_S
            left = f"{done} starts, {int(left_s // 60)}:{int(left_s % 60):02d} left"
            self._bar.update(
                self._task,
                description=str(start.ticket.configuration),
                total=spent_s + left_s,
                completed=spent_s,
                left=left,
            )
