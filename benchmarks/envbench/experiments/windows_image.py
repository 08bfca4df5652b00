"""An image that says it is for Windows, and what an engine on Linux answers to it.

The archive is the format of `docker save` (moby/moby, image/spec/v1.2.md): a manifest, a configuration and one layer
that holds nothing but an empty folder. No Windows file is in it: what the engine judges is the configuration's `os`.
"""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

from envbench.experiments.bench import Bench
from envbench.experiments.engine_cli import EngineCli

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ENDORSED = "accepted it, and a container of it ended without an error"


def write_windows_image(target: Path, tag: str) -> None:
    """Write the archive; `tag` is its repository name."""
    layer = _tar({"Files/": b""})
    layer_digest = hashlib.sha256(layer).hexdigest()
    machine = os.uname().machine
    config = {
        "architecture": GO_ARCHITECTURES.get(machine, machine),
        "os": "windows",
        "os.version": "10.0.20348.1",
        "config": {"Cmd": ["cmd", "/c", "ver"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created_by": "envbench"}],
    }
    config_bytes = json.dumps(config).encode()
    name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [f"{tag}:latest"], "Layers": [f"{layer_digest}/layer.tar"]}]
    members = {
        f"{layer_digest}/layer.tar": layer,
        name: config_bytes,
        "manifest.json": json.dumps(manifest).encode(),
    }
    target.write_bytes(_tar(members))


def refusal_of_windows_image(cli: EngineCli, bench: Bench) -> tuple[bool, str]:
    """Load the image and start a container of it; return whether the engine refused, and its words.

    Whatever it took is removed again.
    """
    run_id = bench.settings.run_id
    tag = f"envbench-{run_id}-windows"
    archive = bench.settings.work_dir / "windows-image.tar"
    write_windows_image(archive, tag)
    try:
        loaded, words = cli.attempt(run_id, "load", "--input", archive)
        if not loaded:
            return True, f"load: {words}"
        started, words = cli.attempt(run_id, "run", "--rm", "--network", "none", "--pull", "never", tag)
        return not started, f"run: {words}" if not started else ENDORSED
    finally:
        cli.attempt(run_id, "rmi", "--force", tag)
        archive.unlink(missing_ok=True)


def _tar(members: dict[str, bytes]) -> bytes:
    """Return a tar archive of these members; a name that ends in "/" is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.mode = 0o755 if name.endswith("/") else 0o644
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
