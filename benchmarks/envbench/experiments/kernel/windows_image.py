"""An image that says it is for Windows, and what an engine on Linux answers to it.

The archive is the format of `docker save` (moby/moby, image/spec/v1.2.md): a manifest, a configuration and one layer
with the smallest program for Windows, which does nothing but end well. An engine refuses the configuration's `os`, or
lets it pass and leaves the refusal to the kernel; a Linux image started by the same words is the control.
"""

import hashlib
import io
import json
import os
import struct
import tarfile
from pathlib import Path

from envbench.errors import BackendError
from envbench.experiments.shared.engine_cli import EngineCli
from envbench.run.bench import Bench, Prepared

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PE_MACHINES = {"amd64": (0x8664, b"\x31\xc0\xc3"), "arm64": (0xAA64, b"\x00\x00\x80\x52\xc0\x03\x5f\xd6")}
"""Machine type of a PE file, and the code of "return 0"."""
PROGRAM = "Files/program.exe"
ENDORSED = "accepted it, and a container of it ended without an error"


def write_windows_image(target: Path, tag: str) -> None:
    """Write the archive; `tag` is its repository name."""
    architecture = GO_ARCHITECTURES.get(os.uname().machine, "amd64")
    layer = _tar({"Files/": b"", PROGRAM: windows_program(architecture)})
    layer_digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": architecture,
        "os": "windows",
        "os.version": "10.0.20348.1",
        "config": {"Cmd": [f"/{PROGRAM}"]},
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


def windows_program(architecture: str) -> bytes:
    """Return a program for Windows that ends with 0 at once: headers and one section of code.

    Microsoft, PE format (learn.microsoft.com/windows/win32/debug/pe-format), PE32+.
    """
    machine, code = PE_MACHINES[architecture]
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 3, 0x100)
    optional += struct.pack("<QQQQII", 1 << 20, 4096, 1 << 20, 4096, 0, 16) + bytes(16 * 8)
    section = struct.pack("<8sIIIIIIHHI", b".text", len(code), 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return (dos + coff + optional + section).ljust(512, b"\0") + code.ljust(512, b"\0")


def refusal_of_windows_image(cli: EngineCli, bench: Bench, prepared: Prepared) -> tuple[bool, str]:
    """Load the image and start a container of it; return whether it was refused, and in what words.

    Whatever the engine took is removed again. Raises BackendError where it starts no Linux image by these words either:
    then its refusal would show nothing.
    """
    run_id = bench.settings.run_id
    words = (*cli.engine.run, "--rm", "--network", "none", "--pull", "never")
    if not bench.settings.images:
        linux = ("--entrypoint", "/bin/true", prepared.backend.image(prepared.configuration.variant))
        works, said = cli.attempt(run_id, *words, *linux)
        if not works:
            raise BackendError(f"a Linux image does not start by {cli.program} run either: {said}")
    tag = f"envbench-{run_id}-windows"
    archive = bench.settings.work_dir / "windows-image.tar"
    write_windows_image(archive, tag)
    try:
        loaded, said = cli.attempt(run_id, "load", "--input", archive)
        if not loaded:
            return True, f"load: {said}"
        started, said = cli.attempt(run_id, *words, tag)
        return not started, f"run: {said}" if not started else ENDORSED
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
            entry.mode = 0o755
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
