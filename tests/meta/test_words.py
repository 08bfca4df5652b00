"""Words: one for one thing (what starts the payload is a backend), and one thing in the singular."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLDER_WORD = re.compile(r"(?:\b|_)(?:[Rr]" + r"ungs?|R" + r"UNGS?)(?:\b|_|(?=[A-Z]))")
READ = {".py", ".md", ".j2", ".css", ".js", ".json", ".csv", ".html", ".txt", ".xml", ".prom", ".toml"}
FOLDERS = ("inspector", "benchmarks", "reports", "docs", "tests", "tools")
OLDER_KEY = {"reports/envreport/claims/user.py", "tests/reports/claims/test_user.py"}
"""A claims file may still name its backends by the key of version 0.1."""


@pytest.mark.parametrize(
    ("text", "found"),
    [("every R" + "UNG", True), ("the_r" + "ung", True), ("R" + "ungKey", True), ("wrung", False), ("runge", False)],
)
def test_the_older_word_is_found_in_names_and_sentences(text: str, found: bool):
    assert bool(OLDER_WORD.search(text)) is found


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_backend_is_called_a_backend(folder: str):
    paths = [path for path in (ROOT / folder).rglob("*") if path.suffix in READ and path.is_file()]
    assert paths
    kept = [path for path in paths if "systems" not in path.parts and str(path.relative_to(ROOT)) not in OLDER_KEY]
    wrong = [str(path.relative_to(ROOT)) for path in kept if OLDER_WORD.search(f"{path.name}\n{path.read_text()}")]
    assert wrong == []


NOUNS = (
    "starts runs things folders files rows hosts backends values ways figures mounts instances daemons cycles CPUs "
    "processes minutes times facts examples configurations sets windows levels kinds threads distributions"
)
COUNTED = re.compile(rf" (?:(?:more|other|new) )*(?:{NOUNS.replace(' ', '|')})\b(?! (?:as|from|without)\b)")
"""What a number stands before; these words behind make a verb of it (it starts from nothing)."""


def plurals(source: str) -> Iterator[str]:
    """Yield what is said of a number and a plural, whatever the number; "1 of 1 runs" is right, a constant is known."""
    for node in ast.walk(ast.parse(source)):
        parts = [ast.Constant(""), *node.values] if isinstance(node, ast.JoinedStr) else []
        for before, value, text in zip(parts, parts[1:], parts[2:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant) and COUNTED.match(text.value):
                said = ast.unparse(value.value)
                is_part = isinstance(before, ast.Constant) and before.value.endswith(" of ")
                is_constant = said.rpartition(".")[2].isupper()
                is_number = value.format_spec is None and "join(" not in said and "_text(" not in said
                if is_number and not is_part and not is_constant:
                    yield f"{said}{text.value}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('f"{len(done)} starts failed"', 1),
        ('f"{n} more runs"', 1),
        ('f"{few} of {many} runs"', 0),
        ('f"{LIMIT} files at most"', 0),
        ('f"{bench.LIMIT} files"', 0),
        ("f\"{counted(n, 'start')} failed\"", 0),
        ('f"{ratio:.1f} times the CPU time"', 0),
    ],
)
def test_a_plural_that_may_be_one_is_found(source: str, found: int):
    assert len(list(plurals(source))) == found


@pytest.mark.slow
def test_a_number_is_said_with_its_noun_by_the_function_for_it():
    """`counted` knows that one start is no "1 starts"."""
    sources = [path for folder in FOLDERS[:3] for path in (ROOT / folder).rglob("*.py")]
    wrong = [f"{path.relative_to(ROOT)}: {found}" for path in sources for found in plurals(path.read_text())]
    assert wrong == []
