"""`envbench startup`: times every backend from request to ready and until its removal, in one interleaved schedule."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click

from envbench import settings as plans
from envbench.backend import Unusable
from envbench.backends import BACKENDS, load
from envbench.commands.defaults import Configured
from envbench.commands.gating import read_gates
from envbench.commands.measuring import run_and_report
from envbench.commands.names import Amount, Line, Number, Place
from envbench.commands.options import Ratio, common_options, format_option, make_plan, make_settings, own_names
from envbench.errors import EnvbenchError, LeftBehindError, NoUsableBackendError, advice, one_line
from envbench.experiments.kernel import experiment as kernel
from envbench.experiments.size import experiment as size
from envbench.records.metrics import metrics_of
from envbench.records.phases import Experiment, counted
from envbench.run.bench import Prepared
from envbench.run.interruption import deferred
from envbench.run.opening import close_backend, open_backend
from envbench.run.progress import Reporter
from envbench.run.reaper import clear_away
from envbench.run.scheduler import Scheduler, Tally, dry_run
from envbench.run.session import Session, make_work_dir, nothing_to_start, settings_for, titled
from envbench.settings import Configuration, Plan, new_run_id, profile_of
from envbench.surroundings.clock import NS_PER_S
from envbench.traces.journal import Journal

SIZE_S, WHOLE_SYSTEM_SIZE_S = 1.0, 7.0
"""About what it took in recorded runs to read the sizes of what a backend starts, and of a whole system."""


@click.command(cls=Configured)
@click.option(
    "--runs", type=Number(1), help=f"Measured starts of each backend (default: {plans.ADAPTIVE_RUNS} or more)."
)
@click.option("--warmup", type=Number(0), help=f"Warm-up starts of each backend (default: {plans.DEFAULT_WARMUP}).")
@click.option(
    "--budget",
    "budget_s",
    type=Amount(0, min_open=True),
    help=f"Seconds that all starts may take (default: {plans.DEFAULT_BUDGET_S:g}, with whole systems what they need).",
)
@click.option(
    "--precision",
    type=Ratio(),
    help="Go on until each median's interval is this narrow, or the budget ends (default without --runs: 5%).",
)
@click.option("--cold", is_flag=True, help="Drop the page cache before each start (root); reported apart.")
@click.option("--parallel", type=Number(1), default=1, show_default=True, help="Starts at the same time.")
@click.option("--pin", is_flag=True, help="Keep the harness, and what it starts itself, on one CPU.")
@click.option("--quiet-machine", is_flag=True, help="Wait for a calm machine before each round.")
@click.option(
    "--fail-if",
    multiple=True,
    type=Line(),
    metavar="EXPRESSION",
    help="Fail if this is true, e.g. 'docker.ready.p95 > 2s' (repeatable).",
)
@click.option("--baseline", type=Place(exists=True), help="Results folder of an earlier run.")
@click.option("--max-regression", type=Ratio(), help="Fail if slower than the baseline by more than this, e.g. 10%.")
@format_option
@click.option(
    "--dry-run", "dry", is_flag=True, help="Print the schedule of what is here already; download and measure nothing."
)
@common_options
def startup(dry: bool, **options: Any) -> None:
    """Time containers and VMs from the request to the payload's first word, and then until they are removed.

    Every backend runs the same payload; the clock starts before the engine is asked to create anything and stops when
    the host sees the first byte of the payload's ready line. Backends take turns in shuffled rounds.
    """
    if options["max_regression"] is not None and options["baseline"] is None:
        raise click.UsageError("--max-regression needs --baseline.")
    plan = make_plan(options, whole_systems=True)
    written = (*metrics_of(Experiment.STARTUP), *kernel.OBSERVED, *metrics_of(Experiment.SIZE))
    read_gates(plan, written, own_names(options))
    if dry:
        print_schedule(plan, options)
    else:
        run_and_report(options, plan, partial(measure_startup, usual_budget=options["budget_s"] is None))


def measure_startup(session: Session, shown: Reporter, *, usual_budget: bool) -> None:
    """Take the plan's starts on all backends, then look once at each backend's kernel and sizes (not timed)."""
    if usual_budget:
        session.change_plan(budget_s=budget_of(session))
    if session.whole_systems:
        minutes = session.plan.budget_s / 60
        less = "takes" if session.plan.quick else "or --quick takes"
        shown.say(f"the starts take about {counted(round(minutes), 'minute')} here; --profile minimal {less} less")
    bench = session.bench()
    session.course.plan({Experiment.STARTUP: 0, Experiment.KERNEL: 0, Experiment.SIZE: 0})
    session.course.pace = 1

    def foresee(scheduler: Scheduler) -> None:
        looked_at = [one.configuration for one in bench.chosen()]
        session.course.expected_s.update(looks_s(scheduler.tallies, looked_at, len(session.whole_systems)))

    scheduler = time_starts(session, shown, foresee=foresee)
    bench.order = scheduler.order
    # Not to be looked at: it would hold up the run once more.
    session.drop([one.configuration for one in scheduler.tallies if one.failures_in_a_row])
    every = replace(bench, configurations=session.started())
    looks = ((Experiment.KERNEL, kernel.observe, bench), (Experiment.SIZE, size.observe, every))
    for experiment, observe, looked_at in looks:
        session.course.begin(experiment)
        try:
            observe(looked_at)
        except (EnvbenchError, OSError) as error:
            shown.say(f"not observed: {one_line(error)}")
    session.record.note_skips(bench.skips)


def budget_of(session: Session) -> float:
    """Return how many seconds the starts may take where no budget was given: what the backends that were found need."""
    plan, more_s = session.plan, whole_systems_budget_s(session)
    if plan.quick and (session.has_engine() or os.geteuid() == 0):
        return plans.QUICK_ENGINES_BUDGET_S + more_s
    return (plans.BESIDE_WHOLE_SYSTEMS_BUDGET_S if more_s and not plan.quick else plan.budget_s) + more_s


def whole_systems_budget_s(session: Session) -> float:
    """Return how many seconds the whole systems beside the first payload need for their smallest number of starts."""
    accelerators = (one.configuration.variant.get("accel", "") for one in session.whole_systems)
    return sum(plans.WHOLE_SYSTEM_BUDGETS_S.get(name, plans.WHOLE_IMAGE_BUDGET_S) for name in accelerators)


def looks_s(tallies: Sequence[Tally], looked_at: Collection[Configuration], whole_systems: int) -> dict[str, float]:
    """Return about how many seconds the looks after the starts take: each kernel is one start more, sizes are read."""
    once_each_ns = sum(one.cost_ns or 0 for one in tallies if one.configuration in looked_at)
    sizes_s = SIZE_S * (len(tallies) - whole_systems) + WHOLE_SYSTEM_SIZE_S * whole_systems
    return {Experiment.KERNEL: once_each_ns / NS_PER_S, Experiment.SIZE: sizes_s}


def time_starts(
    session: Session, shown: Reporter, *, foresee: Callable[[Scheduler], None] = lambda _scheduler: None
) -> Scheduler:
    """Take the plan's starts on all backends; return the scheduler, which tells what came of them.

    `foresee` is called after each start: what follows takes as long as the starts tell.
    The session drops a configuration that was given up or never got ready: nothing else could start it either.
    """
    plan = session.plan
    configurations = session.configurations()
    session.course.begin(Experiment.STARTUP)
    scheduler = Scheduler(
        plan,
        configurations,
        lambda tickets: _taken(session, shown, tickets),
        before_round=session.before_round,
        after_start=lambda: _tell(session, scheduler, foresee),
        unwarmed=_unwarmed(session),
    )
    try:
        scheduler.run()
    finally:
        session.record.note_unfinished(scheduler.unfinished())
        session.drop([one.configuration for one in scheduler.tallies if one.given_up or not one.was_ready])
    for one in scheduler.unfinished():
        shown.say(f"{one.configuration}: {counted(one.runs, 'run')}, {one.needed} more needed: {one.reason}")
    return scheduler


def _taken(session: Session, shown: Reporter, tickets: Any) -> Any:
    starts = session.measure(tickets)
    for start in starts:
        shown.start(start)
    return starts


def _tell(session: Session, scheduler: Scheduler, foresee: Callable[[Scheduler], None]) -> None:
    foresee(scheduler)
    session.course.at(scheduler.order, scheduler.left_s(), "starts")


def _unwarmed(session: Session) -> tuple[int, ...]:
    """Return which get no warm-up: the machines of a quick run, and whole systems that are emulated."""

    def is_unwarmed(one: Prepared) -> bool:
        variant, profile = one.configuration.variant, one.configuration.profile
        return one.is_vm and (session.plan.quick or (variant.get("accel") == "tcg" and profile in plans.WHOLE_SYSTEMS))

    return tuple(index for index, one in enumerate(session.started()) if is_unwarmed(one))


def _scheduled(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield profile and backend of all that a run would open; a quick one then keeps one pair of each whole system."""
    first, *others = plan.profiles
    for name in plan.backends or tuple(BACKENDS):
        yield first, name
    for profile in others:
        yield from ((profile, name) for name in plan.backends or BACKENDS if load(name).publishes_ports)


def print_schedule(plan: Plan, options: Mapping[str, Any]) -> None:
    """Print which starts a run would take, in order. Raises NoUsableBackendError where no backend can run."""
    run_id = new_run_id()
    journal: Journal | None = None
    configurations: list[Configuration] = []
    left: tuple[str, ...] = ()
    try:
        with deferred():
            journal = Journal(run_id)
        settings = replace(make_settings(run_id, make_work_dir(run_id, journal), options), offline=True)
        for profile, name in _scheduled(plan):
            folder = settings.work_dir / profile
            folder.mkdir(mode=0o700, exist_ok=True)
            own = settings_for(replace(settings, work_dir=folder), profile)
            backend, answer = open_backend(name, own, journal)
            if isinstance(answer, Unusable):
                click.echo(f"{titled(name, own)}: left out: {advice(answer.reason, answer.remedy)}", err=True)
            elif backend is not None:
                configurations += [
                    Configuration(name, variant, profile_of(own, variant, backend.images))
                    for variant in backend.variants()
                ]
                close_backend(backend)
    finally:
        # What a check made, and an interrupted one above all, is removed before it is forgotten.
        if journal is not None:
            left = clear_away(journal)
    if left:
        raise LeftBehindError(f"left behind, and why: {'; '.join(left)}", remedy="envbench clean")
    missing = nothing_to_start(settings, configurations)
    if missing:
        raise NoUsableBackendError(missing, remedy="envbench doctor")
    click.echo(f"seed {plan.seed}; at most {plan.budget_s:g} s; precision {plan.precision_ratio or 'not asked'}")
    for number, warmup, configuration in dry_run(configurations, plan):
        whole = configuration.profile if configuration.profile in plans.WHOLE_SYSTEMS else ""
        click.echo(f"round {number + 1:>3}{' warm-up' if warmup else '':<8} {whole:<8}{configuration}".rstrip())
