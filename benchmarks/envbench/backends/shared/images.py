"""Container images made from the payload tree, byte for byte the same for every engine: no registry, no build tool.

Formats: a plain tar of the root filesystem, and an OCI image archive (OCI image format specification, image layout
1.0.0).
"""

import hashlib
import io
import json
import platform
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envbench.payload.entries import entries

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""uname's machine → Go's name for it, which image configurations use; others are the same."""


def architecture() -> str:
    """Return this machine's architecture as image configurations name it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def payload_tar(tree: Path) -> bytes:
    """Return the tree as an uncompressed tar: sorted, owned by root, dated 0."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries(tree):
            member = tarfile.TarInfo(entry.path)
            member.mode = stat.S_IMODE(entry.mode)
            if stat.S_ISDIR(entry.mode):
                member.type = tarfile.DIRTYPE
            elif stat.S_ISLNK(entry.mode):
                member.type = tarfile.SYMTYPE
                member.linkname = entry.content.decode()
            else:
                member.size = len(entry.content)
            archive.addfile(member, io.BytesIO(entry.content) if member.size else None)
    return target.getvalue()


def oci_archive(layer: bytes, reference: str, labels: Mapping[str, str]) -> bytes:
    """Return an OCI image archive with this one layer, under this name and with these labels."""
    blobs: dict[str, bytes] = {}
    config = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"Labels": dict(labels), "StopSignal": "SIGTERM"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _add(blobs, "application/vnd.oci.image.config.v1+json", _json(config)),
        "layers": [_add(blobs, "application/vnd.oci.image.layer.v1.tar", layer)],
    }
    described: dict[str, Any] = _add(blobs, manifest["mediaType"], _json(manifest))
    described["annotations"] = {"org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [described]}),
        **{f"blobs/sha256/{digest}": data for digest, data in blobs.items()},
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _add(blobs: dict[str, bytes], media_type: Any, data: bytes) -> dict[str, Any]:
    digest = _digest(data)
    blobs[digest.partition(":")[2]] = data
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
