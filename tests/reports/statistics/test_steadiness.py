"""The screens find what they are for, stay silent on a steady series, and drop nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envbench.records.metrics import noise_code
from envbench.records.phases import Experiment, Outcome, Phase
from envbench.settings.condition import HealthReady, LogReady, TcpReady, as_record
from envreport.document.warnings import all_warnings, lag_warnings
from envreport.statistics.noise import noise_of
from envreport.statistics.steadiness import diagnose

S = Experiment.STARTUP
MS = 1e6
RANDOM = np.random.default_rng(11)


def codes(rows: Any, meta: dict[str, Any] | None = None) -> set[str]:
    return {each.code for each in all_warnings(rows.results(meta or {"outcome": "done"}))}


def test_a_steady_series_is_left_alone(rows: Any) -> None:
    rows.add(S, "docker", Phase.READY, list(RANDOM.normal(200, 10, 40) * MS))
    assert codes(rows) == set()


def test_drift(rows: Any) -> None:
    rows.add(S, "docker", Phase.READY, [(200 + each * 5 + each % 3) * MS for each in range(30)])
    assert "drift" in codes(rows)


def test_autocorrelation(rows: Any) -> None:
    data = [200.0]
    for step in RANDOM.normal(0, 10, 60):
        data.append(200 + 0.9 * (data[-1] - 200) + step)
    found = diagnose(data)
    assert found.lag1 is not None
    assert found.lag1 > 0.5


def test_first_run_and_outliers_are_flagged_and_kept(rows: Any) -> None:
    data = [2000 * MS, *(list(RANDOM.normal(200, 5, 20) * MS))]
    rows.add(S, "docker", Phase.READY, data)
    assert {"first-run", "outliers"} <= codes(rows)
    series = rows.results().find(S, Phase.READY)[0]
    assert series.values == tuple(data)


def test_two_groups(rows: Any) -> None:
    data = [
        each * MS for pair in zip(RANDOM.normal(200, 2, 15), RANDOM.normal(400, 4, 15), strict=True) for each in pair
    ]
    rows.add(S, "docker", Phase.READY, data)
    assert "bimodal" in codes(rows)


def test_too_few_values_say_nothing() -> None:
    found = diagnose([1.0, 2.0, 3.0])
    assert (found.drift_rho, found.lag1, found.bimodal) == (None, None, None)


@given(st.lists(st.floats(0, 1e12, allow_nan=False), max_size=40))
@example([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 71.0, 5.276117942159836e-307])
def test_never_crashes(data: list[float]) -> None:
    assert diagnose(data).n == len(data)


@pytest.mark.parametrize(
    ("name", "quiet", "loud"), [("noise.load1", 0.2, 3.0), ("noise.psi_cpu", 0.0, 0.5), ("noise.steal", 0.0, 0.2)]
)
def test_noise_stamps(make_rows: Any, name: str, quiet: float, loud: float) -> None:
    calm = make_rows().add(S, "docker", name, [quiet] * 20)
    assert not list(noise_of(calm.results().noise))
    noisy = make_rows().add(S, "docker", name, [quiet] * 15 + [loud] * 5)
    assert [each.above for each in noise_of(noisy.results().noise)] == [5]
    assert noise_code(name.removeprefix("noise.")) in {each.code for each in all_warnings(noisy.results())}


def test_failed_starts_are_counted_with_their_reason(rows: Any) -> None:
    rows.add(S, "docker", Phase.READY, [200 * MS] * 8)
    rows.add(S, "docker", Phase.READY, [None, None], outcome=Outcome.TIMED_OUT, detail="no ready line in 120 s")
    found = next(each for each in all_warnings(rows.results()) if each.code == "failed-starts")
    assert "2 of 10 starts" in found.message
    assert "no ready line in 120 s" in found.message


def test_warm_ups_are_never_mixed_in(rows: Any) -> None:
    rows.add(S, "docker", Phase.READY, [9e12, 9e12, *[200 * MS] * 8], warmups=2)
    series = rows.results().find(S, Phase.READY)[0]
    assert max(series.values) == 200 * MS
    assert series.warmups == 2


def test_what_run_json_tells_is_passed_on(rows: Any) -> None:
    rows.add(S, "docker", Phase.READY, [200 * MS] * 8)
    meta = {
        "outcome": "interrupted",
        "warnings": [{"code": "x", "message": "m", "advice": "a"}],
        "unfinished": [{"backend": "qemu", "variant": "accel=tcg", "runs": 3, "needed": 20}],
        "cleanup": {"leaked": ["container abc"]},
    }
    assert {"x", "unfinished", "leak", "outcome"} <= codes(rows, meta)


def test_a_late_observer_is_warned_of(rows: Any) -> None:
    rows.add(S, "process", Phase.READY, [2 * MS] * 8).add(S, "process", Phase.OBSERVER_LAG, [1 * MS] * 8)
    assert "observer-lag" in codes(rows)


@pytest.mark.parametrize(
    ("profile", "ready", "words"),
    [
        ("minimal", {}, "the ready line was seen 1 ms late"),
        ("service", {}, "ready (first HTTP answer 200 with the nonce) was seen up to 1 ms late"),
        ("own", as_record(TcpReady(22)), "ready (first byte from tcp:22) was seen up to 1 ms late"),
        ("own", as_record(HealthReady()), "ready (success of the image's HEALTHCHECK) was seen up to 1 ms late"),
        ("own", as_record(LogReady("up")), "the ready line was seen 1 ms late"),
        ("own", "of an unknown form", "the ready line was seen 1 ms late"),
    ],
)
def test_a_late_observer_is_told_by_what_was_waited_for(rows: Any, profile: str, ready: object, words: str) -> None:
    for phase, value in ((Phase.READY, 2 * MS), (Phase.OBSERVER_LAG, 1 * MS)):
        rows.add(S, "docker", phase, [value] * 8, profile=profile)
    (found,) = lag_warnings(rows.results({"plan": {"ready": ready}}))
    assert words in found.message
