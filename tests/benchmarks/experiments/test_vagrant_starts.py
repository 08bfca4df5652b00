"""Vagrant's part of the managers, with a Vagrant that is played: how it is led, and what is said of what it lacks."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envbench.backends.libvirt.backend import LibvirtBackend
from envbench.errors import BackendError, CommandError, EnvbenchError, StartTimeoutError
from envbench.experiments.kernel import managers, swarm, vagrant
from envbench.experiments.kernel.vagrant import _box, _Home, machine_of_the_systems, ruby
from envbench.run.bench import Prepared
from envbench.settings import Configuration, Settings
from envbench.traces.journal import Journal

PLAYED = """\
#!/bin/sh
case $1 in
  --version) echo "Vagrant 9.9" ;;
  plugin) echo "1,,plugin-name,vagrant-libvirt"; echo "1,vagrant-libvirt,plugin-version,0.1.2%!(VAGRANT_COMMA) x" ;;
  env) env ;;
  hang) exec sleep 60 ;;
  *) echo "no such box"; exit 3 ;;
esac
"""


def home(folder: Path, text: str = PLAYED) -> _Home:
    program = folder / "vagrant"
    program.write_text(text)
    program.chmod(0o755)
    return _Home(folder, program, "run-a")


def test_the_manager_is_named_with_its_provider(tmp_path: Path) -> None:
    assert home(tmp_path).manager() == "Vagrant 9.9 with vagrant-libvirt 0.1.2"


def test_a_vagrant_without_the_provider_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no libvirt provider") as raised:
        home(tmp_path, PLAYED.replace("vagrant-libvirt", "vagrant-mutate")).manager()
    assert raised.value.remedy == vagrant.INSTALL


def test_nothing_of_the_users_vagrant_is_seen_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VAGRANT_HOME", "VAGRANT_VAGRANTFILE", "LIBVIRT_DEFAULT_URI", "https_proxy"):
        monkeypatch.setenv(name, "/the/users")
    found = dict(line.split("=", 1) for line in home(tmp_path).run("env").splitlines())
    assert "/the/users" not in found.values()
    own = ("HOME", "TMPDIR", "VAGRANT_HOME", "VAGRANT_CWD", "VAGRANT_DOTFILE_PATH")
    assert all(Path(found[name]).is_relative_to(tmp_path) for name in own)
    assert found["VAGRANT_CHECKPOINT_DISABLE"] == "1"
    assert found["ENVBENCH_RUN_ID"] == "run-a"


def test_what_vagrant_says_last_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="vagrant up ended with 3: no such box"):
        home(tmp_path).run("up")


def test_a_vagrant_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(StartTimeoutError, match=r"vagrant hang did not end within 0\.2 s"):
        home(tmp_path).run("hang", deadline_s=0.2)


@pytest.mark.parametrize(
    ("text", "expected"), [("a b", "'a b'"), ("it's", r"'it\'s'"), ("a\\", r"'a\\'"), ("#{x}", "'#{x}'")]
)
def test_a_text_is_no_program_in_ruby(text: str, expected: str) -> None:
    assert ruby(text) == expected


def test_a_box_says_what_it_is_and_how_large_its_disk_is_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"virtual-size": (1 << 30) + 1}).encode()
    monkeypatch.setattr(vagrant, "answer_of", lambda *_words: said)
    (tmp_path / "disk").write_bytes(b"QFI\xfb")
    with tarfile.open(_box(tmp_path / "disk", tmp_path / "box")) as box:
        members = {name: box.extractfile(name).read() for name in box.getnames()}  # type: ignore[union-attr]
    assert json.loads(members["metadata.json"]) == {"provider": "libvirt", "format": "qcow2", "virtual_size": 2}
    assert members["box.img"] == b"QFI\xfb"
    assert b"insert_key = false" in members["Vagrantfile"]


def bench_of(folder: Path, uri: str, variant: Mapping[str, str]) -> Any:
    journal = Journal("r", folder / "state")
    journal.close()
    backend = LibvirtBackend(Settings("r", folder, folder, libvirt_uris=(uri,)), journal)
    known = {"accel": "tcg", "boot": "kernel", "machine": "pc", **variant}
    prepared = Prepared(backend, Configuration("libvirt", known))
    return SimpleNamespace(vms=lambda: (prepared,))


def test_the_systems_own_libvirt_is_taken(tmp_path: Path) -> None:
    backend, variant = machine_of_the_systems(bench_of(tmp_path, "qemu:///system", {}))
    assert (backend.uri_of(variant), variant["accel"]) == ("qemu:///system", "tcg")


@pytest.mark.parametrize(
    ("uri", "variant"),
    [
        ("qemu:///session", {}),
        ("qemu+ssh://far/system", {}),
        ("qemu:///system", {"firmware": "uefi"}),
        ("qemu:///system", {"uri": "qemu:///session"}),
    ],
)
def test_without_a_machine_of_the_systems_libvirt_it_is_left_out(
    tmp_path: Path, uri: str, variant: dict[str, str]
) -> None:
    with pytest.raises(EnvbenchError, match="no machine of the system's own libvirt"):
        machine_of_the_systems(bench_of(tmp_path, uri, variant))


def test_a_vagrant_that_was_tried_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    rows: dict[str, tuple[float, str]] = {}
    bench: Any = SimpleNamespace(
        quick=False,
        attempt=lambda *_words: nullcontext(),
        containers=tuple,
        vms=tuple,
        record=lambda name, value, detail: rows.update({name: (value, detail)}),
    )
    monkeypatch.setattr(managers, "find_program", lambda name: name if name in {"vagrant", "virsh"} else None)
    here = ("vagrant", "virsh")
    monkeypatch.setattr(managers, "installed", lambda names: [names[each] for each in here if each in names])
    monkeypatch.setattr(swarm, "run", lambda _bench: "Docker Swarm 1.0")
    monkeypatch.setattr(vagrant, "run", lambda _bench: "Vagrant 9.9 with vagrant-libvirt 0.1.2")
    managers.run(bench)
    assert rows["managers.vm"] == (2, "Vagrant 9.9 with vagrant-libvirt 0.1.2 (tried), libvirt (virsh)")
