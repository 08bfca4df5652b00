"""Two images, disks or kernels of one run against each other: runs with known answers in, verdicts out."""

import json
import random
from typing import Any

import pytest

from envbench.records.phases import Experiment, Outcome, Phase
from envreport import console_summary
from envreport.compare import Change
from envreport.compare.own_pairs import own_pairs
from envreport.document.build import build
from envreport.formats import render

MS = 1e6


def starts(
    rows: Any, name: str, middle_ms: float, *, seed: int = 0, runs: int = 12, spread: float = 0.02, **where: str
):
    """Add the starts of one image; `spread` is the standard deviation of the logarithm."""
    random_ = random.Random(f"{name}:{seed}")
    values = [middle_ms * MS * random_.lognormvariate(0, spread) for _ in range(runs)]
    variant = where.pop("variant", f"image={name};network=none;runtime=runc")
    rows.add(Experiment.STARTUP, where.pop("backend", "docker"), Phase.READY, values, variant=variant, profile="own")
    return rows


def verdicts(results: Any) -> dict[tuple[str, str], Change]:
    return {pair.names: pair.change for pair in own_pairs(results)}


def test_a_slower_one_is_slower_and_a_copy_the_same(rows: Any) -> None:
    for name, middle_ms in {"app:1": 300, "app:2": 600, "app:copy": 301}.items():
        starts(rows, name, middle_ms)
    found = rows.results()
    assert verdicts(found) == {
        ("app:1", "app:2"): Change.SLOWER,
        ("app:1", "app:copy"): Change.SAME,
        ("app:2", "app:copy"): Change.FASTER,
    }
    slower, *_ = own_pairs(found)
    assert slower.ratio is not None
    assert slower.ratio.interval is not None
    assert slower.ratio.interval.low < 2 < slower.ratio.interval.high
    assert slower.sentence.startswith("docker (runc): app:2 is slower than app:1 (time to ready ")


def test_the_order_is_that_of_the_command_line(rows: Any, meta: dict[str, Any]) -> None:
    for name in ("a", "b"):
        starts(rows, name, 300)
    meta["backends"]["used"] = [{"name": "docker", "variants": [{"image": "b"}, {"image": "a"}]}]
    assert list(verdicts(rows.results(meta))) == [("b", "a")]


def test_only_what_differs_in_nothing_else_is_paired(make_rows: Any) -> None:
    rows = make_rows()
    starts(rows, "a", 300)
    starts(rows, "b", 300, backend="podman")
    starts(rows, "b", 300, variant="image=b;network=bridge;runtime=runc")
    starts(rows, "", 300, backend="process", variant="")
    starts(rows, "", 300, backend="namespaces", variant="")
    assert verdicts(rows.results()) == {}
    rows = make_rows()
    for own in ("disk=v1/root.img", "disk=v2/root.img", "kernel=vmlinuz-1", "kernel=vmlinuz-2"):
        starts(rows, own, 300, backend="qemu", variant=f"accel=tcg;boot={own[:4]};{own}")
    names = [pair.names for pair in own_pairs(rows.results())]
    assert names == [("v1/root.img", "v2/root.img"), ("vmlinuz-1", "vmlinuz-2")]


def test_a_difference_that_the_number_of_pairs_may_explain_is_none(make_rows: Any) -> None:
    def verdict_beside(others: int) -> Change:
        rows = make_rows()
        for number, later_ms in enumerate((0, 41, *[20] * others)):
            values = [(300 + 10 * step + later_ms) * MS for step in range(12)]
            rows.add(Experiment.STARTUP, "docker", Phase.READY, values, variant=f"image={number}", profile="own")
        return verdicts(rows.results())["0", "1"]

    assert verdict_beside(0) is Change.SLOWER, "p = 0.010"
    assert verdict_beside(4) is Change.INCONCLUSIVE, "the smallest of 15"


@pytest.mark.parametrize("runs", [6, 20])
def test_copies_are_seldom_called_unlike(make_rows: Any, runs: int) -> None:
    """Three copies on a machine whose load changes from round to round: at most one run in twenty errs."""
    wrong = 0
    for seed in range(60):
        rows, random_ = make_rows(), random.Random(seed)
        load = [random_.lognormvariate(0, 0.2) for _ in range(runs)]
        for name in ("a", "b", "c"):
            values = [300 * MS * each * random_.lognormvariate(0, 0.1) for each in load]
            rows.add(Experiment.STARTUP, "docker", Phase.READY, values, variant=f"image={name}", profile="own")
        wrong += bool({Change.FASTER, Change.SLOWER} & set(verdicts(rows.results()).values()))
    assert wrong <= 3


def test_of_many_pairs_the_first_are_said_and_the_rest_counted(rows: Any) -> None:
    for number in range(6):
        variant = f"image=app:{number};runtime=runc"
        rows.add(Experiment.STARTUP, "docker", Phase.READY, [1e8 + number + each for each in range(8)], variant=variant)
    said = [sentence for sentence in build(rows.results()).meaning if "app:" in sentence or "pair" in sentence]
    assert len(said) == 11
    assert said[-1] == "5 more pairs of your own: see the table of start-up."


def test_too_few_and_failed_starts_cannot_tell_and_say_why(make_rows: Any) -> None:
    rows = starts(starts(make_rows(), "a", 300, runs=3), "b", 900, runs=3)
    (pair,) = own_pairs(rows.results())
    assert (pair.change, pair.why) == (Change.INCONCLUSIVE, "too few starts for an interval")
    rows = starts(starts(make_rows(), "a", 300), "b", 900)
    broken: dict[str, Any] = {"outcome": Outcome.TIMED_OUT, "detail": "no ready line", "profile": "own"}
    rows.add(
        Experiment.STARTUP, "docker", Phase.READY, [None] * 12, variant="image=b;network=none;runtime=runc", **broken
    )
    (pair,) = own_pairs(rows.results())
    assert (pair.change, pair.why) == (Change.INCONCLUSIVE, "b: 12 of 24 starts failed (no ready line)")
    rows = starts(make_rows(), "a", 300)
    rows.add(
        Experiment.STARTUP, "docker", Phase.READY, [None] * 3, variant="image=b;network=none;runtime=runc", **broken
    )
    (pair,) = own_pairs(rows.results())
    assert (pair.change, pair.ratio, pair.p) == (Change.INCONCLUSIVE, None, None)
    assert pair.sentence == "docker (runc): cannot tell b from a (b: 3 of 3 starts failed (no ready line))"


def test_the_terminal_the_report_and_its_json_say_it(rows: Any, meta: dict[str, Any], tmp_path: Any) -> None:
    document = build(starts(starts(rows, "app:1", 300), "app:2", 600).results(meta))
    said = "docker (runc): app:2 is slower than app:1 (time to ready "
    assert said in " ".join(console_summary(tmp_path, document=document).split())
    assert said in render("markdown", document)["report.md"].decode().replace("\\", "")
    (pair,) = json.loads(render("json", document)["report.json"])["own_pairs"]
    assert (pair["first"], pair["second"], pair["verdict"]) == ("app:1", "app:2", "slower")
    assert pair["ratio_low"] < pair["ratio"] < pair["ratio_high"]
    (section,) = [each for each in document.sections if each.id == "startup"]
    assert [table.id for table in section.tables] == ["own-pairs"], "one verdict on a pair, not two"
