"""`envbench init`: writes an envbench.toml with every option, each commented out, for a plan kept in a repository."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from envbench.commands.arguments import debug_option
from envbench.commands.defaults import OWN_FILE, kept, measuring_commands, read_table
from envbench.commands.sections import SECTIONS
from envbench.errors import UsageError

HEAD = """\
# Options of envbench for whoever runs it in this folder. Take the "# " away from what you want to keep.
# The command line goes before the environment (ENVBENCH_STARTUP_RUNS=20), and the environment before this file.
# A key that stands here holds for every measuring command that has the option. In a table with a command's name,
# such as [startup] or [memory], it holds for that command alone.
"""
EXAMPLES = {"share": "5%", "size": "256M"}
"""Type of an option → a value for it."""


@click.command()
@debug_option
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write an envbench.toml with all options, commented out, into the current folder.

    A file that is there is never overwritten.
    """
    found = read_table(Path())
    if found is not None:
        raise UsageError(f"options are kept here already: {found[0]}", remedy="change that file")
    try:
        with Path(OWN_FILE).open("x", encoding="utf-8") as file:
            file.write(template(measuring_commands(ctx)["startup"]))
    except OSError as error:
        raise UsageError(f"{OWN_FILE}: {error.strerror}", remedy="another folder") from error
    click.echo(f"wrote {OWN_FILE}")


def template(command: click.Command) -> str:
    """Return the file's text, made of the options of this command; as it is, it decides nothing."""
    by_name = {param.name: (key, param) for key, param in kept(command)}
    parts = [HEAD]
    for title, names in SECTIONS.items():
        lines = [line for name in names if name in by_name for line in _lines(*by_name[name])]
        if lines:
            parts.append("\n".join([f"# ---- {title}", *lines]) + "\n")
    return "\n".join(parts)


def _lines(key: str, option: click.Option) -> Iterator[str]:
    yield from textwrap.wrap(option.help or "", 110, initial_indent="#   ", subsequent_indent="#   ")
    yield f"# {key} = {_example(option)}"


def _example(option: click.Option) -> str:
    """Return a value for the option, as TOML writes it."""
    value: object
    if option.is_flag:
        value = True
    elif isinstance(option.type, click.Choice):
        value = option.type.choices[0]
    elif isinstance(option.default, (int, float, str)) and option.default:
        value = option.default
    elif isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType)):
        value = 20
    else:
        value = EXAMPLES.get(option.type.name, option.metavar or option.type.name.upper())
    return json.dumps([value] if option.multiple else value)  # Of such values TOML and JSON write the same.
