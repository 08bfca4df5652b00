"""The public API: what `__all__` names is there, typed and frozen, and says what the command says."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.inspector.captured_systems import NAMES, SYSTEMS, holds_for_all

import envinspect
from envinspect.facets.abilities import capabilities_block
from envinspect.facets.host import host_block
from envinspect.facets.isolation import isolation_block
from envinspect.facets.records import host_of, isolation_of, resources_of
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect as inspect_facts
from envinspect.model import Record
from envinspect.render import render
from envinspect.systems.captured import read_capture

PARTS = (str, int, float, bool, type(None))


def frozen_all_through(value: object) -> None:
    if isinstance(value, Record):
        for part in vars(value).values():
            frozen_all_through(part)
    elif type(value) is tuple:
        for part in value:
            frozen_all_through(part)
    else:
        assert isinstance(value, PARTS), value


@pytest.mark.parametrize("name", envinspect.__all__)
def test_every_promised_name_is_there(name):
    assert getattr(envinspect, name) is not None


def test_no_other_name_is():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        envinspect.nonsense  # noqa: B018


@pytest.mark.slow
def test_answers_of_all_systems_are_what_the_command_prints_and_frozen():
    def law(name: str) -> None:
        capture = SYSTEMS / name
        here = envinspect.inspect(capture=capture)
        assert here.to_dict() == json.loads(render("json", inspect_facts(read_capture(str(capture)))).text)
        assert here == envinspect.inspect(capture=str(capture))
        assert hash(here) == hash(envinspect.inspect(capture=capture))
        assert not isinstance(here, tuple)
        frozen_all_through(here)

    holds_for_all(law)


def test_reports_of_all_systems_are_what_the_blocks_say_and_frozen():
    def law(name: str) -> None:
        facts = read_capture(str(SYSTEMS / name))
        pairs = (
            (host_of(host_block(facts)), host_block(facts)),
            (resources_of(resources_block(facts)), resources_block(facts)),
            (isolation_of(isolation_block(facts)), isolation_block(facts)),
            (envinspect.abilities(capture=SYSTEMS / name), capabilities_block(facts)),
        )
        for record, block in pairs:
            assert record.to_dict() == block
            frozen_all_through(record)
            hash(record)

    holds_for_all(law)


def test_what_an_answer_gives():
    here = envinspect.inspect(capture=SYSTEMS / "docker-in-wsl2")
    assert [layer.id for layer in here.layers] == ["hyper-v", "wsl2", "docker"]
    assert (here.cloud, here.determined, here.bare_metal) == (None, True, False)
    assert here.matches("docker")
    assert here.matches("container")
    assert not here.matches("kvm")
    assert here.summary.startswith("Docker container in ")
    with pytest.raises(envinspect.UsageError) as caught:
        here.matches("dokcer")
    assert "docker" in caught.value.remedy


def test_this_machine():
    here = envinspect.inspect()
    assert here.resources.to_dict().keys() == envinspect.resources().to_dict().keys()
    assert here.host.system == "Linux" or sys.platform != "linux"
    assert envinspect.isolation().namespaces.pid.because
    assert {ability.answer for ability in envinspect.abilities().capabilities} <= {"yes", "no", "unknown"}


def test_a_mounted_root(tmp_path):
    (tmp_path / ".dockerenv").touch()
    assert envinspect.inspect(root=tmp_path).to_dict()["schema"] == "envinspect/1"


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"capture": "/no/such"}, envinspect.UsageError),
        ({"root": "/no/such"}, envinspect.UsageError),
        ({"capture": "/a", "root": "/b"}, envinspect.UsageError),
        ({"capture": str(SYSTEMS / NAMES[0] / "expect.toml")}, envinspect.CaptureError),
    ],
)
def test_errors_are_of_the_promised_kinds(named, error):
    for function in (envinspect.inspect, envinspect.resources, envinspect.isolation, envinspect.abilities):
        with pytest.raises(error) as caught:
            function(**named)
        assert isinstance(caught.value, envinspect.EnvinspectError)
        assert caught.value.remedy


def test_importing_the_package_loads_nothing_else():
    code = "import sys, envinspect; print(*(name for name in sys.modules if name.startswith('envinspect')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["envinspect.version", "envinspect"]


@pytest.mark.parametrize("via", ["env", ["env"]])
def test_a_place_by_its_shell_says_how_it_was_asked(via):
    here = envinspect.inspect(via=via)
    assert (here.subject, here.to_dict()["observer"]["how"]) == ("env", "sh")
    assert [layer.id for layer in here.layers] == [layer.id for layer in envinspect.inspect().layers]
    frozen_all_through(here)


def test_another_process():
    here = envinspect.inspect(pid=os.getpid())
    assert here.to_dict()["observer"]["how"] == "pid"
    with pytest.raises(envinspect.EnvinspectError):
        envinspect.inspect(pid=2**22 + 1)
