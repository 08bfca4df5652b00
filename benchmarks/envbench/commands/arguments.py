"""What several commands take: --debug, results folders, and what is wrong with those as one line with exit code 2."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from envbench.commands.names import Place
from envbench.errors import UsageError, one_line

_Command = TypeVar("_Command", bound=Callable[..., Any])


def debug_option(command: _Command) -> _Command:
    """Add --debug, which `cli.main` reads itself: an error may come before any option has been parsed."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")(command)


def folder_argument(*, nargs: int = 1) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the results folders as argument `folder`, or `folders` for any number."""
    kind = Place(exists=True, file_okay=False)
    name = "folder" if nargs == 1 else "folders"
    return click.argument(name, nargs=nargs, type=kind, required=True)


def each_once(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with nothing named twice in one that is repeatable; what is named first comes first."""
    return {name: tuple(dict.fromkeys(value)) if isinstance(value, tuple) else value for name, value in options.items()}


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Turn what the reports refuse (ValueError) and what the disk refuses (OSError) into UsageError."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error), remedy=getattr(error, "remedy", "")) from error
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else one_line(error)
        raise UsageError(what) from error
