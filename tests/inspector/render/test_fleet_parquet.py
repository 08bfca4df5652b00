"""The Parquet file of a fleet: pandas and duckdb read the same hosts in it, with truths and nulls as such."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.inspector.captured_systems import NAMES, answer_for

from envinspect.answer import answer_as_json
from envinspect.cli.commands import run
from envinspect.fleet.answers import Host
from envinspect.fleet.view import Fleet, stack_of, view_of
from envinspect.model.errors import UsageError
from envinspect.render.fleet import COLUMNS, FORMS

needs_readers = pytest.mark.applies(
    all(importlib.util.find_spec(name) for name in ("pyarrow", "duckdb", "pandas")), "without the extra parquet"
)
RAW = "=a \"b\" 'c'\n\x1b[31m é \ud800"


def fleet() -> Fleet:
    def host(name: str) -> Host:
        stack = answer_for(name).stack
        return Host(
            name,
            summary=answer_for(name).summary,
            determined=stack.determined,
            bare_metal=stack.bare_metal,
            layers=tuple(layer.id for layer in stack.layers),
            kinds=tuple(layer.kind.word for layer in stack.layers),
            cloud=None if stack.cloud is None else stack.cloud.id,
        )

    silent = Host("silent", error="unreachable: no route")
    return view_of([*map(host, NAMES), silent, Host("raw", summary=RAW, determined=True, kernel=RAW)])


@needs_readers
def test_pandas_and_duckdb_read_every_host_with_what_is_known_of_it(tmp_path: Path) -> None:
    import duckdb
    import pandas as pd

    found, path = fleet(), tmp_path / "fleet.parquet"
    path.write_bytes(FORMS["parquet"](found).data)
    relation = duckdb.read_parquet(str(path))
    rows = {row[0]: dict(zip(COLUMNS, row)) for row in relation.fetchall()}
    assert relation.columns == list(COLUMNS)
    assert [str(kind) for kind in relation.types] == ["BOOLEAN" if n in (1, 2) else "VARCHAR" for n in range(9)]
    for host in found.hosts:
        if host.name != "raw":
            assert rows[host.name] == {
                "host": host.name,
                "answered": host.answered,
                "determined": host.determined if host.answered else None,
                "stack": stack_of(host) if host.answered else None,
                "summary": host.summary or None,
                "cloud": host.cloud,
                "orchestrator": None,
                "kernel": None,
                "error": host.error or None,
            }
    assert rows["raw"]["summary"] == rows["raw"]["kernel"] == RAW.replace("\ud800", "\\ud800")
    frame = pd.read_parquet(io.BytesIO(path.read_bytes())).set_index("host")
    assert len(frame) == len(found.hosts)
    assert frame["determined"].isna().sum() == 1
    assert frame["cloud"].dropna().to_dict() == {host.name: host.cloud for host in found.hosts if host.cloud}


@needs_readers
def test_a_fleet_of_silent_hosts_has_the_same_columns_and_kinds() -> None:
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(FORMS["parquet"](view_of([Host("a", error="unreachable")])).data))
    assert list(frame) == list(COLUMNS)
    assert frame["answered"].tolist() == [False]


@needs_readers
def test_the_command_writes_the_file_and_nothing_else(tmp_path: Path) -> None:
    import pandas as pd

    answer = answer_as_json(answer_for(NAMES[0]).stack)
    (tmp_path / "host1.json").write_text(json.dumps(answer))
    words = [sys.executable, "-m", "envinspect", "fleet", str(tmp_path), "--format", "parquet"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert pd.read_parquet(io.BytesIO(done.stdout))["summary"].tolist() == [answer["summary"]]


@needs_readers
def test_a_terminal_gets_no_binary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "host1").write_text("{}")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["fleet", str(tmp_path), "--format", "parquet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "envinspect: this format is no text for a terminal; try: it with `> FILE`\n"


def test_without_pyarrow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as raised:
        FORMS["parquet"](view_of([Host("a", determined=True)]))
    assert (str(raised.value), raised.value.remedy) == ("parquet needs pyarrow", "pip install 'envinspect[parquet]'")


def test_no_other_form_loads_pyarrow(tmp_path: Path) -> None:
    (tmp_path / "host1").write_text("{}")
    program = (
        "import sys; from envinspect.cli.commands import run; "
        "codes = [run(['fleet', sys.argv[1], *more]) for more in ((), ('--json',), ('--format', 'csv'), "
        "('--format', 'html'), ('--format', 'openmetrics'))]; "
        "sys.exit(str({'pyarrow', 'pandas', 'numpy'} & set(sys.modules)) + str(codes))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stderr == "set()[0, 0, 0, 0, 0]\n"
