"""The command `envbench`: sub-commands are loaded when asked for, and only here an error becomes an exit code."""

import contextlib
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

import click

from envbench import __version__
from envbench.errors import EnvbenchError, InterruptedRunError, advice, one_line
from envbench.surroundings import end_streams

COMMANDS: dict[str, str] = {
    "startup": "envbench.commands.startup:startup",
    "all": "envbench.commands.all:all_experiments",
    "kernel": "envbench.commands.experiments:kernel",
    "size": "envbench.commands.experiments:size",
    "memory": "envbench.commands.experiments:memory",
    "idle": "envbench.commands.experiments:idle",
    "isolation": "envbench.commands.experiments:isolation",
    "release": "envbench.commands.experiments:release",
    "resize": "envbench.commands.experiments:resize",
    "density": "envbench.commands.experiments:density",
    "portability": "envbench.commands.experiments:portability",
    "speed": "envbench.commands.experiments:speed",
    "wsl": "envbench.commands.experiments:wsl",
    "fetch": "envbench.commands.fetch:fetch",
    "doctor": "envbench.commands.doctor:doctor",
    "clean": "envbench.commands.clean:clean",
    "selftest": "envbench.commands.selftest:selftest",
    "report": "envbench.commands.report:report",
    "compare": "envbench.commands.compare:compare",
    "collect": "envbench.commands.collect:collect",
    "across": "envbench.commands.across:across",
    "recompute": "envbench.commands.recompute:recompute",
    "claims": "envbench.commands.claims:claims",
    "completion": "envbench.commands.completion:completion",
}
"""Name → where its click command is, in the order of the help."""

BENCH_EXTRA = ("docker", "jinja2", "matplotlib", "pandas", "rich", "scipy")
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
        """Return the command that the words begin with. Raises UsageError with the nearest name for an unknown one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], COMMANDS, n=1)
            if not near or near[0] in error.message:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]}?", ctx) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a sub-command, None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]} is no click command")
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="envbench")
def cli() -> None:
    """Time containers against virtual machines on this very machine, and judge what is said about them.

    Exit codes: 0 done, 1 unexpected error, 2 bad arguments, 3 no usable backend, 4 some starts failed, 5 a gate failed,
    6 a gate could not be decided, 130 interrupted (cleaned up, partial results kept).
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. Errors are one line on stderr, with a traceback only with --debug."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = _run(words)
    end_streams()
    return code


def _run(words: Sequence[str]) -> int:
    try:
        _require_extra()
        result = cli.main(list(words), prog_name="envbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return InterruptedRunError.exit_code
    except BrokenPipeError:
        return 0  # Whoever read the output has what they wanted.
    except (Exception, InterruptedRunError) as error:  # noqa: BLE001 -- turns the unexpected into a line and a code
        return _failed(error, getattr(error, "exit_code", EXIT_UNEXPECTED), words)
    return result if isinstance(result, int) else 0


def _require_extra() -> None:
    missing = [name for name in BENCH_EXTRA if find_spec(name) is None]
    if missing:
        raise EnvbenchError(f"not installed: {', '.join(missing)}", remedy="pip install 'envinspect[bench]'")


def _failed(error: BaseException, exit_code: int, words: Sequence[str]) -> int:
    if "--debug" in words:
        traceback.print_exception(error)
    expected = isinstance(error, EnvbenchError | OSError) or hasattr(error, "exit_code")
    unexpected = advice(f"unexpected {type(error).__name__}: {error}", "again with --debug, and report it")
    _complain(" ".join((one_line(error) if expected else unexpected).split()))
    return exit_code


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(f"envbench: {text}", err=True)
