"""What is fuzzed: three functions of bytes that may refuse, but never crash, hang or write raw control characters."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path

from envinspect.capture.every_question import ask_everything
from envinspect.facets.abilities import capabilities_block
from envinspect.facets.isolation import isolation_block
from envinspect.facets.resources import resources_block
from envinspect.inspection import inspect
from envinspect.model import ABSENT, Found, Reading
from envinspect.model.errors import EnvinspectError
from envinspect.model.facts import Facts, Registers, Uname
from envinspect.render import FORMATS, render
from envinspect.render.blocks import capabilities_text, isolation_text, resources_text
from envinspect.render.terminal import PLAIN
from envinspect.systems.archive import Entry, Tree
from envinspect.systems.captured import CapturedRoot, read_capture
from envinspect.systems.cpuid import RecordedCpuid

UNAMES = (
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Linux", "s390x"),
    ("Linux", "ppc64le"),
    ("Darwin", "arm64"),
    ("Windows", "AMD64"),
)


def system(files: dict[str, bytes], words: list[int], variables: dict[str, str], kind: int) -> Facts:
    """Return a made-up system: these files, these numbers wherever CPUID is asked, these variables."""
    entries = {"": Entry(), "root": Entry()}
    children: dict[str, list[str]] = {"": ["root"], "root": []}
    for path, data in files.items():
        parts = f"root{path}".split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            entries.setdefault(folder, Entry())
            children.setdefault(folder, [])
        if "/".join(parts) not in children:
            entries["/".join(parts)] = Entry(data=data)
            children["/".join(parts[:-1])].append(parts[-1])
    root = CapturedRoot(Tree(entries, children), links={}, listings=None, stats=None, denied={})
    places = [(1, 0), (0x4000_0000, 0), (0x4000_0100, 0), (0x4000_0003, 0), (0, 0), (0x21, 0), (0x8000_001F, 0)]
    leaves = {place: Registers(*words[4 * n : 4 * n + 4]) for n, place in enumerate(places) if len(words) >= 4 * n + 4}
    sysname, machine = UNAMES[kind % len(UNAMES)]

    def variable(name: str) -> Reading[str]:
        return Found(variables[name]) if name in variables else ABSENT

    return Facts(root, RecordedCpuid(leaves), uname=Uname(sysname, "", "", machine), euid=kind, environ=variable)


def asked_paths() -> list[str]:
    """Return every path that is asked of systems where nothing is found, and of this machine."""
    paths: set[str] = set()
    for kind in range(len(UNAMES)):
        facts = system({}, [0, 0, 1 << 31, 0] * 7, {}, kind)
        ask_everything(facts)
        paths |= {*facts.files, *facts.stats}
    return sorted(paths)


def any_system(facts: Facts) -> None:
    """Ask and print everything about a system."""
    ask_everything(facts)
    answer = inspect(facts)
    failed = [item for item in answer.stack.unknown if item.source.startswith("probe:")]
    assert not failed, failed
    for name in FORMATS:
        printed(render(name, answer).text)
    printed(resources_text(resources_block(facts), PLAIN))
    printed(isolation_text(isolation_block(facts), PLAIN))
    printed(capabilities_text(capabilities_block(facts), PLAIN))


def printed(text: str) -> None:
    """Fail for anything that a terminal would obey."""
    raw = {character for character in text if not character.isprintable() and character != "\n"}
    assert not raw, raw


def any_facts_json(data: bytes) -> None:
    """Read a capture whose facts.json is these bytes."""
    _read({"facts.json": data, "root/proc/self/cgroup": b"0::/\n"})


def any_archive(data: bytes) -> None:
    """Read these bytes as a compressed tar archive (the compression is put around them: it is not what is fuzzed)."""
    _try(gzip.compress(data, 1))
    _try(data)


def seeds() -> list[bytes]:
    """Return archives to start from."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in (("facts.json", json.dumps({"schema": "envinspect-capture/1"})), ("root/etc/hostname", "x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return [out.getvalue()]


def _read(files: dict[str, bytes]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    _try(out.getvalue())


def _try(archive: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.tar.gz"
        path.write_bytes(archive)
        try:
            facts = read_capture(str(path))
        except EnvinspectError as error:
            printed(str(error).replace("\n", "\r"))
            return
        any_system(facts)
