"""What applies to every figure of a run."""

import gc
import weakref
from typing import Any

import pytest

from envbench.records.phases import Experiment
from envreport.claims.conditions import ConditionKind, run_conditions


@pytest.mark.parametrize(("driver", "said"), [("none", ["docker"]), ("systemd", []), ("", [])])
def test_an_engine_without_control_groups_is_named(
    rows: Any, meta: dict[str, Any], driver: str, said: list[str]
) -> None:
    meta["backends"]["used"][0]["facts"]["cgroup_driver"] = driver
    rows.add(Experiment.STARTUP, "docker", "", [1])
    found = [each for each in run_conditions(rows.results(meta)) if each.kind is ConditionKind.CGROUPS]
    assert [each.words.split()[0] for each in found] == said


def test_a_run_whose_conditions_were_asked_for_is_not_kept(rows: Any) -> None:
    results = rows.results({})
    alive = weakref.ref(results)
    run_conditions(results)
    del results
    gc.collect()
    assert alive() is None
