"""Users' own claims: judged like the table's, and refused with one line where they do not make sense."""

from pathlib import Path
from typing import Any

import pytest

from envbench.records.phases import Experiment
from envreport import report_document
from envreport.claims import CLAIMS, Verdict, judge
from envreport.claims.user import ClaimsFileError, load_claims

GOOD = """
[[claim]]
id = "our-container-within-a-second"
wording = "Our container is ready within a second"
experiment = "startup"
metric = "ready"
backends = "container"
statistic = "p95"
is = "<"
bound = "1 s"

[[claim]]
id = "vm-ten-times"
wording = "A VM takes ten times as long"
experiment = "startup"
metric = "ready"
backends = "vm"
against = "container"
is = ">"
bound = 10
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_claims_are_judged_beside_the_table(run_folder: Path, tmp_path: Path) -> None:
    document = report_document(run_folder, claims_file=write(tmp_path, GOOD))
    found = {each.claim.id: each for each in document.judgements}
    assert found["our-container-within-a-second"].verdict is Verdict.SUPPORTED
    assert found["vm-ten-times"].verdict is Verdict.SUPPORTED
    assert found["vm-ten-times"].tcg_only
    assert len(found) == len(CLAIMS) + 2


def test_the_key_of_version_0_1_is_still_read(tmp_path: Path) -> None:
    older = GOOD.replace("backends = ", "rungs = ")
    assert load_claims(write(tmp_path, older)) == load_claims(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('bound = "1 s"', 'bound = "1 MiB"', "does not fit"),
        ('bound = "1 s"', 'bound = "1"', "unit is missing (ns, us"),
        ('bound = "1 s"', 'bound = "1 h"', "write ns, us"),
        ('bound = "1 s"', 'bound = "soon"', "write a number"),
        ('bound = "1 s"', "", "bound missing"),
        ('is = "<"', 'is = "<="', "choose one of >, <"),
        ('metric = "ready"', 'metric = "readiness"', "no metric 'readiness'"),
        ('experiment = "startup"', 'experiment = "speed"', "belongs to the experiment startup"),
        ('experiment = "startup"', 'experiment = "sped"', "choose one of startup"),
        ('backends = "container"', 'backends = "docker"', "choose one of host"),
        ('statistic = "p95"', 'statistic = "mean"', "choose one of median, p95"),
        ('statistic = "p95"', 'colour = "red"', "unknown key colour"),
        ("our-container-within-a-second", "Our Container", "lower-case words"),
        ("our-container-within-a-second", "start-faster", "one of that id already"),
        ("vm-ten-times", "our-container-within-a-second", "one of that id already"),
        ('against = "container"', 'against = "container"\nstatistic = "p95"', "ratios are of medians"),
        ("[[claim]]", "[[claims]]", "[[claim]] table"),
        ("[[claim]]", "[[claim", "not TOML"),
    ],
)
def test_errors_name_the_claim_and_the_remedy(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1) if new != "" else GOOD.replace(old, new))
    with pytest.raises(ClaimsFileError) as caught:
        load_claims(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("bound", "verdict"), [("2 MiB", Verdict.SUPPORTED), ("1 MiB", Verdict.CONTRADICTED)])
def test_a_size_is_told_once_and_decides(bound: str, verdict: Verdict, tmp_path: Path, rows: Any) -> None:
    text = GOOD.split("[[claim]]")[1].replace('statistic = "p95"\n', "").replace('"1 s"', f'"{bound}"')
    text = text.replace('"startup"', '"size"').replace('"ready"', '"disk"')
    (claim,) = load_claims(write(tmp_path, f"[[claim]]{text}"))
    rows.add(Experiment.SIZE, "docker", "disk", [1.5 * 2**20])
    assert judge(claim, rows.results()).verdict is verdict
    with pytest.raises(ClaimsFileError, match="no sample of many"):
        load_claims(write(tmp_path, f'[[claim]]{text}statistic = "p95"\n'))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ClaimsFileError, match="No such file"):
        load_claims(tmp_path / "none.toml")


def test_a_metric_of_another_experiment(tmp_path: Path) -> None:
    text = GOOD.replace('experiment = "startup"\nmetric = "ready"', 'experiment = "speed"\nmetric = "total"', 1)
    with pytest.raises(ClaimsFileError, match="belongs to the experiment memory"):
        load_claims(write(tmp_path, text))


def test_own_claims_never_hide_a_claim_of_the_table(run_folder: Path, tmp_path: Path, rows: Any) -> None:
    before = {each.claim.id: each.verdict for each in report_document(run_folder).judgements}
    after = {
        each.claim.id: each.verdict
        for each in report_document(run_folder, claims_file=write(tmp_path, GOOD)).judgements
    }
    assert before.items() <= after.items()
