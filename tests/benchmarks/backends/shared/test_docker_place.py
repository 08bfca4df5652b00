"""The engine is the one that the docker command would go to: DOCKER_HOST, a context, the usual sockets."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from envbench.backends.shared import docker_place
from envbench.backends.shared.docker_place import DockerPlace, find_docker
from envbench.errors import BackendError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder as `docker context create` fills it: "near" on a socket, "far" behind TLS, "empty" without an engine."""
    for name, host in (("near", "unix:///run/near.sock"), ("far", "tcp://far:2376"), ("empty", "")):
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = tmp_path / "contexts/meta" / digest
        meta.mkdir(parents=True)
        (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    (tmp_path / "contexts/tls" / hashlib.sha256(b"far").hexdigest() / "docker").mkdir(parents=True)
    return tmp_path


def test_docker_host_comes_before_every_context(config: Path) -> None:
    environ = {"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "near", "DOCKER_CONFIG": str(config)}
    assert find_docker(environ) == DockerPlace("unix:///x.sock", "DOCKER_HOST")


def test_a_context_is_used_by_its_variable_and_by_the_configuration(config: Path) -> None:
    near = DockerPlace("unix:///run/near.sock", "context near")
    assert find_docker({"DOCKER_CONTEXT": "near", "DOCKER_CONFIG": str(config)}) == near
    (config / "config.json").write_text('{"currentContext": "near"}')
    assert find_docker({"DOCKER_CONFIG": str(config)}) == near
    assert find_docker({"DOCKER_CONTEXT": "default", "DOCKER_CONFIG": str(config)}).chosen_by == ""


def test_certificates_come_from_the_context_or_from_the_environment(config: Path) -> None:
    far = find_docker({"DOCKER_CONTEXT": "far", "DOCKER_CONFIG": str(config)})
    assert far.certificates is not None
    assert far.options[:3] == ("--host", "tcp://far:2376", "--tlsverify")
    assert f"--tlscacert={far.certificates}/ca.pem" in far.options
    secured = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert find_docker(secured).certificates == Path("/certs")
    assert find_docker({"DOCKER_HOST": "tcp://h:2375", "DOCKER_CONFIG": str(config)}).certificates is None
    assert find_docker(secured | {"DOCKER_HOST": "unix:///x"}).certificates is None


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_context_that_names_no_engine_is_one_line_with_a_remedy(config: Path, name: str) -> None:
    with pytest.raises(BackendError, match=f"context {name}") as error:
        find_docker({"DOCKER_CONTEXT": name, "DOCKER_CONFIG": str(config)})
    assert "DOCKER_CONTEXT=default" in error.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "not json", '{"currentContext": 3}', '{"currentContext": null}'])
def test_a_configuration_of_another_form_names_no_context(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert find_docker({"DOCKER_CONFIG": str(tmp_path)}).chosen_by == ""


def test_a_rootless_engine_is_found_where_the_systems_may_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_place, "SYSTEM_SOCKET", tmp_path / "none.sock")
    environ = {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert find_docker(environ).endpoint == f"unix://{tmp_path}/none.sock"
    (tmp_path / "docker.sock").touch()
    assert find_docker(environ).endpoint == f"unix://{tmp_path}/docker.sock"


def test_a_configuration_of_any_shape_names_no_context(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for text in ("", "[1]", '{"currentContext": 7}', "[" * 100_000, "\0", '{"currentContext"'):
        path.write_text(text)
        assert find_docker({"DOCKER_CONFIG": str(tmp_path)}).chosen_by == "", text[:20]
    path.unlink()
    os.mkfifo(path)
    assert find_docker({"DOCKER_CONFIG": str(tmp_path)}).chosen_by == "", "a pipe that nobody writes to"
    path.unlink()
    path.symlink_to("/dev/zero")
    assert find_docker({"DOCKER_CONFIG": str(tmp_path)}).chosen_by == "", "a file without an end"


def test_a_runtime_folder_that_may_not_be_looked_into_has_no_rootless_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_place, "SYSTEM_SOCKET", tmp_path / "none.sock")
    environ = {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": "/tmp/" + "a" * 300}
    assert find_docker(environ).endpoint == f"unix://{tmp_path}/none.sock"
