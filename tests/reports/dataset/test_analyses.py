"""The notebook of docs/ runs as it stands: on runs whose answers are known, and what it shows is what comes out."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from tests.reports.dataset.conftest import written_run

from envreport.dataset.store import collect_run

NOTEBOOK = Path(__file__).resolve().parents[3] / "docs/analyses.ipynb"
RUNS = 7
ODD = 3
PATIENCE_S = 240
"""It takes four seconds; a machine that does much else takes longer."""
KNOWN = """
import json
print(json.dumps({
    "runs": by_type["runs"].to_dict(),
    "ready_ms": by_type["ready_ms"].to_dict(),
    "within": within,
    "between": between,
    "odd": odd.set_index("run_id")["change_ratio"].to_dict(),
}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook after all of it ran, with one cell more, which says what its names hold."""
    folder = tmp_path_factory.mktemp("analyses")
    collect_drawn(folder)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(new_code_cell(KNOWN))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        where = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, timeout=PATIENCE_S, startup_timeout=PATIENCE_S, resources=where)
        return client.execute()


def collect_drawn(folder: Path) -> None:
    """Put the runs that the notebook's text describes into a dataset; one night of the slow machine is an odd one."""
    for place, (kind, ready_ms) in enumerate((("quick", 200.0), ("slow", 300.0))):
        for night in range(RUNS):
            number = place * RUNS + night
            took_ms = ready_ms * (1.5 if (kind, night) == ("slow", ODD) else 1.0)
            began = f"2026-01-{night + 1:02}T03:04:05Z"
            run = written_run(folder / "results", number, took_ms, started_at=began, starts=8)
            collect_run(run, str(folder / "dataset"), {"instance_type": kind})
    failed = written_run(folder / "results", 99, 900.0, exit_code=4)
    collect_run(failed, str(folder / "dataset"), {"instance_type": "quick"})


@pytest.fixture
def known(ran: nbformat.NotebookNode) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(ran.cells[-1].outputs[0].text)
    return answers


def test_kinds_of_machines_are_told_by_their_runs(known: dict[str, Any]) -> None:
    assert known["runs"] == {"quick": RUNS, "slow": RUNS}
    assert known["ready_ms"] == pytest.approx({"quick": 200.0, "slow": 300.0}, rel=0.002)


def test_runs_differ_more_than_the_starts_within_them(known: dict[str, Any]) -> None:
    assert 0 < known["within"] < 0.003
    assert 0.2 < known["between"] < 0.5


def test_the_one_odd_night_stands_out(known: dict[str, Any]) -> None:
    assert known["odd"] == pytest.approx({f"{RUNS + ODD:012x}": 1.5}, rel=0.005)


def test_what_the_notebook_shows_is_what_comes_out(ran: nbformat.NotebookNode, request: pytest.FixtureRequest) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    for cell, done in zip(kept.cells, ran.cells, strict=False):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [plain(each) for each in done.outputs], done.execution_count
    today = nbformat.writes(kept) + "\n"
    if request.config.getoption("--update-gold", default=False):
        NOTEBOOK.write_text(today, encoding="utf-8")
    assert today.count('"output_type"') == 3
    assert NOTEBOOK.read_text(encoding="utf-8") == today, "run make update-gold docs and review the difference"


def plain(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The answer as text alone: its HTML says the same at ten times the length."""
    shown = {"data": {"text/plain": output.data["text/plain"]}} if "data" in output else {}
    return nbformat.from_dict({**output, **shown})
