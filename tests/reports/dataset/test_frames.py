"""A results folder as pandas frames: missing stays missing, and units stand in the names."""

from pathlib import Path
from typing import Any

import pandas as pd

import envreport
from envbench.records.phases import Experiment, Outcome, Phase, Unit


def test_a_run_is_tables_whose_columns_name_their_units(run_folder: Path) -> None:
    frames = envreport.load(run_folder)
    run = frames.runs.iloc[0]
    assert (run["run_id"], run["stack"], run["kernel"], run["memory_bytes"]) == (
        "0123456789ab",
        "firecracker",
        "6.1.0",
        25_000_000_000,
    )
    assert run["started_at"] == pd.Timestamp("2026-01-02T03:04:05Z")
    startup = frames.starts[(frames.starts["experiment"] == "startup") & (frames.starts["backend"] == "docker")]
    assert len(startup) == 22
    counted = startup[~startup["warmup"]]
    figures = frames.figures.set_index(["backend", "metric"])
    assert counted["ready_ns"].median() == figures.loc[("docker", "ready"), "median"]
    assert {"disk_bytes", "boot_id_equals_host"} <= set(frames.starts)
    assert not any("noise" in name for name in frames.starts)
    assert frames.samples["metric"].str.startswith("noise.").any()


def test_what_is_missing_is_missing(make_rows: Any, tmp_path: Path) -> None:
    rows = make_rows().add(Experiment.STARTUP, "docker", Phase.READY, [5.0])
    rows.add(Experiment.STARTUP, "docker", Phase.READY, [None], outcome=Outcome.FAILED, detail="no image", unit=Unit.NS)
    frames = envreport.load(rows.write(tmp_path / "run"))
    run = frames.runs.iloc[0]
    assert run["run_id"] == "0123456789ab"
    assert all(pd.isna(run[name]) for name in ("started_at", "kernel", "stack", "cloud", "exit_code"))
    assert frames.samples["value"].tolist()[0] == 5.0
    assert pd.isna(frames.samples["value"].tolist()[1])
    failed = frames.starts[frames.starts["outcome"] == "failed"]
    assert len(failed) == 1
    assert failed["ready_ns"].isna().all()
