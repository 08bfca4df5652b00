"""Gates: what parses, what is refused with one line, and what an interval decides."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envbench.records.metrics import metric
from envbench.records.phases import Experiment, Outcome, Phase
from envreport.compare import (
    Change,
    NotComparableError,
    change_of,
    compare,
    comparison_lines,
    differences,
    obstacles,
)
from envreport.gates import GateOutcome, judge_baseline, judge_gate, judge_gates, overall, parse_gate
from envreport.results import load
from envreport.statistics.figures import Estimate, Interval, Method

MS = 1e6
S = Experiment.STARTUP
SPREAD = (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03, 1.04)


def started(rows: Any, middle_ms: float, **more: Any) -> Any:
    return rows.add(S, "docker", Phase.READY, [middle_ms * MS * each for each in SPREAD], **more)


@pytest.mark.parametrize(
    ("text", "metric", "statistic", "bound"),
    [
        ("docker.ready.p95 > 2s", "ready", "p95", 2e9),
        ("docker.ready>1.5 min", "ready", "median", 90e9),
        ("qemu[accel=tcg, machine=q35]/distro.cycle.max > 3 s", "cycle", "max", 3e9),
        ("docker.item.kernel > 1 MiB", "item.kernel", "median", 2**20),
        ("docker.leaked.total > 0", "leaked.total", "median", 0),
        ("docker.failed > 0", "failed", "median", 0),
        ("docker.foreign_arch_slowdown > 500 %", "foreign_arch_slowdown", "median", 5),
        ("docker.ready < 20us", "ready", "median", 20e3),
    ],
)
def test_what_parses(text: str, metric: str, statistic: str, bound: float) -> None:
    gate = parse_gate(text)
    assert (gate.figure.metric, gate.figure.statistic, gate.bound) == (metric, statistic, bound)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "docker",
        "docker.ready",
        "docker.ready > ",
        "docker.ready > 2",
        "docker.ready > 2 MiB",
        "docker.ready >= 2s",
        "docker.nothing > 2s",
        "docker[x].ready > 2s",
        "docker.ready.p42 > 2s",
        "docker.ready > -2s",
        "docker.ready > 2 fortnights",
        "docker.failed > 2 s",
        "__import__('os').system('x') > 1s",
        "docker.ready > 2s; docker.ready > 3s",
    ],
)
def test_what_is_refused_with_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_gate(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
@example("docker.ready > 2s")
def test_any_text_is_a_gate_or_a_value_error(text: str) -> None:
    try:
        gate = parse_gate(text)
    except ValueError:
        return
    assert gate.bound >= 0


@given(
    st.sampled_from(["docker", "qemu", "runc"]), st.sampled_from([each.value for each in Phase]), st.integers(0, 10**6)
)
def test_gates_read_back(backend: str, phase: str, number: int) -> None:
    gate = parse_gate(f"{backend}.{phase}.p95 > {number} ms")
    assert (gate.figure.backend, gate.figure.metric, gate.bound) == (backend, phase, number * MS)
    assert parse_gate(gate.text) == gate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.ready > 100ms", GateOutcome.FAIL),
        ("docker.ready > 300ms", GateOutcome.PASS),
        ("docker.ready > 200ms", GateOutcome.INCONCLUSIVE),
        ("docker.ready < 100ms", GateOutcome.PASS),
        ("docker.ready.p95 > 1s", GateOutcome.PASS),
        ("docker.ready.max > 207ms", GateOutcome.FAIL),
        ("docker.ready.min > 207ms", GateOutcome.PASS),
        ("docker[network=none].ready > 100ms", GateOutcome.FAIL),
        ("docker[network=bridge].ready > 100ms", GateOutcome.NOT_MEASURED),
        ("podman.ready > 100ms", GateOutcome.NOT_MEASURED),
        ("docker.failed > 0", GateOutcome.PASS),
        ("podman.failed > 0", GateOutcome.NOT_MEASURED),
    ],
)
def test_what_an_interval_decides(text: str, expected: GateOutcome, rows: Any) -> None:
    started(rows, 200, variant="network=none")
    found = judge_gate(parse_gate(text), rows.results())
    assert found.outcome is expected
    assert text in found.text


def test_the_worst_variant_counts(rows: Any) -> None:
    started(rows, 100, variant="network=none")
    started(rows, 900, variant="network=bridge")
    found = judge_gate(parse_gate("docker.ready > 500ms"), rows.results())
    assert found.outcome is GateOutcome.FAIL


def test_failed_starts_fail_their_gate_and_are_not_fast(rows: Any) -> None:
    started(rows, 100)
    rows.add(S, "docker", Phase.READY, [None] * 8, outcome=Outcome.TIMED_OUT)
    assert judge_gate(parse_gate("docker.failed > 0"), rows.results()).outcome is GateOutcome.FAIL
    assert judge_gate(parse_gate("docker.ready > 500 ms"), rows.results()).outcome is GateOutcome.INCONCLUSIVE


def test_sizes_have_no_sampling_error(rows: Any) -> None:
    rows.add(Experiment.SIZE, "docker", "disk", [5 * 2**20])
    assert judge_gate(parse_gate("docker.disk > 4 MiB"), rows.results()).outcome is GateOutcome.FAIL
    assert judge_gate(parse_gate("docker.disk > 6 MiB"), rows.results()).outcome is GateOutcome.PASS


@pytest.mark.parametrize(
    ("newer_ms", "expected"),
    [(200, GateOutcome.PASS), (400, GateOutcome.FAIL), (222, GateOutcome.INCONCLUSIVE), (100, GateOutcome.PASS)],
)
def test_baseline(newer_ms: float, expected: GateOutcome, make_rows: Any, meta: dict[str, Any]) -> None:
    older, newer = (started(make_rows(), middle).results(meta) for middle in (200, newer_ms))
    assert overall(judge_baseline(newer, older, 0.1)) is expected


def test_a_change_below_a_millisecond_is_no_regression(make_rows: Any, meta: dict[str, Any]) -> None:
    older, newer = (started(make_rows(), middle).results(meta) for middle in (0.2, 0.8))
    assert overall(judge_baseline(newer, older, 0.1)) is GateOutcome.PASS


def test_a_backend_of_the_baseline_that_is_gone_fails(make_rows: Any, meta: dict[str, Any]) -> None:
    older = started(make_rows(), 200).results(meta)
    newer = make_rows().add(S, "podman", Phase.READY, [200 * MS] * 8).results(meta)
    assert overall(judge_baseline(newer, older, 0.1)) is GateOutcome.NOT_MEASURED
    assert (
        overall(judge_baseline(make_rows().results(meta), make_rows().results(meta), 0.1)) is GateOutcome.NOT_MEASURED
    )


def test_failed_starts_are_told_with_their_reason_and_are_no_noise(make_rows: Any, meta: dict[str, Any]) -> None:
    older = started(make_rows(), 200).results(meta)
    newer = (
        make_rows().add(S, "docker", Phase.READY, [None] * 33, outcome=Outcome.FAILED, detail="no runc").results(meta)
    )
    for found in (judge_baseline(newer, older, 0.1)[0], judge_gate(parse_gate("docker.ready > 1 s"), newer)):
        assert found.outcome is GateOutcome.FAILED_STARTS
        assert "33 of 33 starts failed (no runc)" in found.text
    (compared,) = compare(older, newer)
    assert compared.note == "33 of 33 starts failed (no runc) in the newer run"
    undecided = judge_gate(parse_gate("docker.ready > 200 ms"), older)
    assert overall([undecided, found]) is GateOutcome.FAILED_STARTS


def test_a_backend_that_the_baseline_does_not_have_is_not_judged(make_rows: Any, meta: dict[str, Any]) -> None:
    older = started(make_rows(), 200).results(meta)
    newer = started(make_rows(), 200).add(S, "podman", Phase.READY, [200 * MS] * 8).results(meta)
    assert [each.outcome for each in judge_baseline(newer, older, 0.1)] == [GateOutcome.PASS]


@pytest.mark.parametrize("code", [1, 4, 5, 6, 130])
def test_a_run_that_did_not_end_with_0_is_no_baseline(code: int, usual_rows: Any, meta: Any, tmp_path: Path) -> None:
    folder = usual_rows(runs=8).write(tmp_path / "a", {**meta, "exit_code": code})
    with pytest.raises(ValueError, match=f"ended with {code}"):
        judge_gates(folder, (), folder)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        (("host", "host", "kernel"), "6.9.9", "kernel release differs"),
        (("host", "resources", "memory_bytes"), 2**30, "memory differs"),
        (("machine", "cgroup_version", "value"), "1", "cgroup version differs (2, then 1)"),
        (("machine", "governor", "value"), "powersave", "CPU frequency governor differs"),
        (("machine", "mitigations", "value"), {"mds": "Vulnerable"}, "mitigations differs (mds)"),
        (("host", "resources", "memory_bytes"), None, "memory is known of one run only (2147483648)"),
        (
            ("host", "resources"),
            {"memory_bytes": 2**31},
            "number of CPUs that may be used is known of one run only (2)",
        ),
        (("host", "layers"), [], "stack around the machine is known of one run only (Firecracker)"),
        (("engines", "docker", "version"), "20.10", "docker's version differs (28, then 20.10)"),
        (("engines", "docker", "default_runtime"), "crun", "docker's default runtime differs (runc, then crun)"),
    ],
)
def test_what_else_differs_is_said_in_the_gate(
    part: tuple[str, ...], value: Any, said: str, make_rows: Any, meta: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {
        **meta,
        "engines": {"docker": {"version": "28", "default_runtime": "runc", "runc_path": "/a"}},
        "machine": {
            "cgroup_version": {"answer": "found", "value": "2"},
            "governor": {"answer": "found", "value": "performance"},
            "mitigations": {"answer": "found", "value": {"mds": "Mitigation: Clear CPU buffers"}},
        },
        "host": {
            **meta["host"],
            "host": {**meta["host"]["host"], "kernel": "6.1.0"},
            "resources": {"cpus": 2, "memory_bytes": 2**31},
            "layers": [{"kind": "vm", "id": "firecracker", "name": "Firecracker"}],
        },
    }
    other = json.loads(json.dumps(usual))
    place = other
    for name in part[:-1]:
        place = place[name]
    place[part[-1]] = value
    older, newer = started(make_rows(), 200).results(usual), started(make_rows(), 200).results(other)
    assert said in " ".join(differences(older, newer))
    assert said in judge_baseline(newer, older, 0.1)[0].text
    assert any(said in line for line in comparison_lines([older, newer]))


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_a_run_that_was_broken_off_is_no_baseline(outcome: str, usual_rows: Any, meta: Any, tmp_path: Path) -> None:
    broken = {**{key: value for key, value in meta.items() if key != "exit_code"}, "outcome": outcome}
    folder = usual_rows(runs=8).write(tmp_path / "a", broken)
    with pytest.raises(ValueError, match=f"was {outcome}"):
        judge_gates(folder, (), folder)


def test_a_record_of_another_schema_is_an_obstacle(usual_rows: Any, meta: Any, tmp_path: Path) -> None:
    later = load(usual_rows(runs=8).write(tmp_path / "a", {**meta, "schema": "envbench-run/2"}))
    assert [reason for reason in obstacles(later, later) if "envbench-run/2" in reason]


def test_a_run_that_was_killed_is_no_baseline(usual_rows: Any, meta: Any, tmp_path: Path) -> None:
    killed = {**{key: value for key, value in meta.items() if key != "exit_code"}, "outcome": "running"}
    folder = usual_rows(runs=8).write(tmp_path / "a", killed)
    with pytest.raises(ValueError, match="was killed"):
        judge_gates(folder, (), folder)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"resources": {"cpus": 1}}, "number of CPUs that may be used differs (2, then 1)"),
        ({"layers": [], "bare_metal": True}, "stack around the machine differs (Firecracker, then bare metal)"),
        (
            {"layers": [{"id": "kvm"}, {"id": "docker"}]},
            "stack around the machine differs (Firecracker, then docker in kvm)",
        ),
    ],
)
def test_other_machines_are_not_compared(part: dict[str, Any], said: str, make_rows: Any, meta: dict[str, Any]) -> None:
    here = {**meta["host"], "resources": {"cpus": 2}, "layers": [{"id": "firecracker", "name": "Firecracker"}]}
    older = started(make_rows(), 200).results({**meta, "host": here})
    newer = started(make_rows(), 200).results({**meta, "host": {**here, **part}})
    with pytest.raises(NotComparableError, match=re.escape(said)):
        judge_baseline(newer, older, 0.1)


def test_judging_folders(usual_rows: Any, meta: dict[str, Any], tmp_path: Path) -> None:
    folder = usual_rows(runs=8).write(tmp_path / "a", meta)
    found = judge_gates(folder, [parse_gate("docker.ready > 10s")], folder / "samples.csv", 0.5)
    assert overall(found) is GateOutcome.PASS
    assert {"docker", "runc", "qemu"} <= {re.split(r"[ .(:]", each.gate)[0] for each in found}
    with pytest.raises(ValueError, match=r"no samples\.csv"):
        judge_gates(folder, (), tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("payload",), {"digest": "other"}, "payload differs"),
        (("accelerator", "used"), ["kvm"], "accelerator differs"),
        (("host", "host", "cpu"), "other CPU", "CPU differs"),
    ],
)
def test_what_differs_is_not_compared(
    path: tuple[str, ...], value: Any, reason: str, rows: Any, meta: dict[str, Any]
) -> None:
    started(rows, 200)
    other = {
        **meta,
        "host": {**meta["host"], "host": dict(meta["host"]["host"])},
        "accelerator": dict(meta["accelerator"]),
    }
    place: Any = other
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    older, newer = rows.results(meta), rows.results(other)
    assert [each.partition(" (")[0] for each in obstacles(older, newer)] == [reason]
    with pytest.raises(NotComparableError, match="--force"):
        judge_baseline(newer, older, 0.1)
    assert judge_baseline(newer, older, 0.1, force=True)


def test_what_is_not_recorded_is_an_obstacle(rows: Any) -> None:
    started(rows, 200)
    assert len(obstacles(rows.results(), rows.results())) == 3


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.97, 1.03, Change.SAME),
        (1.01, 1.03, Change.SAME),
        (1.01, 1.2, Change.SLOWER),
        (0.5, 0.9, Change.FASTER),
        (0.9, 1.2, Change.INCONCLUSIVE),
        (1.0, 1.2, Change.INCONCLUSIVE),
    ],
)
def test_changes(low: float, high: float, expected: Change) -> None:
    found = Estimate((low + high) / 2, Interval(low, high, 0.95), 20, Method.BOOTSTRAP)
    assert change_of(found, metric("ready")) is expected
    assert change_of(None, metric("ready")) is Change.INCONCLUSIVE


def test_comparing_names_the_backend_that_only_one_run_has(make_rows: Any) -> None:
    older = started(make_rows(), 200).results()
    newer = started(make_rows(), 400).add(S, "runc", Phase.READY, [1e8] * 6).results()
    changes = {each.name: each for each in compare(older, newer)}
    assert changes["docker"].change is Change.SLOWER
    assert changes["runc"].note == "not measured in the older run"


def test_runs_without_machines_need_no_accelerator_to_be_comparable(rows: Any) -> None:
    started(rows, 200)
    meta = {"payload": {"digest": "a"}, "host": {"host": {"architecture": "x86_64"}}}
    containers = rows.results({**meta, "backends": {"used": [{"name": "docker", "is_vm": False}]}})
    assert obstacles(containers, containers) == []
    machines = rows.results({**meta, "backends": {"used": [{"name": "qemu", "is_vm": True}]}})
    assert obstacles(machines, machines) == ["accelerator is recorded in neither run"]


def test_a_gate_without_a_profile_is_not_about_whole_systems_beside_the_minimal_payload(rows: Any) -> None:
    started(rows, 100, profile="minimal")
    started(rows, 900, profile="distro")
    assert judge_gate(parse_gate("docker.ready > 500ms"), rows.results()).outcome is GateOutcome.PASS
    assert judge_gate(parse_gate("docker/distro.ready > 500ms"), rows.results()).outcome is GateOutcome.FAIL


def test_either_letter_for_a_millionth_is_read():
    assert parse_gate("docker.ready > 5 \N{GREEK SMALL LETTER MU}s").bound == parse_gate("docker.ready > 5 us").bound


def test_a_bound_that_nothing_is_beyond_is_refused():
    with pytest.raises(ValueError, match="400 digits is no bound"):
        parse_gate(f"docker.ready > {'9' * 400}s")
