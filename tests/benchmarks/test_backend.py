"""What every backend in `BACKENDS` must be, looked at without its engine: its shape, and how it explains its
absence."""

import errno
import inspect

import pytest

from envbench.backend import Backend, Instance, Unusable, Usable, unusable
from envbench.backends import BACKENDS, load
from envbench.errors import BackendError
from envbench.records.phases import BackendKind

METHODS = [name for name, _ in inspect.getmembers(Backend, callable) if not name.startswith("_")]


@pytest.fixture(params=BACKENDS)
def backend(request, settings, journal, monkeypatch, tmp_path):
    """Each backend on a machine that has no engine at all: an empty PATH, no sockets."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.setenv("CONTAINERD_ADDRESS", f"{tmp_path}/no.sock")
    made = load(request.param)(settings, journal)
    yield made
    made.close()


@pytest.mark.parametrize("name", BACKENDS)
def test_it_has_the_protocols_names_and_signatures(name):
    found = load(name)
    assert issubclass(found, Backend)
    assert found.name == name
    assert found.title
    assert found.kind in BackendKind
    assert found.install or not found.program
    for method in METHODS:
        wanted = list(inspect.signature(getattr(Backend, method)).parameters)
        assert list(inspect.signature(getattr(found, method)).parameters) == wanted, method


def test_absence_is_explained_with_a_remedy_and_leaves_nothing(backend, journal, settings):
    answer = backend.check()
    if isinstance(answer, Unusable):
        assert answer.reason
        assert "\n" not in answer.reason
        assert answer.remedy
    else:
        assert isinstance(answer, Usable)
        assert all(isinstance(value, str) for value in answer.facts.values())
    backend.close()
    backend.close()
    assert journal.entries() == ()


def test_every_engine_is_missed(backend):
    """On a machine without engines only the backends that need nothing but Linux may call themselves usable."""
    if isinstance(backend.check(), Usable):
        assert backend.name in ("process", "namespaces", "libvirt", "wsl")


def test_instances_have_the_protocols_names():
    from tests.benchmarks.conftest import FakeInstance

    from envbench.backends.containerd.backend import ContainerdInstance
    from envbench.backends.namespaces import NamespacesInstance
    from envbench.backends.oci import OciInstance
    from envbench.backends.shared.engine_instance import EngineInstance
    from envbench.backends.shared.spawned import SpawnedInstance

    wanted = [name for name in vars(Instance) if not name.startswith("_")]
    for kind in (ContainerdInstance, EngineInstance, NamespacesInstance, OciInstance, SpawnedInstance, FakeInstance):
        assert [name for name in wanted if not hasattr(kind, name) and name != "name"] == []


def test_a_remote_engine_is_refused_unless_allowed(settings, journal, monkeypatch):
    from dataclasses import replace

    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    refused = load("docker")(settings, journal).check()
    assert isinstance(refused, Unusable)
    assert "--allow-remote" in refused.remedy
    allowed = load("docker")(replace(settings, allow_remote=True), journal).check()
    assert "--allow-remote" not in allowed.remedy


def test_what_the_machine_lacks_is_what_has_to_be_mended() -> None:
    error = BackendError("busybox does not run", remedy="apt install busybox-static")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    assert unusable(error, "otherwise").remedy == "ulimit -n 1024"
    assert unusable(BackendError("x", remedy="apt install x"), "otherwise").remedy == "apt install x"
