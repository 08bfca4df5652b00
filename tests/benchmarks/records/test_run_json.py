"""run.json is what its record says, and what its schema says, which is made from the record."""

import json

import jsonschema
import msgspec
import pytest

from envbench.backend import Unusable, Usable
from envbench.backends import load
from envbench.records.phases import BackendKind, Experiment, ImageUse
from envbench.records.run_json import (
    RUN_FILE,
    Answer,
    Caution,
    Disk,
    Machine,
    Run,
    RunJsonError,
    Seen,
    Skip,
    record_of,
    text_of,
)
from envbench.run.record import RunRecord
from envbench.settings import Plan
from envreport.schema import run_schema


@pytest.fixture
def kept(tmp_path, settings):
    return RunRecord(tmp_path, settings, Plan(), ("envbench", "startup"), {"summary": "a machine", "layers": []})


def written(folder):
    return json.loads((folder / RUN_FILE).read_text("utf-8"))


def test_what_was_not_found_out_yet_is_no_key_and_no_zero(kept, tmp_path):
    kept.save()
    content = written(tmp_path)
    assert list(content) == list(Run.__struct_encode_fields__)
    assert (content["payload"], content["accelerator"], content["cleanup"]) == ({}, {}, {"leaked": []})
    assert (content["ended_at"], content["exit_code"], content["outcome"]) == (None, None, "running")
    assert set(content["machine"]) == set(Machine.__struct_fields__), "each was looked for"
    assert content["host"] == {"summary": "a machine", "layers": []}, "envinspect's answer stands there whole"


def test_what_is_written_is_read_back_as_the_same_record(kept, tmp_path, settings, journal):
    facts = {"kvm": "unusable", "kvm_because": "no /dev/kvm"}
    kept.add_used(load("qemu")(settings, journal), Usable(facts), ({"accel": "tcg"},))
    kept.add_skipped("docker", Unusable("no engine", "start it"))
    kept.add_skipped("podman", Unusable("no crun", "apt install crun"), {"runtime": "crun"})
    kept.add_warnings([Caution("governor", "powersave", "another one")])
    kept.note_skips([Skip(Experiment.SIZE, "a whole distribution", "no userland", "run it as root")])
    kept.note_end({"instances": 1}, (), {"governor": "powersave"})
    kept.finish("done", 0)
    content = written(tmp_path)
    jsonschema.Draft202012Validator(run_schema()).validate(content)
    run = record_of(content)
    assert text_of(msgspec.structs.replace(run, host=content["host"])) == (tmp_path / RUN_FILE).read_text("utf-8")
    (qemu,) = run.backends.used
    assert (qemu.kind, qemu.images, qemu.is_vm) == (BackendKind.VM, ImageUse.NONE, True)
    assert content["accelerator"] == {
        "kvm": {"usable": False, "reason": "no /dev/kvm", "canary_s": None},
        "used": ["tcg"],
    }
    assert content["backends"]["skipped"] == [
        {"name": "docker", "reason": "no engine", "remedy": "start it"},
        {"name": "podman", "reason": "no crun", "remedy": "apt install crun", "variant": {"runtime": "crun"}},
    ]


def test_a_record_does_not_change_what_was_noted_before(kept):
    before = kept.run
    kept.add_skipped("docker", Unusable("no engine", "start it"))
    assert before.backends.skipped == ()
    with pytest.raises(AttributeError):
        before.outcome = "done"


def test_how_it_ended_can_be_noted_again(kept, tmp_path):
    kept.finish("interrupted", 130)
    kept.finish(None, 4)
    assert (written(tmp_path)["outcome"], written(tmp_path)["exit_code"]) == ("interrupted", 4)


@pytest.mark.parametrize("content", [[], None, {"seed": "seven"}, {"backends": {"used": [{"is_vm": True}]}}])
def test_what_does_not_fit_is_one_error(content):
    with pytest.raises(RunJsonError):
        record_of(content)
    jsonschema.Draft202012Validator.check_schema(run_schema())
    assert not jsonschema.Draft202012Validator(run_schema()).is_valid(content)


def test_three_answers_about_the_machine_stay_three():
    looked = Machine(
        governor=Seen(Answer.ABSENT, because="no cpufreq"),
        disk=Seen(Answer.FOUND, Disk(name="vda", size_bytes=512)),
        mitigations=Seen(Answer.DENIED, because="Permission denied"),
    )
    content = json.loads(text_of(Run(host={}, machine=looked)))
    assert content["machine"] == {
        "governor": {"answer": "absent", "because": "no cpufreq"},
        "disk": {"answer": "found", "value": {"name": "vda", "size_bytes": 512, "rotational": None, "model": None}},
        "mitigations": {"answer": "denied", "because": "Permission denied"},
    }
    jsonschema.Draft202012Validator(run_schema()).validate(content)
    assert record_of(content).machine == looked
    assert [looked.value(each) for each in ("governor", "mitigations", "filesystem")] == [None, None, None]


def test_a_run_of_an_older_version_says_nothing_of_the_machine():
    assert record_of({"seed": 7}).machine == Machine()
    with pytest.raises(RunJsonError, match="machine"):
        record_of({"machine": {"governor": {"answer": "perhaps"}}})
