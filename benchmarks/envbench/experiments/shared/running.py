"""Runs a command inside an instance of any backend and reads what it says, line by line.

Consoles of machines mix the kernel's words with the payload's: what a script reports are lines `@key=value`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from envbench.backend import Instance, Mark, Workload
from envbench.errors import BackendError
from envbench.payload.words import EXIT_WORD
from envbench.readiness.output import Speaker, last_words, marker_for, read_until
from envbench.run.bench import MAX_FAILED, Bench, Prepared
from envbench.settings import OWN, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

REPORT_SIGN = "@"
STOP_DEADLINE_S = 30.0


@dataclass(slots=True)
class Output:
    """What an instance says; `lines` are the whole lines so far, the moments are the host clock's.

    `moments_ns` holds for each line when its end was read.
    """

    speaker: Speaker
    nonce: str
    requested_ns: int
    ready_ns: int = 0
    lines: list[str] = field(default_factory=list)
    moments_ns: list[int] = field(default_factory=list)
    _rest: bytes = b""

    @property
    def start_ns(self) -> int:
        """Request until the ready line."""
        return self.ready_ns - self.requested_ns

    def read_until(self, is_last: Callable[[str], bool], deadline_s: float, wanted: str, after: int = 0) -> bool:
        """Read lines, from number `after` on, up to one for which `is_last`; return whether it came before the end.

        Raises StartTimeoutError after the deadline.
        """
        seen = after

        def came() -> bool:
            nonlocal seen
            looked_at, seen = seen, len(self.lines)
            return any(is_last(line) for line in self.lines[looked_at:])

        if read_until(self.speaker, self, came, monotonic_ns() + int(deadline_s * NS_PER_S), wanted):
            return True
        if self._rest:  # The output has ended within a line.
            self.feed(b"\n", monotonic_ns())
        return came()

    def feed(self, chunk: bytes, at_ns: int) -> None:
        """Take the next bytes, which were read at `at_ns`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.moments_ns += [at_ns] * len(lines)
        self.lines += [line.decode("utf-8", errors="replace").rstrip("\r") for line in lines]

    def tail(self) -> str:
        """Return the last lines."""
        return "\n".join(self.lines[-4:])

    def reports(self, after: int = 0) -> dict[str, list[str]]:
        """Return what the payload reported, by key, in order; `after` leaves out that many lines."""
        found: dict[str, list[str]] = defaultdict(list)
        for line in self.lines[after:]:
            if line.startswith(REPORT_SIGN):
                key, separator, value = line[1:].partition("=")
                if separator:
                    found[key].append(value)
        return dict(found)


@dataclass(slots=True)
class Running(Output):
    """A started instance with its output."""

    @property
    def instance(self) -> Instance:
        """The instance itself."""
        return cast("Instance", self.speaker)

    def host_processes(self) -> tuple[int, ...]:
        """Return the instance's processes on this host. Raises BackendError where none proves to be its own."""
        pids = self.instance.processes()
        if not pids:
            raise BackendError(
                "no process of this host proves to be the instance's: it has ended, or its engine counts processes in "
                "another PID namespace or on another machine",
                remedy="run envbench where the engine runs",
            )
        return pids


@contextmanager
def running(
    bench: Bench,
    prepared: Prepared,
    argv: Sequence[str] = ("/envbench/ready",),
    *,
    keep_running: bool = True,
    deadline_s: float | None = None,
    may_fail: bool = False,
    ask_to_stop: bool = True,
    **limits: Any,
) -> Iterator[Running]:
    """Start one instance, wait until it is ready, and end and remove it when the block is left.

    With `may_fail` a failure is an expected answer and does not count against the backend. Without `ask_to_stop` it is
    ended by force: for a script that never ends by itself and so would not hear the request.

    `limits` are fields of `Workload` (memory_bytes, cpus, network, read_only). Raises BackendError where the backend
    refuses, StartTimeoutError where the ready line does not come.
    """
    if prepared.configuration.profile == OWN and bench.settings.tells_own_ready:
        raise BackendError(
            "it runs a program of its own, which takes no questions", remedy="leave --ready and --ready-pattern out"
        )
    if bench.failed_in_a_row[prepared.name] >= MAX_FAILED:
        raise BackendError(
            f"not started: {MAX_FAILED} starts in a row have failed", remedy="what the first of them said"
        )
    workload = Workload(nonce=new_nonce(), argv=tuple(argv), keep_running=keep_running, **limits)
    bench.order += 1
    moments: dict[Mark, int] = {}
    begun_ns = monotonic_ns()
    instance: Instance | None = None
    try:
        instance = prepared.backend.start(workload, prepared.configuration.variant, lambda mark: _note(moments, mark))
        run = Running(instance, workload.nonce, moments.get(Mark.REQUESTED, begun_ns))
        await_ready(run, deadline_s or bench.settings.deadline_s)
    except BaseException:
        bench.failed_in_a_row[prepared.name] += not may_fail
        if instance is not None:
            instance.destroy()
        raise
    bench.failed_in_a_row[prepared.name] = 0
    try:
        yield run
        # A payload that ends by itself may be gone already, and an engine refuses to stop what has ended.
        if ask_to_stop and keep_running:
            instance.stop(monotonic_ns() + int(STOP_DEADLINE_S * NS_PER_S))
            instance.remove(monotonic_ns() + int(STOP_DEADLINE_S * NS_PER_S))
    finally:
        instance.destroy()


def await_ready(run: Output, deadline_s: float) -> None:
    """Read until the ready line; note when it came. Raises StartTimeoutError, BackendError at the end of output."""
    marker = marker_for(run.nonce).decode()
    if not run.read_until(lambda line: marker in line, deadline_s, "ready line"):
        raise BackendError(f"it ended before its ready line; {last_words(run.speaker, run)}")
    run.ready_ns = monotonic_ns()


def ask(
    bench: Bench,
    prepared: Prepared,
    script: str,
    *,
    deadline_s: float | None = None,
    **limits: Any,
) -> dict[str, list[str]]:
    """Run a shell script inside a fresh instance and return what it reported; "exit" holds its exit status.

    Raises BackendError where it cannot be started, StartTimeoutError where it does not end in time.
    """
    with running(bench, prepared, shell(script), keep_running=False, deadline_s=deadline_s, **limits) as run:
        return finish(run, deadline_s or bench.settings.deadline_s)


def finish(run: Output, deadline_s: float) -> dict[str, list[str]]:
    """Read until the command has ended and return what it reported, with its exit status under "exit"."""
    marker = f"{EXIT_WORD.decode()} {run.nonce}"
    ended = run.read_until(lambda line: marker in line, deadline_s, "end of its command")
    found = run.reports()
    if ended:
        found["exit"] = [next(line for line in run.lines if marker in line).rpartition("status=")[2]]
    return found


def shell(script: str) -> tuple[str, ...]:
    """Return the argv that runs this script with the payload's own shell."""
    return ("/bin/sh", "-c", script)


def first(reports: Mapping[str, Sequence[str]], key: str) -> str | None:
    """Return the first value reported under a key, None where it was not reported or is empty."""
    values = reports.get(key)
    return values[0].strip() or None if values else None


def _note(moments: dict[Mark, int], mark: Mark) -> None:
    moments.setdefault(mark, monotonic_ns())
