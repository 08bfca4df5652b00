"""The verdicts of the claims on speed."""

from pathlib import Path
from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.rows import SPREAD, WIDE, E, around, series
from tests.reports.claims.known.speed import KNOWN, NATIVE, SLOW, UNCLEAR

from envbench.records.metrics import CONVENTION, MARGIN_RATIO, METRICS
from envbench.records.phases import Unit
from envreport import units
from envreport.claims import BY_ID, Verdict, judge
from envreport.claims.speed import SPEEDS


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


@pytest.mark.parametrize(
    ("host_answer", "words"),
    [
        ({"bare_metal": True, "layers": []}, "supported"),
        ({"layers": [{"kind": "vm", "id": "kvm"}]}, "supported against this machine, itself a guest"),
        ({}, "supported against this machine; whether it is bare metal is not known"),
    ],
)
def test_bare_metal_is_judged_on_bare_metal_alone(host_answer: Any, words: str, rows: Any) -> None:
    SLOW(rows)
    assert judge(BY_ID["speed-container-not-bare"], rows.results({"host": host_answer})).label == words


@pytest.mark.parametrize(("ratio", "verdict"), [(1.02, Verdict.CONTRADICTED), (1.3, Verdict.SUPPORTED)])
def test_a_machine_that_is_the_same_within_the_margin_is_not_slower(ratio: float, verdict: Verdict, rows: Any) -> None:
    series(E.SPEED, "cpu_int", docker=around(1000, NARROW), qemu=around(1000 / ratio, NARROW))(rows)
    assert judge(BY_ID["speed-vm-slower"], rows.results()).verdict is verdict


NARROW = tuple(1 + number / 1000 for number in range(-4, 4))


@pytest.mark.parametrize(
    ("metric", "ratio", "verdict", "note"),
    [
        ("cpu_int", 1.03, Verdict.CONTRADICTED, "the same within ±5 %"),
        ("cpu_int", 1.08, Verdict.SUPPORTED, "slower beyond ±5 %"),
        ("disk_seq_read", 1.08, Verdict.CONTRADICTED, "the same within ±10 %"),
        ("disk_seq_read", 1.2, Verdict.SUPPORTED, "slower beyond ±10 %"),
        ("disk_fsync", 0.8, Verdict.CONTRADICTED, "faster beyond ±10 %"),
        ("disk_rand_read", 1.1, Verdict.INCONCLUSIVE, "the interval reaches over ±10 %"),
    ],
)
def test_each_metric_is_judged_by_its_own_margin_which_is_told(
    metric: str, ratio: float, verdict: Verdict, note: str, rows: Any
) -> None:
    series(E.SPEED, metric, docker=around(1000, NARROW), qemu=around(1000 / ratio, NARROW))(rows)
    found = judge(BY_ID["speed-vm-slower"], rows.results())
    assert found.verdict is verdict
    assert found.findings[0].note.startswith(note)
    assert "±5 %; ±10 % for sequential disk reads, random disk reads, synced disk writes" in found.why


@pytest.mark.parametrize("metric", ["cpu_int", "memory_latency"])
@pytest.mark.parametrize(
    ("clock", "verdict", "words"),
    [
        (0.5, Verdict.SUPPORTED, "0.500 of it"),
        (2.0, Verdict.CONTRADICTED, "2 of it"),
        (None, Verdict.CONTRADICTED, "not held against the host's"),
    ],
)
def test_a_machine_is_timed_by_the_hosts_clock(
    metric: str, clock: float | None, verdict: Verdict, words: str, rows: Any
) -> None:
    """By its own clock it does as the container does; a clock that goes half as fast makes it half as fast."""
    series(E.SPEED, metric, docker=around(1000, NARROW), qemu=around(1000, NARROW))(rows)
    if clock:
        series(E.SPEED, "clock_rate", qemu=[clock] * len(NARROW))(rows)
    found = judge(BY_ID["speed-vm-slower"], rows.results())
    assert found.verdict is verdict
    assert any(words in each.words for each in found.conditions)


def test_a_clock_that_was_not_read_in_each_round_corrects_nothing(rows: Any) -> None:
    series(E.SPEED, "cpu_int", docker=around(1000, NARROW), qemu=around(1000, NARROW))(rows)
    series(E.SPEED, "clock_rate", qemu=[0.5] * 3)(rows)
    found = judge(BY_ID["speed-vm-slower"], rows.results())
    assert found.verdict is Verdict.CONTRADICTED
    assert [each.words for each in found.conditions if "clock" in each.words] == [
        "speeds of VMs by their own clocks, which were not held against the host's"
    ]


def test_every_margin_of_a_speed_has_its_reason() -> None:
    """A margin of its own has a source; the method page and the claim name every margin with its reason."""
    page = (Path(__file__).parents[3] / "docs/method.md").read_text("utf-8")
    reference = BY_ID["speed-vm-slower"].reference
    for name in SPEEDS:
        row = METRICS[name]
        margin = f"±{units.percent(row.margin_ratio)}"
        assert (row.margin_why == CONVENTION) == (row.margin_ratio == MARGIN_RATIO), name
        assert f"{margin}: {row.margin_why}" in reference, name
        line = next(line for line in page.splitlines() if f"| {margin} |" in line)
        assert row.margin_why.partition(" (")[0] in line, name
        assert row.margin_why == CONVENTION or row.words in line, name


def test_what_more_values_would_settle_is_told_of_the_margin_that_is_reached_over(rows: Any) -> None:
    UNCLEAR(rows)
    calm = judge(BY_ID["speed-container-native"], rows.results())
    assert "would settle it" in calm.why
    bound = next(each.bound for each in calm.findings)
    assert bound in {0.95, 1.05}


def test_more_values_are_no_remedy_for_a_busy_machine(rows: Any) -> None:
    series(E.SPEED, "cpu_int", process=around(1000), docker=around(700, SPREAD[::-1]))(rows)
    series(E.SPEED, "syscall", process=around(1000, WIDE), docker=around(700, WIDE[::-1]))(rows)
    rows.add(E.SPEED, "docker", "noise.psi_cpu", [0.5] * 6, unit=Unit.RATIO)
    assert "would settle it" not in judge(BY_ID["speed-container-native"], rows.results()).why


def test_a_windows_drive_inside_wsl_says_nothing_of_a_machine_that_was_not_asked(rows: Any) -> None:
    series(E.WSL, "drive_files", wsl=around(900))(rows)
    series(E.WSL, "linux_files", wsl=around(100))(rows)
    found = judge(BY_ID["wsl-interop"], rows.results())
    assert found.verdict is Verdict.PARTLY_RIGHT
    assert found.reason == ""
    assert [each.decides for each in found.findings] == [False]


def test_opposite_claims_never_both_hold(make_rows: Any) -> None:
    for build in (NATIVE, SLOW, UNCLEAR):
        rows = make_rows()
        build(rows)
        results = rows.results()
        found = {judge(BY_ID[name], results).verdict for name in ("speed-container-native", "speed-container-not-bare")}
        assert found in ({Verdict.SUPPORTED, Verdict.CONTRADICTED}, {Verdict.INCONCLUSIVE})


@pytest.mark.parametrize("claim_id", ["speed-container-native", "speed-container-not-bare", "speed-vm-slower"])
def test_a_busy_machine_says_nothing_of_speed(claim_id: str, make_rows: Any) -> None:
    for side in (KNOWN[claim_id].supports, KNOWN[claim_id].contradicts):
        rows = make_rows()
        assert side
        side(rows)
        calm, own = judge(BY_ID[claim_id], rows.results()).verdict, len(rows.samples)
        assert calm in {Verdict.SUPPORTED, Verdict.CONTRADICTED}
        rows.add(E.STARTUP, "docker", "noise.psi_cpu", [0.5] * 6, unit=Unit.RATIO)
        busy = judge(BY_ID[claim_id], rows.results())
        assert busy.verdict is Verdict.INCONCLUSIVE
        assert "the machine was busy" in busy.why
        rows.add(E.SPEED, "docker", "noise.psi_cpu", [0.01] * 6, unit=Unit.RATIO)
        assert judge(BY_ID[claim_id], rows.results()).verdict is calm, "its own stamps count"
        rows.samples[:] = rows.samples[:own]
        rows.add(E.SPEED, "docker", "noise.psi_io", [0.5] * 6, unit=Unit.RATIO)
        assert judge(BY_ID[claim_id], rows.results()).verdict is calm, "storage waits for the run's own work"


def test_one_metric_of_many_beyond_the_margin_may_be_chance(make_rows: Any) -> None:
    """Four values a side that do not overlap: 3 % for one metric, a third for twelve."""
    verdicts = []
    for many in (SPEEDS, ("cpu_int",)):
        rows = make_rows()
        for metric in many:
            better = METRICS[metric].better == "higher"
            slow = (1000 / 1.3 if better else 1300) if metric == "cpu_int" else 1000
            few = (0.998, 0.999, 1.001, 1.002)
            series(E.SPEED, metric, process=around(1000, few), docker=around(slow, few))(rows)
        verdicts.append(judge(BY_ID["speed-container-native"], rows.results()).verdict)
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.CONTRADICTED]
