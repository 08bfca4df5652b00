"""Writes docs/analyses.md out of docs/analyses.ipynb: text, code and what the code answered, as the site shows them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "analyses.ipynb"
MADE = f"Made from the notebook [{NOTEBOOK.name}]({NOTEBOOK.name}) by `make docs`; edit that. A test runs it."


def analyses_markdown() -> str:
    """Return the whole page; that it is made from the notebook stands below its heading."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    blocks = [block for cell in cells for block in _blocks(cell)]
    heading, _, rest = blocks[0].partition("\n")
    return "\n\n".join([heading, MADE, rest.strip(), *blocks[1:]]) + "\n"


def _blocks(cell: Mapping[str, Any]) -> Iterator[str]:
    """Yield a cell as Markdown; of an answer its plain text is taken."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        text = "".join(output.get("text") or output["data"]["text/plain"])
        yield "\n".join(["```text", *(line.rstrip() for line in text.rstrip().splitlines()), "```"])
