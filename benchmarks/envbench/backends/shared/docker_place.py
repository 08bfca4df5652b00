"""Where the `docker` command finds its engine: DOCKER_HOST, else its context, else the usual sockets.

Source: docs.docker.com, "Docker contexts" and "docker CLI environment variables"; docker/cli, cli/context/store.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envbench.errors import BackendError
from envbench.errors.causes import Cause

SYSTEM_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class DockerPlace:
    """An engine's address. `chosen_by` is what led to it: "DOCKER_HOST", "context NAME", "" for a usual socket.

    `certificates` is the folder with ca.pem, cert.pem and key.pem for TLS, None without it.
    """

    endpoint: str
    chosen_by: str = ""
    certificates: Path | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the `docker` command that lead to this place."""
        folder = self.certificates
        files = {} if folder is None else {"cacert": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
        tls = ("--tlsverify", *(f"--tls{word}={folder}/{name}" for word, name in files.items())) if files else ()
        return ("--host", self.endpoint, *tls)

    @property
    def row(self) -> str:
        """Its place in the table of remedies: what was chosen is not mended by starting this machine's own engine."""
        return "docker elsewhere" if self.chosen_by else "docker"

    @property
    def undo(self) -> str:
        """How to get back to this machine's own engine."""
        return "unset DOCKER_HOST" if self.chosen_by == "DOCKER_HOST" else "DOCKER_CONTEXT=default"


def configuration_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which the `docker` command keeps its contexts and logins."""
    return Path(environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))  # noqa: PTH111 -- it never raises


def find_docker(environ: Mapping[str, str] = os.environ) -> DockerPlace:
    """Return where the engine is. Raises BackendError where a context is named that is not there or names no engine."""
    folder = configuration_folder(environ)
    host = environ.get("DOCKER_HOST")
    if host:
        wants_tls = bool(environ.get("DOCKER_TLS_VERIFY") or environ.get("DOCKER_CERT_PATH"))
        certificates = Path(environ.get("DOCKER_CERT_PATH") or folder)
        return DockerPlace(host, "DOCKER_HOST", certificates if wants_tls and host.startswith("tcp://") else None)
    name = environ.get("DOCKER_CONTEXT") or _field(_read(folder / "config.json"), "currentContext")
    if isinstance(name, str) and name not in {"", "default"}:
        return _of_context(name, folder / "contexts")
    return DockerPlace(f"unix://{_usual_socket(environ)}")


def _of_context(name: str, store: Path) -> DockerPlace:
    """Return the place of a context: its file lies in a folder named after the digest of its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    docker = _field(_field(_read(store / "meta" / digest / "meta.json"), "Endpoints"), "docker")
    host = _field(docker, "Host")
    if not isinstance(host, str) or not host:
        raise BackendError(
            f"the Docker context {name} is not there, or names no engine",
            remedy="DOCKER_CONTEXT=default, or one that docker context ls lists",
            cause=Cause.CONFIGURATION,
        )
    certificates = store / "tls" / digest / "docker"
    return DockerPlace(host, f"context {name}", certificates if certificates.is_dir() else None)


def _usual_socket(environ: Mapping[str, str]) -> Path:
    """Return the system's socket, or a rootless engine's where the system's is not there or not for this user."""
    rootless = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}", "docker.sock")
    usable = os.access(SYSTEM_SOCKET, os.R_OK | os.W_OK)
    # Another user's folder (kept by `su` and `sudo -E`) may not be looked into, at which pathlib raises.
    return rootless if not usable and os.path.exists(rootless) else SYSTEM_SOCKET  # noqa: PTH110


def _read(path: Path) -> Any:
    """Return what a file of Docker's says, None where it is missing or malformed: `docker` ignores it then too.

    What is no regular file (a pipe, a device) is not opened: it may never end.
    """
    try:
        return json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return None


def _field(found: Any, name: str) -> Any:
    return found.get(name) if isinstance(found, dict) else None
