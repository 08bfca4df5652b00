"""--root DIR: everything is resolved below DIR, and nothing of the running machine is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envinspect.answer import AT_REST
from envinspect.cli.commands import run
from envinspect.inspection import inspect
from envinspect.model import ABSENT, Denied, Found
from envinspect.systems.mounted import mounted_facts


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    for folder in ("etc", "usr/lib", "proc/1", "dev"):
        (root / folder).mkdir(parents=True)
    (root / "usr/lib/os-release").write_text("ID=debian\n")
    (root / "proc/1/cgroup").write_text("0::/docker/x\n")
    links = {
        "etc/os-release": "../usr/lib/os-release",
        "etc/absolute": "/usr/lib/os-release",
        "etc/out": "../../secret",
        "etc/far": "../../../../../../../../etc/passwd",
        "etc/loop": "loop",
        "etc/host": "/etc/passwd",
        "lib": "usr/lib",
        "up": "..",
        "etc/dangling": "nowhere",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "dev/pipe")
    return root


def test_links_stay_inside(tree: Path) -> None:
    facts = mounted_facts(str(tree))
    for path in ("/etc/os-release", "/etc/absolute", "/lib/os-release", "/up/up/lib/os-release", "/../etc/os-release"):
        assert facts.text(path) == Found("ID=debian"), path
    for path in ("/etc/out", "/etc/far", "/etc/host", "/up/secret", "/../secret", "/etc/dangling", "/etc/os-release/x"):
        assert facts.bytes(path) is ABSENT, path
    assert facts.bytes("/etc/loop") == Denied("ELOOP")
    assert facts.link("/etc/out") == Found("../../secret")


def test_folders_pipes_and_identities(tree: Path) -> None:
    facts = mounted_facts(str(tree))
    assert facts.bytes("/dev/pipe") == Denied("ENOTSUP")
    assert facts.bytes("/etc") == Denied("ENOTSUP")
    assert facts.listing("/lib") == Found(("os-release",))
    assert facts.listing("/nowhere") is ABSENT
    assert facts.listing("/etc/os-release") is ABSENT
    found = facts.stat("/etc/absolute")
    assert isinstance(found, Found)
    assert found.value.ino == (tree / "usr/lib/os-release").stat().st_ino
    root = facts.stat("/")
    assert isinstance(root, Found)
    assert root.value.ino == tree.stat().st_ino
    assert facts.link("/etc") is ABSENT


def test_self_is_that_systems_init_not_this_process(tree: Path) -> None:
    assert mounted_facts(str(tree)).text("/proc/self/cgroup") == Found("0::/docker/x")
    assert mounted_facts(str(tree)).bytes("/proc/self/status") is ABSENT


def test_the_running_machine_is_not_asked(tree: Path) -> None:
    facts = mounted_facts(str(tree))
    assert facts.cpuid(1) == Denied("not-recorded")
    assert facts.environ("PATH") == Denied("not-recorded")
    assert (facts.uname.release, facts.euid) == ("", None)


def test_no_descriptor_is_leaked(tree: Path) -> None:
    facts = mounted_facts(str(tree))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("/etc/os-release", "/etc/out", "/etc/loop", "/up/../etc/far", "/nowhere/x", "/", "/dev/pipe"):
        facts.bytes(path)
        facts.link(path)
        facts.listing(path)
        facts.stat(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_command(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--root", str(tree), "--json"]) in {0, 3}
    assert '"distribution_id": "debian"' in capsys.readouterr().out


@pytest.mark.parametrize("folders", [("etc",), ("etc", "proc")])
def test_files_of_a_system_that_does_not_run_are_called_so(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    (tmp_path / ".dockerenv").touch()
    found = inspect(mounted_facts(str(tmp_path)))
    assert found.summary == f"Not{AT_REST[3:]}"
    assert found.to_json()["at_rest"] is True
    assert (found.stack.layers, found.stack.determined) == ((), False)
    assert [item.evidence.source for item in found.stack.overruled] == ["/.dockerenv"], "the image's own mark is shown"


def test_a_running_system_below_a_folder_is_not_called_files(tmp_path: Path) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text("0::/\n")
    found = inspect(mounted_facts(str(tmp_path)))
    assert not found.stack.at_rest
    assert "at_rest" not in found.to_json()
