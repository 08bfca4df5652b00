"""Options kept in a repository: envbench.toml, or [tool.envbench] in pyproject.toml, in the current folder.

A key is an option's long name without the dashes. At the top it holds for every measuring command that has the option,
in a table for the command of that name. The environment (ENVBENCH_STARTUP_RUNS) goes before the file, and the command
line before both.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from envbench.commands.arguments import each_once
from envbench.commands.names import nearest
from envbench.commands.sections import Sectioned
from envbench.errors import UsageError
from envbench.experiments import EXPERIMENTS

OWN_FILE = "envbench.toml"
SHARED_FILE = "pyproject.toml"
MEASURING = ("startup", "all", *EXPERIMENTS)
NOT_KEPT = frozenset({"--debug", "--help"})
"""Options that make no sense in a file."""
META_KEY = "envbench.commands.defaults"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file says for one command: parameter → value; `file` is where it stands."""

    file: str
    values: Mapping[str, Any]


def read_table(folder: Path) -> tuple[str, Mapping[str, Any]] | None:
    """Return the file with the options and its table; None where the folder has none. Raises UsageError."""
    own, shared = folder / OWN_FILE, folder / SHARED_FILE
    if _is_there(own):
        return OWN_FILE, _parsed(own)
    if _is_there(shared):
        tools = _parsed(shared).get("tool", {})
        table = tools.get("envbench") if isinstance(tools, dict) else None
        return None if table is None else (f"[tool.envbench] in {SHARED_FILE}", _as_table(table, SHARED_FILE))
    return None


def defaults_of(name: str, commands: Mapping[str, click.Command], found: tuple[str, Mapping[str, Any]]) -> Defaults:
    """Return what the table says for one of these measuring commands.

    Raises UsageError for a key that is no option, wherever in the table: nothing would obey it, and nobody would know.
    """
    file, table = found
    options = {each: dict(kept(command)) for each, command in commands.items()}
    everywhere = {key for of_one in options.values() for key in of_one}
    general = {key: value for key, value in table.items() if key not in options or not isinstance(value, dict)}
    _refuse_unknown(file, general, {*everywhere, *options})
    values = {key: value for key, value in general.items() if key in options[name]}
    for command, own in table.items():
        if command in options and isinstance(own, dict):
            _refuse_unknown(f"{file}, [{command}]", own, options[command])
    own = table.get(name, {})
    values |= own if isinstance(own, dict) else {}
    params = options[name]
    return Defaults(file, {_dest(params[key]): _fitting(params[key], value) for key, value in values.items()})


def option_words(context: click.Context, defaults: Defaults) -> list[str]:
    """Return what the file decided, as words of a command line."""
    words: list[str] = []
    for param in context.command.params:
        if context.get_parameter_source(_dest(param)) is ParameterSource.DEFAULT_MAP:
            value = defaults.values[_dest(param)]
            if isinstance(value, bool):
                words += [_long(param)] if value else []
            else:
                given = value if isinstance(value, list) else [value]
                words += [word for each in given for word in (_long(param), str(each))]
    return words


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="from a folder that this user may look into") from error


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: {error}", remedy="a file that TOML allows (toml.io)") from error
    except OSError as error:
        raise UsageError(f"{path.name}: {error.strerror}", remedy="a file that can be read") from error


def _as_table(value: object, file: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{file}: tool.envbench is no table", remedy="[tool.envbench] on a line of its own")
    return value


def kept(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Yield name and parameter of each option that may stand in a file."""
    for param in command.params:
        if isinstance(param, click.Option) and _long(param) not in NOT_KEPT:
            yield _long(param).removeprefix("--"), param


def _long(param: click.Parameter) -> str:
    return next(name for name in param.opts if name.startswith("--"))


def _dest(param: click.Parameter) -> str:
    return param.name or ""


def _fitting(param: click.Option, value: Any) -> Any:
    """Return the value as click takes it: a repeatable option a list, a switch true or false, all else as it is typed.

    Raises UsageError where it cannot be one.
    """
    given = value if isinstance(value, list) and param.multiple else [value]
    kinds = (bool,) if param.is_flag else (str, int, float)
    if not all(isinstance(each, kinds) and isinstance(each, bool) == param.is_flag for each in given):
        remedy = "true or false" if param.is_flag else "a single value, as on the command line"
        raise UsageError(f"{_long(param).removeprefix('--')}: {value!r} is no value for it", remedy=remedy)
    found = given if param.is_flag else [str(each) for each in given]
    return found if param.multiple else found[0]


def _refuse_unknown(where: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise UsageError(f"{where}: no option {key!r}", remedy=nearest(key, known) or "envbench startup --help")


class Configured(Sectioned):
    """A measuring command: what the command line and the environment leave open, a file of the current folder says."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse with the file's values as defaults, what is named twice once. Raises UsageError for a useless file."""
        rest = self._parse(ctx, args)
        ctx.params |= each_once(ctx.params)
        return rest

    def _parse(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks_for_help = any(word in ctx.help_option_names for word in args)
        found = None if ctx.resilient_parsing or asks_for_help else read_table(Path())
        commands = {} if found is None else measuring_commands(ctx)
        if found is None or ctx.info_name not in commands:
            return super().parse_args(ctx, args)
        defaults = defaults_of(ctx.info_name, commands, found)
        ctx.default_map = dict(defaults.values)
        try:
            rest = super().parse_args(ctx, args)
        except click.BadParameter as error:
            param = error.param
            if param is None or ctx.get_parameter_source(_dest(param)) is not ParameterSource.DEFAULT_MAP:
                raise
            key = _long(param).removeprefix("--")
            raise UsageError(
                f"{defaults.file}: {key}: {error.message.rstrip('.')}", remedy=f"envbench {self.name} --help"
            ) from error
        ctx.meta[META_KEY] = (defaults.file, option_words(ctx, defaults))
        return rest


def measuring_commands(ctx: click.Context) -> dict[str, click.Command]:
    """Return the commands whose options may stand in a file, {} where the context is none of envbench's."""
    group = ctx.find_root().command
    if not isinstance(group, click.Group):
        return {}
    return {name: command for name in MEASURING if (command := group.get_command(ctx, name)) is not None}


def options_from_file() -> tuple[str, list[str]] | None:
    """Return the file from which options of the present command came, and those options; None where none did."""
    file, words = click.get_current_context().meta.get(META_KEY, ("", []))
    return (file, words) if words else None
