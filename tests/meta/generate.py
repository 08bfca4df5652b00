"""Rewrites the generated files (`make docs`); `tests/meta/test_generated.py` fails where one is out of date.

Each entry is a file and the function that returns its whole text.
"""

import importlib
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

GENERATED: dict[str, str] = {
    "docs/analyses.md": "tools.analyses:analyses_markdown",
    "docs/claims.md": "envreport.claims.texts:table_markdown",
    "docs/commands.md": "tests.meta.commands:markdown",
    "docs/evidence.md": "tools.evidence:evidence_markdown",
    "reports/envreport/claims.txt": "envreport.claims.texts:listing_text",
    "docs/results-format.md": "tools.results_format:results_format_markdown",
}


def text_of(function: str) -> str:
    module, _, name = function.partition(":")
    text: str = getattr(importlib.import_module(module), name)()
    return text


def generated_files() -> dict[str, str]:
    """Return every generated file, by its path, with the text it should have."""
    pages = importlib.import_module("tests.meta.commands").man_pages()
    return {path: text_of(function) for path, function in GENERATED.items()} | {
        f"docs/man/{name}": page for name, page in pages.items()
    }


def main() -> None:
    for path, text in generated_files().items():
        target = REPOSITORY / path
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}: rewritten\n")


if __name__ == "__main__":
    main()
