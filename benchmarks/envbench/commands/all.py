"""`envbench all`: start-up and every experiment into one results folder, for a report with every verdict."""

from dataclasses import replace
from typing import Any

import click

from envbench import plan as plans
from envbench.commands.experiments import format_option, max_option, run_experiments
from envbench.commands.options import common_options, make_plan
from envbench.commands.startup import time_starts
from envbench.commands.taking import take_run
from envbench.errors import UsageError
from envbench.experiments import EXPERIMENTS
from envbench.progress import Reporter
from envbench.session import Session

QUICK_BUDGET_S = 240.0
"""For the timed starts: enough for every rung's smallest number of starts, emulated machines among them."""
STARTUP = "startup"


@click.command("all")
@click.option(
    "--claims",
    "claim_ids",
    metavar="ID,…",
    help="Only the experiments that these claims need (`envbench claims` lists them).",
)
@click.option(
    "--budget",
    "budget_s",
    type=click.FloatRange(0, min_open=True),
    help=f"Seconds that the timed starts may take (default: {plans.DEFAULT_BUDGET_S:g}; quick: {QUICK_BUDGET_S:g}).",
)
@max_option
@format_option
@common_options
def all_experiments(claim_ids: str | None, max_instances: int, **given: Any) -> None:
    """Measure everything that the claims need, and judge every claim.

    Start-up first, then kernel, size, memory, idle, isolation, release, resize, density, portability, speed and WSL. An
    experiment that fails is noted with its reason and the rest goes on.
    """
    names = experiments_for(claim_ids)
    plan = make_plan(given)
    if plan.quick and given["budget_s"] is None:
        plan = replace(plan, budget_s=QUICK_BUDGET_S)

    def work(session: Session, shown: Reporter) -> None:
        order = time_starts(session, shown) if STARTUP in names else 0
        bench = session.bench()
        bench.order, bench.max_instances = order, max_instances
        run_experiments(session, shown, tuple(name for name in names if name != STARTUP), bench)

    take_run(given, plan, work)


def experiments_for(claim_ids: str | None) -> tuple[str, ...]:
    """Return the experiments that these claims (comma-separated; None: all) need, in the order in which they are run.

    Raises UsageError for an id that is no claim's, or where the claims need no measurement at all.
    """
    everything = (STARTUP, *EXPERIMENTS)
    if claim_ids is None:
        return everything
    from envreport.claims import CLAIMS  # noqa: PLC0415 -- scipy, only where claims are named

    by_id = {claim.id: claim for claim in CLAIMS}
    needed = set()
    for name in filter(None, (part.strip() for part in claim_ids.split(","))):
        if name not in by_id:
            raise UsageError(f"no claim {name!r}; `envbench claims` lists them")
        rule = by_id[name].rule
        needed |= {need.experiment for need in rule.needs()} if rule else set()
    names = tuple(name for name in everything if name in needed)
    if not names:
        raise UsageError(f"nothing can be measured for {claim_ids}; `envbench claims ID` tells what is known")
    return names
