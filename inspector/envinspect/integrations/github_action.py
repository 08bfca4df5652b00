"""The step of the GitHub Action (action.yml): writes the job's outputs and summary.

GITHUB_OUTPUT and GITHUB_STEP_SUMMARY name the files to add to
(https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands). Uses the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from envinspect.api import abilities, inspect
from envinspect.model.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from envinspect.api import Answer

TEXT_LIMIT = 1000


def main() -> int:
    """Add the outputs and the summary to GitHub's files; say the sentence in the log. Returns the exit code 0."""
    here = inspect()
    kvm = next(ability.answer for ability in abilities().capabilities if ability.id == "kvm")
    told = outputs(here, kvm)
    _add("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in told.items()))
    _add("GITHUB_STEP_SUMMARY", summary(here, told))
    sys.stdout.write(f"{told['summary']}\n")
    return 0


def outputs(here: Answer, kvm: str) -> Mapping[str, str]:
    """Return the outputs by name; each is one line, whatever the machine calls itself."""
    return {
        "summary": printable(here.summary, TEXT_LIMIT),
        "layers": json.dumps([layer.id for layer in here.layers], separators=(",", ":")),
        "determined": json.dumps(here.determined),
        "kvm": kvm,
    }


def summary(here: Answer, told: Mapping[str, str]) -> str:
    """Return the job's summary in Markdown."""
    evidence = "".join(
        f"| {_cell(layer.name)} | {_cell(piece.source)} | {_cell(piece.observed)} |\n"
        for layer in here.layers
        for piece in layer.evidence
    )
    table = f"\n| layer | where | what |\n|---|---|---|\n{evidence}" if evidence else ""
    return f"**Environment:** {_cell(told['summary'])} (KVM: {told['kvm']})\n{table}\n"


def _cell(text: str) -> str:
    """Return text that stays within its cell and is shown as it is."""
    shown = printable(text, TEXT_LIMIT)
    return "".join(f"\\{letter}" if letter in "\\|`*_<>[]" else letter for letter in shown)


def _add(variable: str, text: str) -> None:
    name = os.environ.get(variable)
    if name:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
