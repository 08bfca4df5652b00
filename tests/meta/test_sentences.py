"""No English as a protocol: what steers anything is a field; no code splits or searches a sentence that ours says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "inspector/envinspect",
    "benchmarks/envbench",
    "reports/envreport",
)
SAID = {
    "reason",
    "remedy",
    "message",
    "detail",
    "advice",
    "note",
    "because",
    "text",
    "what",
    "why",
    "observed",
    "pattern",
    "summary",
}
"""Attributes that hold words for a person."""
TAKES_APART = {"partition", "rpartition", "split", "rsplit", "startswith", "endswith", "find", "index", "removeprefix"}


def caught(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}


def is_said(node: ast.expr, errors: set[str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "one_line"):
        return any(isinstance(each, ast.Name) and each.id in errors for each in node.args)
    return isinstance(node, ast.Attribute) and node.attr in SAID


def is_search(node: ast.Compare) -> bool:
    return isinstance(node.ops[0], (ast.In, ast.NotIn)) and isinstance(node.left, ast.Constant)


def parsed_back(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    errors = caught(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKES_APART:
            # `.split()` without a word only tidies white space.
            if is_said(node.func.value, errors) and node.args:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Compare) and is_search(node) and is_said(node.comparators[0], errors):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "source",
    [
        "try: f()\nexcept OSError as error:\n  a, _, b = str(error).partition('; try: ')",
        "try: f()\nexcept OSError as error:\n  g('ended with 2' in str(error))",
        "hidden = one.note.startswith('shown,')",
    ],
)
def test_a_sentence_that_is_taken_apart_is_found(source: str):
    assert len(list(parsed_back(source))) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_no_code_takes_a_message_of_ours_apart(package: str):
    found = [f"{path.name}: {hit}" for path in (ROOT / package).rglob("*.py") for hit in parsed_back(path.read_text())]
    assert found == []
