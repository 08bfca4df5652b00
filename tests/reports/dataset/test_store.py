"""Collecting: twice is once, what is broken is named, what is written is whole."""

import json
import shlex
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import duckdb
import numpy as np
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import parquet
from tests.perf.dataset import REAL, Starts

import envreport
from envbench.commands.cli import main
from envreport.dataset.store import State, collect_run, samples_bytes

Write = Callable[..., Path]


def test_what_is_collected_comes_back(run_folder: Path, tmp_path: Path) -> None:
    into = str(tmp_path / "dataset")
    assert collect_run(run_folder, into, {"instance_type": "c6a.xlarge"}).state is State.NEW
    one, many = envreport.load(run_folder), envreport.load_dataset(into)
    kept = [name for name in one.samples if name != "monotonic_ns"]
    pd.testing.assert_frame_equal(one.samples[kept], many.samples[kept], check_dtype=False)
    late_ns = one.samples["monotonic_ns"] - many.samples["monotonic_ns"]
    assert late_ns.between(0, 999_999).all()
    assert not late_ns[~one.samples["order"].duplicated()].any()
    pd.testing.assert_frame_equal(one.figures, many.figures, check_dtype=False)
    assert many.runs["label_instance_type"].tolist() == ["c6a.xlarge"]
    shared = [name for name in one.runs if name in many.runs]
    pd.testing.assert_frame_equal(one.runs[shared], many.runs[shared], check_dtype=False)


def test_pandas_and_duckdb_read_the_files_themselves(write_run: Write, tmp_path: Path) -> None:
    into = tmp_path / "dataset"
    for number in range(3):
        collect_run(write_run(number, 100.0 + number, started_at=f"2026-0{number + 1}-02T00:00:00Z"), str(into))
    assert len(pd.read_parquet(into / "samples")) == 9
    assert sorted(path.name for path in (into / "runs").iterdir()) == [f"month=2026-0{n}" for n in (1, 2, 3)]
    rows = duckdb.read_parquet(f"{into}/samples/*/*.parquet")
    found = rows.filter("metric = 'ready'").aggregate("count(*), count(distinct run_id)").fetchall()
    assert found == [(9, 3)]


def test_rows_are_small() -> None:
    """13 million rows are to fit into 80 MB, with what else a dataset holds."""
    rows = Starts(envreport.load(REAL)).drawn(np.random.default_rng(1), 6_500)
    assert len(samples_bytes(rows)) / len(rows) < 5


def test_files_of_another_layout_are_read_as_they_are(write_run: Write, tmp_path: Path) -> None:
    for number in range(2):
        collect_run(write_run(number, 100.0), str(tmp_path / "dataset"))
    before = envreport.load_dataset(tmp_path / "dataset")
    for path in sorted((tmp_path / "dataset").rglob("*.parquet"))[::2]:
        table = parquet.ParquetFile(path).read()
        texts = [each.name for each in table.schema if each.type == "string"]
        numbers = {each.name: "DELTA_BINARY_PACKED" for each in table.schema if each.type == "int64"}
        parquet.write_table(
            table, path, compression="zstd", use_dictionary=texts, column_encoding=numbers, store_schema=False
        )
    after = envreport.load_dataset(tmp_path / "dataset")
    pd.testing.assert_frame_equal(before.runs, after.runs)
    pd.testing.assert_frame_equal(before.figures, after.figures)
    pd.testing.assert_frame_equal(before.samples, after.samples)


def test_collecting_again_changes_nothing(write_run: Write, tmp_path: Path) -> None:
    into, folder = tmp_path / "dataset", write_run(1, 100.0)
    collect_run(folder, str(into), {"site": "a"})
    before = {path: path.stat().st_mtime_ns for path in into.rglob("*.parquet")}
    assert collect_run(folder, str(into)).state is State.SAME
    assert {path: path.stat().st_mtime_ns for path in into.rglob("*.parquet")} == before
    assert collect_run(folder, str(into), {"site": "b"}).state is State.LABELLED
    assert envreport.load_dataset(into).runs["label_site"].tolist() == ["b"]


def test_a_run_that_went_on_replaces_what_was_collected_of_it_and_never_the_other_way(
    write_run: Write, tmp_path: Path
) -> None:
    into, short, whole = str(tmp_path / "dataset"), write_run(1, 100.0, starts=2), write_run(1, 101.0, starts=5)
    collect_run(short, into)
    assert collect_run(whole, into).state is State.REPLACED
    assert len(envreport.load_dataset(into).samples) == 5


def test_a_broken_folder_is_named_and_the_rest_goes_on(
    write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, newer, cut = write_run(1, 100.0), write_run(2, 100.0), write_run(3, 100.0)
    record = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**record, "schema": "envbench-run/9"}))
    (cut / "samples.csv").write_text("not,what,it,was\n")
    code = main(["collect", str(tmp_path / "none"), str(newer), str(cut), str(good), "--into", str(tmp_path / "set")])
    told = capsys.readouterr()
    assert code == 1
    assert "3 of 4 folders could not be collected" in told.err
    for reason in ("no samples.csv", "envbench-run/9", "not the columns"):
        assert reason in told.err
    assert len(envreport.load_dataset(tmp_path / "set").runs) == 1


def test_a_disk_that_takes_no_more_loses_nothing_and_keeps_no_pieces(write_run: Write, tmp_path: Path) -> None:
    into, folder = tmp_path / "dataset", write_run(2, 100.0)
    collect_run(write_run(1, 100.0), str(into))
    command = [sys.executable, "-m", "envbench", "collect", str(folder), "--into", str(into)]
    limited = f"ulimit -f 1; exec {shlex.join(command)}"  # The kernel refuses what is longer than 512 or 1024 bytes.
    found = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "File too large" in found.stderr
    assert "Traceback" not in found.stderr
    assert not [path for path in into.rglob("*") if path.name.endswith(".part")]
    assert envreport.load_dataset(into).runs["run_id"].tolist() == [f"{1:012x}"]
    assert collect_run(folder, str(into)).state is State.NEW


@pytest.mark.slow
def test_collectors_at_the_same_time_do_not_damage_a_dataset(write_run: Write, tmp_path: Path) -> None:
    folders = [str(write_run(number, 100.0)) for number in range(6)]
    command = [sys.executable, "-m", "envbench", "collect", *folders, "--into", str(tmp_path / "dataset")]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [each.wait(120) for each in running] == [0, 0, 0]
    frames = envreport.load_dataset(tmp_path / "dataset")
    assert len(frames.runs) == 6
    assert len(frames.samples) == 18
    assert not [path for path in (tmp_path / "dataset").rglob("*") if path.name.endswith(".part")]


def test_no_dataset_is_an_error_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["across", str(tmp_path / "none"), "--by", "x", "--metric", "docker.ready"]) == 2
    assert "envbench collect" in capsys.readouterr().err


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket of an object store on this machine, as the address of a dataset."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="bench")
        yield f"s3://bench/nightly?scheme=http&endpoint_override={host}:{port}&region=us-east-1"
    finally:
        server.stop()


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """The address of a dataset that pyarrow reads, and of one that only fsspec reads."""
    return str(request.getfixturevalue("bucket")) if request.param == "s3" else f"memory://{uuid.uuid4()}/nightly"


def test_an_object_store_holds_a_dataset_too(write_run: Write, bucket: str) -> None:
    folder = write_run(1, 100.0)
    assert collect_run(folder, bucket, {"site": "a"}).state is State.NEW
    assert collect_run(folder, bucket).state is State.SAME
    assert collect_run(write_run(2, 100.0), bucket).state is State.NEW
    assert len(envreport.load_dataset(bucket).samples) == 6


@pytest.mark.parametrize("address", ["s3", "memory"], indirect=True)
@pytest.mark.slow
def test_across_and_history_read_an_address_as_a_folder(
    address: str, write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = []
    runs = [write_run(day, 100.0 + day // 6 * 30, started_at=f"2026-01-{day + 1:02}T00:00:00Z") for day in range(12)]
    for dataset in (address, str(tmp_path / "dataset")):
        for half, site in ((runs[:6], "a"), (runs[6:], "b")):
            assert main(["collect", *map(str, half), "--into", dataset, "--label", f"site={site}"]) == 0
        capsys.readouterr()
        assert main(["across", dataset, "--by", "site", "--metric", "docker.ready"]) == 0
        assert main(["history", dataset, "--metric", "docker.ready", "--fail-on", "slower"]) == 5
        answers.append(capsys.readouterr())
    assert "b is slower against a" in answers[0].out
    assert answers[0] == answers[1]


class Denies(BaseHTTPRequestHandler):
    """A store that lets nobody in."""

    def do_GET(self) -> None:
        self.send_error(HTTPStatus.FORBIDDEN)

    do_HEAD = do_GET  # noqa: N815 -- as the base class calls it


def test_a_store_that_denies_is_not_an_empty_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with ThreadingHTTPServer(("127.0.0.1", 0), Denies) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        denied = f"s3://bench/nightly?scheme=http&endpoint_override=127.0.0.1:{server.server_port}&region=us-east-1"
        assert main(["across", denied, "--by", "site", "--metric", "docker.ready"]) == 2
        server.shutdown()
    told = capsys.readouterr().err.splitlines()
    ours = [line for line in told if line.startswith(f"envbench: {denied}: ")]
    assert len(ours) == 1
    assert "ACCESS_DENIED" in ours[0]
    assert "no dataset here" not in ours[0]


def test_an_address_that_nothing_reads_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "nowhere://bench/nightly", "--metric", "docker.ready"]) == 2
    assert "try: a folder, or s3://BUCKET/PATH" in capsys.readouterr().err


def test_a_copied_folder_is_the_same_run(write_run: Write, tmp_path: Path) -> None:
    folder = write_run(1, 100.0)
    collect_run(folder, str(tmp_path / "dataset"))
    assert collect_run(Path(shutil.copytree(folder, tmp_path / "copy")), str(tmp_path / "dataset")).state is State.SAME


def test_labels_are_pairs(write_run: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[Any] = ["collect", str(write_run(1, 100.0)), "--into", str(tmp_path / "dataset"), "--label", "site"]
    assert main(words) == 2
    assert "KEY=VALUE" in capsys.readouterr().err
