"""The command `envbench`: sub-commands are loaded when asked for, and only here an error becomes an exit code."""

import contextlib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import click

from envbench import __version__
from envbench.errors import EnvbenchError, InterruptedRunError, advice, one_line
from envbench.experiments import EXPERIMENTS
from envbench.run.interruption import interruptible, uninterrupted
from envbench.surroundings.streams import end_streams


class Place(NamedTuple):
    """Where a command is, as MODULE:ATTRIBUTE, and its line in the list of commands, which fits 80 columns.

    The attribute is a click command, or a table of such commands by name.
    """

    where: str
    line: str


COMMANDS: dict[str, Place] = {
    "startup": Place(
        "envbench.commands.startup:startup", "Time containers and VMs from the request to the first word."
    ),
    "all": Place(
        "envbench.commands.all:all_experiments", "Measure everything that the claims need, and judge every claim."
    ),
    **{name: Place("envbench.commands.experiments:COMMANDS", each.line) for name, each in EXPERIMENTS.items()},
    "fetch": Place("envbench.commands.fetch:fetch", "Get beforehand what runs need: kernels, userlands, binaries."),
    "doctor": Place("envbench.commands.doctor:doctor", "Say which backends can run here; if not, why and what to do."),
    "clean": Place("envbench.commands.clean:clean", "Remove what killed runs left."),
    "selftest": Place(
        "envbench.commands.selftest:selftest", "Kill a real run midway, clean up, and show what is left."
    ),
    "report": Place(
        "envbench.commands.report:report", "Write the reports of a run again, or set several side by side."
    ),
    "compare": Place("envbench.commands.compare:compare", "Compare each further results folder with the first."),
    "collect": Place("envbench.commands.collect:collect", "Put results folders into a dataset of Parquet files."),
    "across": Place("envbench.commands.across:across", "Compare a figure between kinds of machines."),
    "history": Place("envbench.commands.history:history", "Show a figure of one machine over time: is it slower now?"),
    "recompute": Place(
        "envbench.commands.recompute:recompute", "Rebuild a run's summary, claims and warnings from its rows."
    ),
    "claims": Place("envbench.commands.claims:claims", "List what is claimed about containers, VMs and WSL."),
    "init": Place("envbench.commands.init:init", "Write a commented envbench.toml, for a repository's options."),
    "completion": Place("envbench.commands.completion:completion", "Print the completion script for a shell."),
}
"""Name → where its click command is, in the order of the help. Listing them imports none of them."""

BENCH_EXTRA = ("docker", "jinja2", "matplotlib", "msgspec", "pandas", "rich", "scipy")
"""Modules of the extra `bench`, without which no command of envbench makes sense."""

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2


class LazyGroup(click.Group):
    """A group that imports a sub-command's module when it is used or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's own signature
        """Return the names in the order of the registry."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words begin with. Raises WrongNameError for one that there is not."""
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        from envbench.commands.names import WrongNameError

        raise WrongNameError(f"no command {args[0]!r}", ctx=ctx, wrong=args[0], names=COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a sub-command, None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].where.partition(":")
        found = getattr(import_module(module), attribute)
        command = found[cmd_name] if isinstance(found, dict) else found
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name].where} is no click command")
        command.short_help = COMMANDS[cmd_name].line
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands into the help; none is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.line) for name, place in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": "ENVBENCH",
    },
)
@click.version_option(__version__, prog_name="envbench", message="%(prog)s %(version)s")
def cli() -> None:
    """Time containers against virtual machines on this very machine, and judge what is said about them.

    Exit codes: 0 done, 1 unexpected error, 2 bad arguments, 3 no usable backend, 4 some starts failed, 5 a gate failed,
    6 a gate could not be decided, 130 interrupted (cleaned up, partial results kept).
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. Errors are one line on stderr, with a traceback only with --debug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Whatever comes up to the end of the program, nothing is left half done, and nobody is left without an answer.
    with uninterrupted(_say, to_the_end=arguments is None):
        code = _run(words)
        end_streams()
    return code


def _run(words: Sequence[str]) -> int:
    try:
        with interruptible():
            _require_extra()
            result = cli.main(list(words), prog_name="envbench", standalone_mode=False)
    except click.ClickException as error:
        if words:
            _complain(_usage_line(error, words))
        else:
            click.echo(error.format_message(), err=True)  # no command at all: the whole help
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return InterruptedRunError.exit_code
    except BrokenPipeError:
        return 0  # Whoever read the output has what they wanted.
    except (Exception, InterruptedRunError) as error:  # noqa: BLE001 -- turns the unexpected into a line and a code
        return _failed(error, getattr(error, "exit_code", EXIT_UNEXPECTED), words)
    return result if isinstance(result, int) else 0


def _usage_line(error: click.ClickException, words: Sequence[str]) -> str:
    """Return what is wrong with the command line and what to try: the nearest right word, else the command's help."""
    from envbench.commands.names import WrongNameError, nearest

    context = error.ctx if isinstance(error, click.UsageError) else None
    what, near = " ".join(error.format_message().split()).rstrip("."), ""
    if isinstance(error, WrongNameError):
        near = error.nearest
    elif isinstance(error, click.NoSuchOption):
        what, near = f"no option {error.option_name}", nearest(error.option_name, error.possibilities or (), most=1)
    command = (
        context.command_path if context else " ".join(("envbench", *(word for word in words[:1] if word in COMMANDS)))
    )
    return advice(what, near or f"{command} --help")


def _require_extra() -> None:
    missing = [name for name in BENCH_EXTRA if find_spec(name) is None]
    if missing:
        raise EnvbenchError(f"not installed: {', '.join(missing)}", remedy="pip install 'envinspect[bench]'")


def _failed(error: BaseException, exit_code: int, words: Sequence[str]) -> int:
    if "--debug" in words:
        import traceback

        traceback.print_exception(error)
    expected = isinstance(error, EnvbenchError | OSError) or hasattr(error, "exit_code")
    unexpected = advice(f"unexpected {type(error).__name__}: {error}", "again with --debug, and report it")
    _complain(" ".join((one_line(error) if expected else unexpected).split()))
    return exit_code


def _complain(text: str) -> None:
    _say(f"envbench: {text}")


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(line, err=True)
