"""An engine that does not see our folders (a snap, PrivateTmp, another root) is told before the first start.

Each daemon is one of the test's own, with a /var/tmp of its own as PrivateTmp gives it one; the remedy is followed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from own_daemon import OWN_NETWORK, own_daemon
from own_libvirtd import OwnLibvirtd

from envbench.backends.docker import DockerBackend
from envbench.errors import BackendError
from envbench.errors.causes import Cause, remedy_for
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal

PRIVATE, SHARED = "/var/tmp", "/tmp"
IMAGE = "localhost/own:1"
PRIVATE_TMP = ("--mount", "sh", "-c", f'mount -t tmpfs none {PRIVATE} && exec "$@"', "sh")


@pytest.fixture
def needs_root(engine_missing: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        engine_missing("a daemon in a mount namespace of its own needs root")


@pytest.fixture
def folder_in(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that makes a folder in one of the two places."""
    made: list[str] = []

    def make(place: str) -> Path:
        made.append(tempfile.mkdtemp(prefix="envbench-test-", dir=place))
        return Path(made[-1])

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def prepared(place: Path, state: Path) -> tuple[BackendError | None, tuple[str, ...]]:
    """Prepare an image of the user's own with the run's folder in this place; return what came of it and what stays."""
    settings = Settings(new_run_id(), place, state / "cache", images=(IMAGE,))
    journal = Journal(settings.run_id, state)
    backend = DockerBackend(settings, journal)
    try:
        backend.prepare({"runtime": "runc", "image": IMAGE})
    except BackendError as error:
        return error, backend.remaining()
    else:
        return None, backend.remaining()
    finally:
        backend.close()
        journal.close()


@contextmanager
def own_podman(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the address of a Podman service behind a private /var/tmp, and the words of its program."""
    program = ("podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run")
    address = f"unix://{folder}/podman.sock"
    words = ("unshare", *PRIVATE_TMP, *program, "system", "service", "--time=0", address)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as service:
        try:
            deadline = time.monotonic() + 20
            while not Path(folder, "podman.sock").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield address, program
        finally:
            service.terminate()
    unmount = f"grep -o '{folder}/[^ ]*' /proc/mounts | xargs --no-run-if-empty umount --lazy"
    subprocess.run(["sh", "-c", unmount], check=True)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.engine(name)) for name in ("docker", "podman")])
def address(
    request: pytest.FixtureRequest, needs_root: None, folder_in: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an engine behind a private /var/tmp, which speaks Docker's API and has an image."""
    with ExitStack() as stack:
        if request.param == "docker":
            address = stack.enter_context(own_daemon(before=(*OWN_NETWORK, *PRIVATE_TMP))).socket
            program: tuple[str, ...] = ("docker", "--host", address)
        else:
            address, program = stack.enter_context(own_podman(folder_in(SHARED)))
        packed = ("tar", "--create", "--file=-", "--directory=/", "etc/hostname")
        archive = subprocess.run(packed, capture_output=True, check=True).stdout
        words = (*program, "import", "--change", 'CMD ["x"]', "-", IMAGE)
        subprocess.run(words, input=archive, capture_output=True, check=True)
        monkeypatch.setenv("DOCKER_HOST", address)
        yield address


@pytest.mark.usefixtures("address")
def test_an_engine_behind_a_private_tmp_is_recognised_before_the_first_start(
    folder_in: Callable[[str], Path], tmp_path: Path
) -> None:
    error, left = prepared(folder_in(PRIVATE), tmp_path)
    assert error is not None
    assert (error.cause, left) == (Cause.UNSEEN, ()), error
    assert "TMPDIR" in error.remedy
    assert prepared(folder_in(SHARED), tmp_path) == (None, ())


@pytest.fixture
def libvirtd(engine_missing: Callable[[str], None], folder_in: Callable[[str], Path]) -> Iterator[OwnLibvirtd]:
    made = OwnLibvirtd(folder_in(SHARED))
    try:
        if not made.usable:
            engine_missing("a mount namespace for a libvirtd of its own needs root")
        made.start("virtlogd")
        made.start("libvirtd", before=("unshare", *PRIVATE_TMP))
        yield made
    finally:
        made.close()


@pytest.mark.engine("libvirt")
@pytest.mark.timeout(200)
def test_libvirt_behind_a_private_tmp_is_recognised_before_the_first_start(
    libvirtd: OwnLibvirtd,
) -> None:
    def doctor(place: str) -> dict[str, Any]:
        words = (sys.executable, "-m", "envbench", "doctor", "--backend", "libvirt", "--json")
        done = libvirtd.run("env", f"TMPDIR={place}", *words)
        return dict(json.loads(done.stdout)["libvirt"])

    told = doctor(PRIVATE)
    assert (told["usable"], told["cause"]) == (False, Cause.UNSEEN), told
    assert "TMPDIR" in told["remedy"]
    assert remedy_for(Cause.UNSEEN, "libvirt").startswith("TMPDIR=/var/lib/libvirt,")
    found = doctor("/var/lib/libvirt")
    assert found["usable"], found
