"""`envbench all`: start-up and every experiment into one results folder, for a report with every verdict."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envbench import settings as plans
from envbench.commands.defaults import Configured
from envbench.commands.experiments import max_option, note_skips, run_experiments
from envbench.commands.measuring import run_and_report
from envbench.commands.names import Amount, Listed, Place, claim_names, nearest
from envbench.commands.options import common_options, format_option, make_plan
from envbench.commands.startup import time_starts, whole_systems_budget_s
from envbench.errors import UsageError
from envbench.experiments import AFTER_ALL_S, EXPECTED_S, EXPERIMENTS
from envbench.experiments.release.experiment import whole_run_audited
from envbench.run.progress import Reporter
from envbench.run.session import Session
from envbench.surroundings.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envreport.claims import Claim

QUICK_BUDGET_S = 180.0
"""For the timed starts: enough for every backend's smallest number of starts, emulated machines among them."""
QUICK_WHOLE_S = 960.0
"""For everything: no experiment begins later, so that a quick run with its report ends within twenty minutes."""
STARTUP = "startup"


@click.command("all", cls=Configured)
@click.option(
    "--claims",
    "claim_ids",
    metavar="ID,…",
    type=Listed("claims", claim_names, several=True),
    help="Only the experiments that these claims need (`envbench claims` lists them).",
)
@click.option(
    "--budget",
    "budget_s",
    type=Amount(0, min_open=True),
    help=f"Seconds that the timed starts may take (default: {plans.DEFAULT_BUDGET_S:g}; quick: {QUICK_BUDGET_S:g}).",
)
@click.option("--claims-file", type=Place(), help="TOML file with claims of your own.")
@max_option
@format_option
@common_options
def all_experiments(claim_ids: str | None, max_instances: int, **options: Any) -> None:
    """Measure everything that the claims need, and judge every claim.

    Start-up first, then kernel, size, memory, idle, isolation, release, resize, density, portability, deploy, speed and
    WSL. An experiment that fails is noted with its reason and the rest goes on.
    """
    names = experiments_for(claim_ids, options["claims_file"])
    plan = make_plan(options, whole_systems=True)
    if plan.quick and options["budget_s"] is None:
        plan = replace(plan, budget_s=QUICK_BUDGET_S)

    def work(session: Session, shown: Reporter) -> None:
        begun_ns = monotonic_ns()
        bench = session.bench()
        session.course.plan({name: EXPECTED_S.get(name, 0) for name in names}, after_s=AFTER_ALL_S)
        with whole_run_audited(bench):
            if options["budget_s"] is None:
                session.change_plan(budget_s=session.plan.budget_s + whole_systems_budget_s(session))
            bench.order = time_starts(session, shown).order if STARTUP in names else 0
            bench.max_instances = max_instances
            bench.until_ns = begun_ns + int(QUICK_WHOLE_S * NS_PER_S) if plan.quick else None
            session.course.until_ns = bench.until_ns
            run_experiments(session, tuple(name for name in names if name != STARTUP), bench)
        note_skips(session, bench)

    run_and_report(options, plan, work)


def experiments_for(claim_ids: str | None, claims_file: Path | None = None) -> tuple[str, ...]:
    """Return the experiments that these claims (comma-separated; None: all) need, in the order in which they are run.

    Raises UsageError for an id that is no claim's, for a claims file that cannot be used, or where the claims need no
    measurement at all.
    """
    everything = (STARTUP, *EXPERIMENTS)
    by_id = {} if claim_ids is None and claims_file is None else claims_by_id(claims_file)
    if claim_ids is None:
        return everything
    asked = [part.strip() for part in claim_ids.split(",") if part.strip()]
    for name in asked:
        if name not in by_id:
            near = nearest(name, by_id)
            raise UsageError(f"--claims: no claim {name!r}", remedy=near or "envbench claims, which lists them")
    needed = {experiment for name in asked for experiment in by_id[name].experiments}
    names = tuple(name for name in everything if name in needed)
    if not names:
        raise UsageError(f"nothing can be measured for {claim_ids!r}", remedy="envbench claims ID tells what is known")
    return names


def claims_by_id(claims_file: Path | None) -> "Mapping[str, Claim]":
    """Return every claim, the user's own among them, by id. Raises UsageError."""
    from envreport.claims.texts import all_claims  # scipy, only where claims are named
    from envreport.claims.user import ClaimsFileError

    try:
        return {claim.id: claim for claim in all_claims(claims_file)}
    except ClaimsFileError as error:
        raise UsageError(str(error), remedy=getattr(error, "remedy", "")) from error
