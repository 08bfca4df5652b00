"""A registry of the run's own, on the loopback, with its own data; and what puts images into it (OCI distribution)."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from envbench.backends.shared.images import MANIFEST_TYPE, PACKED_LAYER_TYPE, digest_of, image_config, image_manifest
from envbench.errors import BackendError
from envbench.experiments.deploy.layers import Layer
from envbench.experiments.deploy.served import LOOPBACK
from envbench.experiments.shared.own_program import answers, own_program
from envbench.readiness.probe import free_port
from envbench.settings import LABEL
from envbench.surroundings.programs import find_program
from envbench.traces.journal import Journal, Kind

PROGRAMS = ("docker-registry", "registry")
"""Debian's name for it, and the project's own."""
REMEDY = "apt install docker-registry; its own service is not needed (systemctl disable --now docker-registry)"
UP_DEADLINE_S = 20.0
ANSWER_DEADLINE_S = 60.0
CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {data}}}}}
http: {{addr: "{address}"}}
"""


def require_registry() -> Path:
    """Return the registry's program. Raises BackendError, with the remedy, where there is none."""
    for name in PROGRAMS:
        found = find_program(name)
        if found is not None:
            return found
    raise BackendError(f"no {PROGRAMS[0]} on the PATH", remedy=REMEDY)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that runs. `port` is its port on the loopback, `data` the folder with all that it keeps."""

    port: int
    data: Path
    run_id: str

    def push(self, name: str, layers: Sequence[Layer]) -> None:
        """Put an image with these layers there, as NAME:latest. Raises BackendError."""
        config = image_config([one.diff_id for one in layers], {LABEL: self.run_id})
        described = [{"mediaType": PACKED_LAYER_TYPE, "digest": one.digest, "size": one.size_bytes} for one in layers]
        for one in layers:
            with one.path.open("rb") as file:
                self._upload(name, one.digest, file, one.size_bytes)
        self._upload(name, digest_of(config), config, len(config))
        manifest = image_manifest(config, described)
        self._ask("PUT", f"/v2/{name}/manifests/latest", manifest, **{"Content-Type": MANIFEST_TYPE})

    def _upload(self, name: str, digest: str, content: bytes | IO[bytes], length: int) -> None:
        place = self._ask("POST", f"/v2/{name}/blobs/uploads/", b"")
        joined = "&" if "?" in place else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        self._ask("PUT", f"{place}{joined}digest={digest}", content, **headers)

    def _ask(self, verb: str, place: str, content: bytes | IO[bytes], **headers: str) -> str:
        """Return the Location that the registry answers with, "" without one. Raises BackendError where it refuses."""
        asked = HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_DEADLINE_S)
        try:
            asked.request(verb, place.removeprefix(f"http://{LOOPBACK}:{self.port}"), content, headers)
            answer: HTTPResponse = asked.getresponse()
            said = answer.read()
            if not 200 <= answer.status < 300:
                raise BackendError(
                    f"the registry answers {answer.status} to {verb}: {said[:200].decode(errors='replace')}"
                )
            return answer.getheader("Location") or ""
        except (OSError, HTTPException) as error:
            raise BackendError(f"the registry does not answer: {error}") from error
        finally:
            asked.close()


@contextmanager
def own_registry(journal: Journal, run_id: str, folder: Path) -> Iterator[Registry]:
    """Run a registry for the length of the block, its data below `folder`; nothing of it is left then.

    Raises BackendError where there is none, or it does not come up.
    """
    program, port = require_registry(), free_port()
    data = folder / f"registry-{run_id}"
    with journal.holding(Kind.FOLDER, str(data)):
        data.mkdir(mode=0o700)
        configuration = data / "config.yml"
        configuration.write_text(CONFIGURATION.format(data=data / "data", address=f"{LOOPBACK}:{port}"), "utf-8")
        try:
            with own_program(
                journal,
                run_id,
                (program, "serve", configuration),
                data / "log",
                lambda: answers(HTTPConnection(LOOPBACK, port, timeout=2), "/v2/"),
                name="the registry",
                remedy=REMEDY,
                up_deadline_s=UP_DEADLINE_S,
                OTEL_TRACES_EXPORTER="none",
            ):
                yield Registry(port, data, run_id)
        finally:
            shutil.rmtree(data, ignore_errors=True)
