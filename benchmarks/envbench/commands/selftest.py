"""`envbench selftest --crash`: kills a run of its own with SIGKILL, cleans up after it, and shows the difference."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import sleep

import click

from envbench.backends import BACKENDS
from envbench.commands.arguments import debug_option
from envbench.commands.names import Amount, OneOf
from envbench.errors import EnvbenchError
from envbench.records.phases import counted
from envbench.records.run_json import RUN_FILE
from envbench.records.samples import SAMPLES_FILE
from envbench.run.audit import traces_of
from envbench.run.reaper import reap
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import found_journals
from envbench.traces.owner import Standing

START_DEADLINE_S = 120.0
RUNS = 1000
"""More than the victim can take: it is killed long before."""


@click.command()
@click.option(
    "--crash", is_flag=True, required=True, help="Kill a run of its own and prove that nothing is left of it."
)
@click.option(
    "--backend", "names", multiple=True, type=OneOf(tuple(BACKENDS)), help="Backend of the victim (repeatable)."
)
@click.option(
    "--after",
    "after_s",
    type=Amount(0),
    default=1.5,
    show_default=True,
    help="Seconds from its first start to the kill.",
)
@debug_option
def selftest(crash: bool, names: tuple[str, ...], after_s: float) -> None:  # noqa: ARG001 -- the only test there is
    """Start a real run, kill it with SIGKILL midway, clean up, and print what was there before and after.

    Exit code 1 if anything of it is left, or if there was nothing that had to be cleaned up: then nothing was proved.
    """
    folder = Path(tempfile.mkdtemp(prefix="envbench-selftest-"))
    try:
        run_id = _crash(folder / "results", tuple(dict.fromkeys(names)), after_s)
        before = traces_of(run_id)
        click.echo(f"run {run_id} was killed with SIGKILL; left behind ({len(before)}):")
        _show(before)
        rows = sum(1 for _ in (folder / "results" / SAMPLES_FILE).open("rb")) - 1
        click.echo(f"rows that were measured and are kept: {rows}")
        for done in reap().failed:
            click.echo(f"  not removed: {done.entry.kind} {done.entry.name}: {done.error}")
        after = traces_of(run_id)
        click.echo(f"after the clean-up ({len(after)}):")
        _show(after)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if after:
        raise EnvbenchError(
            f"{counted(len(after), 'thing')} of run {run_id} left", remedy="envbench clean, then look at each"
        )
    if not before:
        raise EnvbenchError("the killed run had left nothing, so nothing was proved", remedy="another --after")


def _crash(output: Path, names: tuple[str, ...], after_s: float) -> str:
    """Start a run, wait until it has begun to measure, and kill it; return its id. Raises EnvbenchError."""
    words = [word for name in names for word in ("--backend", name)]
    command = ("-m", "envbench", "startup", "--runs", str(RUNS), "--output", str(output), *words)
    with tempfile.TemporaryFile() as log:
        victim = subprocess.Popen((sys.executable, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_for_rows(victim, output, log.fileno())
            # Not a whole number of starts later: the kill is to hit it in the middle of something.
            sleep(after_s)
        finally:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
    run_id = str(json.loads((output / RUN_FILE).read_text("utf-8"))["run_id"])
    if not any(one.run_id == run_id and one.standing is Standing.DEAD for one in found_journals()):
        raise EnvbenchError(f"run {run_id} has no journal of a dead owner", remedy="reporting this")
    return run_id


def _wait_for_rows(victim: "subprocess.Popen[bytes]", output: Path, log: int) -> None:
    deadline_ns = monotonic_ns() + int(START_DEADLINE_S * NS_PER_S)
    while monotonic_ns() < deadline_ns:
        try:
            if (output / SAMPLES_FILE).stat().st_size > 1000:
                return
        except OSError:
            pass
        if victim.poll() is not None:
            words = os.pread(log, 4096, 0).decode("utf-8", errors="replace").strip().splitlines()
            raise EnvbenchError(f"the run that was to be killed ended by itself: {' | '.join(words[-2:])}")
        sleep(0.05)
    raise EnvbenchError(f"the run that was to be killed measured nothing within {START_DEADLINE_S:g} s")


def _show(traces: tuple[str, ...]) -> None:
    for trace in traces:
        click.echo(f"  {trace}")
