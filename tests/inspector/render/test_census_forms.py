"""A census as other tools read it: their own parsers find what the census holds, and what it could not see."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from tests.inspector.captured_systems import NAMES, answer_for

from envinspect.cli.commands import run
from envinspect.facets.records import resources_of
from envinspect.facets.resources import resources_block
from envinspect.fleet import node_census
from envinspect.fleet.node_census import Census, Gap, NamespaceSet
from envinspect.model import Kind, Stack
from envinspect.render.census import stack_name
from envinspect.render.census_forms import FORMS, census_form
from envinspect.signatures.catalogue import ENTRIES

LABEL = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
HIDDEN = Gap("denied", 3, "3 of 9 processes may not be looked at (EACCES)", "as root (CAP_SYS_PTRACE)")
UNKNOWN = Gap("pid-namespace", None, "this is no initial PID namespace", "on the node itself")


def one_set(number: int, stack: Stack, processes: int) -> NamespaceSet:
    containers = [layer.id for layer in stack.layers if layer.kind is Kind.CONTAINER]
    return NamespaceSet(
        number,
        processes,
        stack,
        engine=containers[-1] if containers else None,
        container_id=None,
        pod_uid=None,
        resources=RESOURCES,
        namespaces=(),
        denied="",
    )


RESOURCES = resources_of(resources_block(answer_for(NAMES[0]).facts))


def census_of(names: list[str], *gaps: Gap) -> Census:
    sets = (one_set(number, answer_for(name).stack, number) for number, name in enumerate(names, start=1))
    return Census(tuple(sets), gaps)


@pytest.fixture(scope="module")
def every_stack() -> Census:
    """All captured systems as if they were places of one node, some of them twice."""
    return census_of([*NAMES, *NAMES[:5]])


@pytest.mark.parametrize(("form", "parse"), [("prometheus", prometheus), ("openmetrics", open_metrics)])
@pytest.mark.parametrize("gaps", [(), (HIDDEN,), (HIDDEN, UNKNOWN)])
def test_the_parsers_of_both_formats_find_every_set_and_every_gap(form, parse, gaps, every_stack) -> None:
    census = every_stack.replace(gaps=gaps)
    samples = [one for family in families(parse(census_form(form, census).text)) for one in family.samples]
    told = {name: [one for one in samples if one.name == name] for name in {one.name for one in samples}}
    assert [one.value for one in told["envinspect_census_complete"]] == [int(census.complete)]
    for name, weight in (("sets", lambda _: 1), ("processes", lambda each: each.processes)):
        expected: Counter[tuple[str, str, str]] = Counter()
        for each in census.sets:
            place = (stack_name(each), each.engine or "", str(each.stack.determined).lower())
            expected[place] += weight(each)
        found = told[f"envinspect_census_{name}"]
        assert {(one.labels["stack"], one.labels["engine"], one.labels["determined"]): one.value for one in found} == (
            expected
        )
    assert {one.labels["id"] for one in told.get("envinspect_census_gap_info", [])} == {gap.id for gap in gaps}
    unseen = {one.labels["id"]: one.value for one in told.get("envinspect_census_unseen_processes", [])}
    assert unseen == {gap.id: gap.processes for gap in gaps if gap.processes is not None}


def families(found: Iterator[Metric]) -> list[Metric]:
    read = list(found)
    assert len({family.name for family in read}) == len(read)
    return read


@pytest.mark.applies(shutil.which("promtool") is not None, "promtool is not installed")
@pytest.mark.parametrize("gaps", [(), (HIDDEN, UNKNOWN)])
def test_promtool_finds_nothing_to_say_of_the_metrics(gaps, every_stack) -> None:
    text = census_form("prometheus", every_stack.replace(gaps=gaps)).text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_labels_name_what_runs_here_and_whether_that_is_all() -> None:
    plain = next(name for name in NAMES if [layer.id for layer in answer_for(name).stack.layers] == ["kvm"])
    docker = next(name for name in NAMES if [layer.id for layer in answer_for(name).stack.layers] == ["kvm", "docker"])
    complete = census_of([plain])
    assert census_form("nfd", complete).text == "envinspect-census-complete=true\n"
    assert census_form("nfd", census_of([plain, docker, docker])).text == (
        "envinspect-census-complete=true\nenvinspect-runs-docker=true\n"
    )
    assert census_form("nfd", complete.replace(gaps=(UNKNOWN,))).text == "envinspect-census-complete=false\n"


def test_every_label_is_one_that_kubernetes_takes(every_stack) -> None:
    assert all(LABEL.fullmatch(line) for line in census_form("nfd", every_stack).text.splitlines())
    assert all(LABEL.fullmatch(f"envinspect-runs-{entry.id}=true") for entry in ENTRIES)


@pytest.mark.parametrize("form", list(FORMS))
def test_the_command_gives_each_form_with_the_code_of_the_census(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for census, code in ((census_of([]), 0), (census_of([], HIDDEN), 3)):
        monkeypatch.setattr(node_census, "census", lambda census=census: census)
        assert run(["census", "--format", form]) == code
        said = capsys.readouterr()
        assert said.out == FORMS[form](census)
        assert ("may not be looked at" in said.err) == bool(census.gaps)
    assert run(["census", "--json", "--format", form]) == 2
    assert "one of them" in capsys.readouterr().err
