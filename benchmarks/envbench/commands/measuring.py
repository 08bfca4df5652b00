"""What every measuring command does around its work: reap, open the backends, measure, clean up, judge, report."""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from envbench.commands.collect import put_into, read_target
from envbench.commands.defaults import options_from_file
from envbench.commands.gating import judge
from envbench.commands.options import make_settings
from envbench.errors import (
    EnvbenchError,
    GateInconclusiveError,
    InterruptedRunError,
    LeftBehindError,
    StartsFailedError,
    advice,
    foreseen,
    one_line,
)
from envbench.records.phases import counted
from envbench.run.interruption import deferred, interruptible, uninterrupted
from envbench.run.progress import Reporter, errors_told, reporter
from envbench.run.reaper import clear_away
from envbench.run.session import INTERRUPTED, Session, make_work_dir, reap_before
from envbench.settings import Plan, new_run_id
from envbench.traces.journal import Journal

Work = Callable[[Session, Reporter], None]


def run_and_report(options: Mapping[str, Any], plan: Plan, work: Work) -> None:
    """Take one run with the command's options and write its reports.

    Raises what `work` raised, after the clean-up and the reports; StartsFailedError where starts failed.
    """
    read_target(options["into"], options["labels"])
    shown = reporter(verbose=options["verbose"], way=options["progress"])
    with errors_told(shown):
        session, error = _measured(options, plan, work, shown)
        finish(session, error, shown, options)


def _measured(
    options: Mapping[str, Any], plan: Plan, work: Work, shown: Reporter
) -> tuple[Session, EnvbenchError | InterruptedRunError | None]:
    """Return the run, closed, and the error that ended its work."""
    run_id = new_run_id()
    output = options["output"] or Path("results") / run_id
    with shown:
        reap_before(shown.say)
        session: Session | None = None
        error: EnvbenchError | InterruptedRunError | None = None
        journal: Journal | None = None
        try:
            with deferred():
                journal = Journal(run_id)
            settings = make_settings(run_id, make_work_dir(run_id, journal), options)
            session = Session(
                plan, settings, journal, output, _command_line(), shown, include_names=options["include_host"]
            )
            kept = options_from_file()
            if kept is not None:
                session.record.note_options(*kept)
                shown.say(f"options from {kept[0]}: {shlex.join(session.record.run.file_options)}")
            with uninterrupted(shown.say), _pinned(plan):
                error = _work(session, work, shown)
        finally:
            if session is None and journal is not None:
                clear_away(journal)  # What was made before there was a session.
    return session, error


def finish(
    session: Session,
    error: EnvbenchError | InterruptedRunError | None,
    shown: Reporter,
    options: Mapping[str, Any],
) -> None:
    """Judge the gates, keep, write and show what a run that is closed found. Raises the error that ended it, if any."""
    error = _ending(session, error, shown)
    if error is not None and not session.record.run.backends.used:
        raise error
    if options["into"] is not None:
        # Before the reports, and whatever comes of them: run.json is final now.
        try:
            shown.say(put_into(session.output, options["into"], options["labels"]))
        except EnvbenchError as refused:
            error = _graver(error, refused, shown)
    try:
        show_reports(
            session.output,
            options.get("formats", ()),
            options.get("claims_file"),
            session.plan.baseline,
            shown.wrote,
            as_json=options["as_json"],
        )
    except Exception as failed:  # What a library of the reports raises, in surroundings of its own, costs no rows.
        words = f"the reports could not be written: {one_line(foreseen(failed))}"
        if error is None:
            remedy = f"mend that, then envbench report {shlex.quote(str(session.output))}: the rows are there"
            raise EnvbenchError(words, remedy=remedy) from failed
        shown.say(words)
    if error is not None:
        raise error


def _ending(
    session: Session, error: EnvbenchError | InterruptedRunError | None, shown: Reporter
) -> EnvbenchError | InterruptedRunError | None:
    """Return the error with which the run ends, unraised; its exit code is the last thing that run.json gets."""
    if error is None:
        error = judge(session.plan, session.output)
    if session.failed_starts and (error is None or isinstance(error, GateInconclusiveError)):
        error = StartsFailedError(
            f"{counted(session.failed_starts, 'start')} failed",
            remedy="the detail column of their rows in samples.csv says why",
        )
    if session.leaked:
        left = LeftBehindError(f"left behind, and why: {'; '.join(session.leaked)}", remedy="envbench clean")
        error = _graver(error, left, shown)
    if error is not None:
        session.record.finish(None, error.exit_code)
    return error


def _graver(
    error: EnvbenchError | InterruptedRunError | None, later: EnvbenchError, shown: Reporter
) -> EnvbenchError | InterruptedRunError:
    """Return the later error if nothing, or only noise, came before it; else say it, and return the one before."""
    if error is None or isinstance(error, GateInconclusiveError):
        return later
    shown.say(one_line(later))
    return error


def show_reports(
    output: Path,
    formats: tuple[str, ...],
    claims_file: Path | None = None,
    baseline: str | None = None,
    wrote: Callable[[str], None] = lambda path: click.echo(f"wrote {path}", err=True),
    *,
    as_json: bool = False,
) -> None:
    """Write all reports of a results folder, print its table and verdicts, name the files, and tell a CI.

    With a `baseline`, the folder of an earlier run, the reports say what changed since. `as_json` prints the report as
    JSON (schema envreport/1) in place of table and verdicts.

    Raises what the reports raise that cannot be written. What only tells (the terminal, a CI) may fail: it is said, and
    the results stand.
    """
    import envreport  # pandas and matplotlib, after all measuring is done

    document = envreport.report_document(
        output, claims_file=claims_file, baseline=None if baseline is None else Path(baseline)
    )
    written = envreport.write_all(output, formats or envreport.DEFAULT_FORMATS, document=document)
    with _only_telling("the table cannot be shown"):
        if as_json:
            click.echo(envreport.report_json(document), nl=False)
        else:
            click.echo(envreport.console_summary(output, document=document, styled=sys.stdout.isatty()))
    with _only_telling("the files cannot be named"):
        for path in written:
            wrote(str(path))
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    with _only_telling(f"the CI cannot be told ({summary})", "a GITHUB_STEP_SUMMARY that can be written, or none"):
        annotations = envreport.ci_notice(output, os.environ, document=document)
        if annotations:
            click.echo(annotations, err=True)  # GitHub's runner reads commands from either stream


@contextlib.contextmanager
def _only_telling(what: str, remedy: str = "") -> Iterator[None]:
    """Turn a failure to tell somebody something into a line: it changes neither the results nor the exit code."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        with contextlib.suppress(OSError, UnicodeError):
            click.echo(advice(f"{what}: {one_line(error)}", remedy), err=True)


def _work(session: Session, work: Work, shown: Reporter) -> EnvbenchError | InterruptedRunError | None:
    """Open, work, close; return the error that ended the work, unraised, because the clean-up has to follow."""
    error: EnvbenchError | InterruptedRunError | None = None
    outcome = "done"
    try:
        with interruptible("partial results are kept"):
            session.open_backends()
            work(session, shown)
    except InterruptedRunError as stopped:
        error, outcome = stopped, INTERRUPTED
    except EnvbenchError as broken:
        error, outcome = broken, "failed"
    except OSError as broken:
        error, outcome = EnvbenchError(f"the system refused: {one_line(broken)}; the rows before are kept"), "failed"
    except BaseException:
        session.close("failed", 1)
        raise
    session.close(outcome, error.exit_code if error else 0)
    return error


@contextlib.contextmanager
def _pinned(plan: Plan) -> Iterator[None]:
    """Keep the harness, and what it starts itself, on the last CPU, where that was asked for (sched_setaffinity(2)).

    What an engine's daemon starts is not bound. The rows say pin=yes, because they must not be pooled with others.
    """
    if not plan.pin:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _command_line() -> list[str]:
    return ["envbench", *sys.argv[1:]]
