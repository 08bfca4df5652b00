"""Every command of ours that a document or an example shows is one that the command line takes with its options."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import pytest
from click.core import ParameterSource
from tests.meta.commands import programs

from envbench.errors import UsageError

REPOSITORY = Path(__file__).resolve().parents[2]
GENERATED = ("commands.md", "claims.md", "evidence.md")
DOCUMENTS = [
    *sorted(path for path in (REPOSITORY / "docs").glob("*.md") if path.name not in GENERATED),
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(path for path in (REPOSITORY / "examples").rglob("*") if path.is_file()),
]
ELLIPSES = {"…", "..."}
STOPS = frozenset("();<>|&·")
_SHOWN = re.compile(r"^ {4}([^\n]*)|`([^`\n]+)`", re.MULTILINE)
_BEFORE = re.compile(r"^(?:\$ |- |run: |sudo |\.venv/bin/|\w+=\S* )*")


def shown_commands(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command of ours that stands in a block of code, in backticks or as a line of a script."""
    text = path.read_text(encoding="utf-8")
    lines = [found[1] or found[2] for found in _SHOWN.finditer(text)] if path.suffix == ".md" else text.splitlines()
    for line in lines:
        command = _BEFORE.sub("", (line or "").strip())
        if re.match(r"(?:envinspect|envbench)(?: |$)", command):
            yield tuple(_words(command))


def _words(command: str) -> Iterator[str]:
    """Yield the words up to where the shell would begin another command; a variable may stand for any word or none."""
    reader = shlex.shlex(command, posix=True, punctuation_chars=True)
    reader.wordchars += "=:,%…·$@{}[]"
    for word in reader:
        if set(word) <= STOPS:
            return
        if word not in ELLIPSES and not word.startswith("$"):
            yield word


def parsed(words: Sequence[str]) -> None:
    """Parse a command by the real click commands, values converted; a path need not exist. Raises click's errors."""
    command: click.Command = programs()[words[0]]
    context, rest = click.Context(command, info_name=words[0], **command.context_settings), list(words[1:])
    while True:
        values, rest, _ = command.make_parser(context).parse_args(rest)
        _convert(command, context, values)
        if not isinstance(command, click.Group) or not rest:
            break
        found = command.get_command(context, rest[0])
        if found is None:
            break
        context = click.Context(found, info_name=rest[0], parent=context, **found.context_settings)
        command, rest = found, rest[1:]
    assert rest == [], f"left over: {rest}"


def _convert(command: click.Command, context: click.Context, values: Mapping[str, object]) -> None:
    """Convert what was given; a word in capitals stands for a value of the reader's own."""
    for parameter in command.params:
        value, source = parameter.consume_value(context, values)
        given = value if isinstance(value, (list, tuple)) else (value,)
        is_own = any(isinstance(each, str) and each.isupper() for each in given)
        is_path = isinstance(parameter.type, click.Path)
        if source is ParameterSource.COMMANDLINE and not (is_path or is_own or parameter.is_eager):
            parameter.process_value(context, value)


CASES = [(path, command) for path in DOCUMENTS for command in dict.fromkeys(shown_commands(path))]


@pytest.mark.parametrize(
    ("path", "command"), CASES, ids=[f"{path.name}: {' '.join(command)}" for path, command in CASES]
)
def test_a_command_that_is_shown_is_one_that_is_taken(path, command):
    parsed(command)


def test_commands_were_found_where_they_stand():
    found = {path.name for path, _ in CASES}
    assert {"README.md", "ci.md", "method.md", "ci.sh", "envbench.yml", ".gitlab-ci.yml"} <= found
    assert len(CASES) > 40


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("envbench startup --no-such", click.NoSuchOption),
        ("envbench startup --backend dokcer", click.BadParameter),
        ("envbench startup --format pdf", UsageError),
        ("envbench nonesuch", AssertionError),
        ("envinspect --nope", click.NoSuchOption),
    ],
)
def test_a_command_that_is_not_taken_is_found_out(wrong, error):
    with pytest.raises(error):
        parsed(wrong.split())
