"""`envbench memory`, `size`, `speed` …: one experiment each, over all backends that are usable here."""

from typing import Any

import click

from envbench.backends.wsl import NOT_WSL, REMEDY, wsl_version
from envbench.commands.defaults import Configured
from envbench.commands.measuring import run_and_report
from envbench.commands.names import Number
from envbench.commands.options import common_options, format_option, make_plan
from envbench.errors import EnvbenchError, NoUsableBackendError
from envbench.experiments import EXPERIMENTS, load
from envbench.experiments.deploy.link import read_bandwidth
from envbench.phases import Experiment
from envbench.run.bench import Bench, reason_and_remedy
from envbench.run.progress import Reporter
from envbench.run.session import Session

TIME_IS_UP = "the time of a quick run was used up"

max_option = click.option(
    "--max", "max_instances", type=Number(1), default=16, show_default=True, help="Instances at once, at most."
)


def run_experiments(session: Session, names: tuple[str, ...], bench: Bench) -> None:
    """Run these experiments one after the other; one that fails is noted and does not end the others.

    Raises the error itself where only one was asked for.
    """
    failed: list[Exception] = []
    for name in names:
        if not bench.has_time():
            bench.skip(Experiment(name), f"the experiment {name}", TIME_IS_UP, f"envbench {name}, by itself")
            note_skips(session, bench)
            continue
        bench.course.begin(name)
        try:
            load(name)(bench)
        except Exception as error:  # noqa: BLE001 -- an unforeseen failure of one experiment must not cost the others
            words, remedy = reason_and_remedy(error, Experiment(name), f"envbench {name} --debug")
            kind = "" if isinstance(error, EnvbenchError) else f"{type(error).__name__}: "
            bench.skip(Experiment(name), f"the experiment {name}", f"{kind}{words}", remedy)
            failed.append(error)
        finally:
            note_skips(session, bench)
    if failed and len(names) == 1:
        raise failed[0]


def note_skips(session: Session, bench: Bench) -> None:
    """Put what could not be measured into run.json, where the reports look for it."""
    session.record.note_skips(bench.skips)
    session.record.save()


class Bandwidth(click.ParamType[str]):
    """A bandwidth: 100Mbit."""

    name = "bandwidth"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text of a bandwidth that can be read."""
        try:
            read_bandwidth(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


bandwidth_option = click.option(
    "--bandwidth",
    "bandwidths",
    multiple=True,
    type=Bandwidth(),
    help="Fetch at this bandwidth as well, beside without a limit, e.g. 100Mbit (repeatable).",
)


def _command(name: str) -> click.Command:
    def take(**options: Any) -> None:
        if name == Experiment.WSL and wsl_version() is None:
            # Its backends could run all the same, and would measure nothing.
            raise NoUsableBackendError(NOT_WSL, remedy=REMEDY)

        def work(session: Session, _shown: Reporter) -> None:
            bench = session.bench()
            bench.max_instances = options.get("max_instances", bench.max_instances)
            bench.bandwidths = options.get("bandwidths", ())
            run_experiments(session, (name,), bench)

        # A quick run has no time for emulated machines with a whole system.
        whole_systems = name == Experiment.DEPLOY and not options["quick"]
        run_and_report(options, make_plan(options, whole_systems=whole_systems), work)

    command = format_option(common_options(take))
    if name == "density":
        command = max_option(command)
    if name == Experiment.DEPLOY:
        command = bandwidth_option(command)
    listed = EXPERIMENTS[name]
    return click.command(name, help=listed.text or listed.line, cls=Configured)(command)


COMMANDS = {name: _command(name) for name in EXPERIMENTS}
