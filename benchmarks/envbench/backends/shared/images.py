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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envbench.payload.entries import entries

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
PACKED_LAYER_TYPE = f"{LAYER_TYPE}+gzip"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""uname's machine → Go's name for it, which image configurations use; others are the same."""


def architecture() -> str:
    """Return this machine's architecture as image configurations name it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def tar_member(name: str, mode: int) -> tarfile.TarInfo:
    """Return a folder, link or file of an archive by its mode (lstat), owned by root, dated 0, empty so far."""
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(mode)
    if stat.S_ISDIR(mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        member.type = tarfile.SYMTYPE
    return member


def payload_tar(tree: Path) -> bytes:
    """Return the tree as an uncompressed tar: sorted, owned by root, dated 0."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries(tree):
            member = tar_member(entry.path, entry.mode)
            if member.issym():
                member.linkname = entry.content.decode()
            elif member.isreg():
                member.size = len(entry.content)
            archive.addfile(member, io.BytesIO(entry.content) if member.size else None)
    return target.getvalue()


def image_config(diff_ids: Sequence[str], labels: Mapping[str, str]) -> bytes:
    """Return the configuration of an image with these layers, told by the digests of their archives."""
    return _json(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Labels": dict(labels), "StopSignal": "SIGTERM"},
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        }
    )


def image_manifest(config: bytes, layers: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the manifest of an image with this configuration and these layers, each as its descriptor."""
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, config),
            "layers": list(layers),
        }
    )


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    """Return how an image's parts name each other: type, digest, length."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def digest_of(data: bytes) -> str:
    """Return the digest by which registries and archives know these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def oci_archive(layer: bytes, reference: str, labels: Mapping[str, str]) -> bytes:
    """Return an OCI image archive with this one layer, under this name and with these labels."""
    config = image_config([digest_of(layer)], labels)
    manifest = image_manifest(config, [descriptor(LAYER_TYPE, layer)])
    described = descriptor(MANIFEST_TYPE, manifest)
    described["annotations"] = {"org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [described]}),
        **{f"blobs/sha256/{digest_of(data).partition(':')[2]}": data for data in (config, layer, manifest)},
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
