"""A process of our own, in its own process group, its output on a pipe, its end seen through a pidfd (no polling)."""

import contextlib
import math
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from envbench.backend import Mark, MarkCallback
from envbench.errors import BackendError, CommandError
from envbench.errors.causes import Cause
from envbench.settings import RUN_ENVIRONMENT
from envbench.surroundings.clock import NS_PER_MS, monotonic_ns
from envbench.surroundings.programs import users_path

COMMAND_DEADLINE_S = 60.0
STORE = ("CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "STORAGE_OPTS")
"""Where Podman and Buildah keep their images and containers, and how (containers.conf(5), containers-storage.conf(5),
podman(1))."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def environment(run_id: str, **more: str) -> dict[str, str]:
    """Return the whole environment of what a run starts: the user's PATH, the run's id for the reaper, and `more`."""
    return {"PATH": users_path(), RUN_ENVIRONMENT: run_id, **more}


def users_environment(run_id: str, theirs: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for an engine's own commands: state, logins and registries are where `theirs` says."""
    state = ("HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS")
    registries = ("REGISTRY_AUTH_FILE", "CONTAINERS_REGISTRIES_CONF", "DOCKER_CONFIG", *PROXIES)
    return environment(run_id, **{name: theirs[name] for name in (*state, *STORE, *registries) if name in theirs})


def output_pipe() -> tuple[int, int]:
    """Return a pipe as (read end, write end); the read end does not block. Neither is inherited."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return reader, writer


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the process group of a child that leads one; what has ended gets none.

    The child has not been waited for: as long as that is so, its id can be no other group's.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


class Child:
    """Started by posix_spawn(3), the least that stands between a request and an exec.

    Raises BackendError from the constructor where the program cannot be started.
    """

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str], output: int) -> None:
        words = [os.fspath(word) for word in argv]
        null = os.open(os.devnull, os.O_RDONLY)
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ]
        try:
            self.pid = os.posix_spawnp(words[0], words, env, file_actions=actions, setpgroup=0)
        except OSError as error:
            raise BackendError(f"{words[0]} cannot be started: {error.strerror}") from error
        finally:
            os.close(null)
        self.status: int | None = None
        """Exit status as waitpid(2) has it (negative: the signal), None while it runs."""
        self._pidfd = os.pidfd_open(self.pid)

    def wait(self, deadline_ns: int) -> bool:
        """Wait until it has ended or the moment has come; return whether it has ended. It is reaped then."""
        if self.status is not None:
            return True
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        while not poller.poll(max(0, math.ceil((deadline_ns - monotonic_ns()) / NS_PER_MS))):
            if monotonic_ns() >= deadline_ns:
                return False
        # A shell that is told to end while it forks can leave a child that missed the signal.
        signal_group(self.pid, signal.SIGKILL)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._pidfd)
        return True

    def send(self, number: int, *, group: bool = True) -> None:
        """Send a signal to it (and its process group) unless it has ended."""
        if self.status is None and group:
            signal_group(self.pid, number)
        elif self.status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """End it and its group at once and reap it; safe to call twice."""
        self.send(signal.SIGKILL)
        self.wait(monotonic_ns() + 10_000 * NS_PER_MS)


def spawn(argv: Sequence[str | Path], env: Mapping[str, str], mark: MarkCallback) -> tuple[Child, int]:
    """Start a child between the marks REQUESTED and STARTED; return it and the read end of its output.

    Raises BackendError where the program cannot be started; no end of the pipe stays open then.
    """
    reader, writer = output_pipe()
    try:
        mark(Mark.REQUESTED)
        child = Child(argv, env, writer)
        mark(Mark.STARTED)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return child, reader


def run_command(
    argv: Sequence[str | Path],
    run_id: str,
    what: str,
    deadline_s: float = COMMAND_DEADLINE_S,
    theirs: Mapping[str, str] = os.environ,
) -> str:
    """Run an engine's command to its end and return its output. Raises BackendError with its last words."""
    words = [os.fspath(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env=users_environment(run_id, theirs),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except OSError as error:
        raise BackendError(f"{what}: {words[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{what}: {words[0]} did not end within {deadline_s:g} s", cause=Cause.NO_ANSWER) from error
    if done.returncode != 0:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise CommandError(f"{what}: {words[0]}", exit_status=done.returncode, said=said[-400:])
    return done.stdout
