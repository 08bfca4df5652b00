"""`envbench memory`, `size`, `speed` …: one experiment each, over all backends that are usable here."""

from collections.abc import Mapping
from typing import Any

import click

from envbench.backends import BACKENDS
from envbench.backends import load as load_backend
from envbench.backends.wsl import NOT_WSL, REMEDY, wsl_version
from envbench.commands.defaults import Configured
from envbench.commands.measuring import run_and_report
from envbench.commands.names import Number
from envbench.commands.options import common_options, format_option, make_plan
from envbench.commands.run_options import name_in_registry
from envbench.errors import EnvbenchError, NoUsableBackendError
from envbench.experiments import EXPERIMENTS, load
from envbench.experiments.deploy.link import read_bandwidth
from envbench.records.phases import Experiment
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


registry_option = click.option(
    "--registry",
    metavar="HOST[:PORT]/NAME[:TAG]",
    callback=lambda _ctx, _param, image: None if image is None else name_in_registry(image),
    help="Fetch this image from a registry of yours, in place of the payload from one of the run's own; with --ready "
    "it runs its own program. The engine's own login is used (docker login, podman login), and its settings for TLS.",
)


def _pulling(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the backends, of these or of all, whose engines fetch images. Raises UsageError where none does."""
    found = tuple(name for name in asked or BACKENDS if load_backend(name).pulls_images)
    if not found:
        raise click.UsageError(f"--registry: {' and '.join(asked)} cannot fetch an image; docker and podman can.")
    return found


def _refuse_own(options: Mapping[str, Any]) -> None:
    """Raise UsageError for what is there already, and for what a registry of the user's does not go with."""
    for name in ("image", "disk"):
        if options[name]:
            raise click.UsageError(f"--{name}: it is here already, and is not fetched; --registry HOST/NAME is.")
    if options["registry"] is None:
        return
    for name, why in {
        "bandwidths": "--bandwidth: only the run's own servers can be held to one.",
        "profiles": "--profile: the image is the payload.",
        "kernel": "--kernel: no machine is fetched from a registry.",
        "initrd": "--initrd: no machine is fetched from a registry.",
        "offline": "--offline: then nothing is fetched.",
    }.items():
        if options[name]:
            raise click.UsageError(f"--registry does not go with {why}")


def _command(name: str) -> click.Command:
    def take(**options: Any) -> None:
        if name == Experiment.WSL and wsl_version() is None:
            # Its backends could run all the same, and would measure nothing.
            raise NoUsableBackendError(NOT_WSL, remedy=REMEDY)

        if name == Experiment.DEPLOY:
            _refuse_own(options)
            if options["registry"] is not None:
                options["backends"] = _pulling(options["backends"])

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
        command = registry_option(bandwidth_option(command))
    listed = EXPERIMENTS[name]
    return click.command(name, help=listed.text or listed.line, cls=Configured)(command)


COMMANDS = {name: _command(name) for name in EXPERIMENTS}
