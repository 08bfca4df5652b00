"""The generated files of docs/ are what their generators write today."""

import difflib
import json
from pathlib import Path

import accuracy
import perf_page
import pytest
from platforms import page
from tests.meta.generate import generated_files

REPOSITORY = Path(__file__).resolve().parents[2]


def test_generated_files_are_up_to_date():
    stale = []
    for path, text in generated_files().items():
        written = (REPOSITORY / path).read_text(encoding="utf-8") if (REPOSITORY / path).exists() else ""
        if written != text:
            stale += difflib.unified_diff(
                written.splitlines(), text.splitlines(), path, "as generated", n=0, lineterm=""
            )
    assert stale == [], "run make docs:\n" + "\n".join(stale[:40])


@pytest.mark.parametrize(
    ("name", "made"), [("accuracy", accuracy.page), ("platforms", page.page), ("performance", perf_page.page)]
)
def test_pages_of_runs_say_what_was_kept_of_them(name, made):
    kept = json.loads((REPOSITORY / f"docs/{name}.json").read_text(encoding="utf-8"))
    assert made(kept) == (REPOSITORY / f"docs/{name}.md").read_text(encoding="utf-8")


def test_no_man_page_is_left_of_a_command_that_is_gone():
    expected = {path.rpartition("/")[2] for path in generated_files() if path.startswith("docs/man/")}
    assert {page.name for page in (REPOSITORY / "docs/man").glob("*")} == expected
    assert {"envinspect.1", "envbench-startup.1"} <= expected
