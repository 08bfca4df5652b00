"""One word for one thing: what starts the payload is a backend in sources, documents and output."""

import re
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
