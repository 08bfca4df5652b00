"""Gates: what parses, what is refused with one line, and what an interval decides."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envbench.phases import Experiment, Outcome, Phase
from envreport.compare import Change, NotComparableError, change_of, compare, obstacles
from envreport.gates import GateOutcome, judge_baseline, judge_gate, judge_gates, overall, parse_gate
from envreport.statistics.estimates import Estimate, Interval, Method

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
    assert (gate.metric, gate.statistic, gate.bound) == (metric, statistic, bound)


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
    assert (gate.backend, gate.metric, gate.bound) == (backend, phase, number * MS)
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
        ("docker[network=bridge].ready > 100ms", GateOutcome.INCONCLUSIVE),
        ("podman.ready > 100ms", GateOutcome.INCONCLUSIVE),
        ("docker.failed > 0", GateOutcome.PASS),
        ("podman.failed > 0", GateOutcome.INCONCLUSIVE),
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


def test_a_rung_that_is_gone_is_inconclusive(make_rows: Any, meta: dict[str, Any]) -> None:
    older = started(make_rows(), 200).results(meta)
    newer = make_rows().add(S, "podman", Phase.READY, [200 * MS] * 8).results(meta)
    assert overall(judge_baseline(newer, older, 0.1)) is GateOutcome.INCONCLUSIVE
    assert (
        overall(judge_baseline(make_rows().results(meta), make_rows().results(meta), 0.1)) is GateOutcome.INCONCLUSIVE
    )


def test_judging_folders(usual_rows: Any, meta: dict[str, Any], tmp_path: Path) -> None:
    folder = usual_rows(runs=8).write(tmp_path / "a", meta)
    found = judge_gates(folder, [parse_gate("docker.ready > 10s")], folder / "samples.csv", 0.5)
    assert overall(found) is GateOutcome.PASS
    assert len(found) == 6
    with pytest.raises(ValueError, match=r"no samples\.csv"):
        judge_gates(folder, (), tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("payload",), {"minimal": {"sha256": "other"}}, "payload differs"),
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
    assert obstacles(older, newer) == [reason]
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
    assert change_of(Estimate((low + high) / 2, Interval(low, high, 0.95), 20, Method.BOOTSTRAP)) is expected
    assert change_of(None) is Change.INCONCLUSIVE


def test_comparing_names_the_rung_that_only_one_run_has(make_rows: Any) -> None:
    older = started(make_rows(), 200).results()
    newer = started(make_rows(), 400).add(S, "runc", Phase.READY, [1e8] * 6).results()
    changes = {each.name: each for each in compare(older, newer)}
    assert changes["docker"].change is Change.SLOWER
    assert changes["runc"].note == "only in the newer run"


def test_runs_without_machines_need_no_accelerator_to_be_comparable(rows: Any) -> None:
    started(rows, 200)
    meta = {"payload": {"digest": "a"}, "host": {"host": {"architecture": "x86_64"}}}
    containers = rows.results({**meta, "backends": {"used": [{"name": "docker", "is_vm": False}]}})
    assert obstacles(containers, containers) == []
    machines = rows.results({**meta, "backends": {"used": [{"name": "qemu", "is_vm": True}]}})
    assert obstacles(machines, machines) == ["accelerator is recorded in neither run"]
