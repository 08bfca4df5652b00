"""Writes a captured system (contract 1): exactly what Facts was asked, so the list of files cannot drift from the code.

The result is a folder, or one .tar.gz; it appears under its name only when it is whole.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from envinspect.capture.redaction import Redaction
from envinspect.model import NOT_RECORDED, Denied, Found, Reading
from envinspect.model.errors import CaptureError
from envinspect.model.errors import printable as shown
from envinspect.model.facts import NATIVE, Facts, Observer
from envinspect.systems.archive import ROOT
from envinspect.systems.captured import SCHEMA

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")
K = TypeVar("K")
V = TypeVar("V")


def write_capture(facts: Facts, out: str, *, tool: str, captured_at: datetime, redaction: Redaction | None) -> None:
    """Write everything that `facts` was asked to the folder or .tar.gz `out`; `redaction` None keeps it unscrubbed.

    Raises CaptureError where `out` is there already or cannot be written; then nothing of it is left.
    """
    if not out:  # An unset variable of a script's, which would be the current folder.
        raise CaptureError("a capture needs a name, and an empty one was given", remedy="envinspect capture NAME")
    if os.path.lexists(out):
        raise CaptureError(f"{shown(out)} is there already", remedy="a new name")
    files = _files(facts, tool, captured_at, redaction)
    folder, name = os.path.split(os.path.abspath(out))  # noqa: PTH100 - paths are strings throughout
    try:
        if out.endswith(ARCHIVE_SUFFIXES):
            _write_archive(files, folder, out)
        else:
            _write_folder(files, folder, name)
    except OSError as error:
        raise CaptureError(
            f"{shown(out)}: {error.strerror or error}; nothing was written",
            remedy="a folder that is there, has room and may be written to",
        ) from error


def _files(facts: Facts, tool: str, captured_at: datetime, redaction: Redaction | None) -> dict[str, bytes]:
    """Return the capture's files by their path in it."""
    clean = redaction.text if redaction is not None else _unchanged
    files: dict[str, bytes] = {}
    for path, data in _found(facts.files):
        files[f"{ROOT}{os.path.normpath(clean(path))}"] = redaction.file(path, data) if redaction is not None else data
    observer = _observer(facts)
    document = {
        "schema": SCHEMA,
        "tool": tool,
        "captured_at": captured_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "uname": {field: clean(value) for field, value in facts.uname.to_dict().items() if value},
        **({} if facts.euid is None else {"euid": facts.euid}),
        "environ": {
            name: redaction.variable(name, value) if redaction is not None else value
            for name, value in _found(facts.variables)
        },
        "cpuid": {_leaf(*key): list(registers.words) for key, registers in _found(facts.leaves)},
        "links": {clean(path): clean(text) for path, text in _found(facts.links)},
        "listings": {clean(path): [clean(name) for name in names] for path, names in _found(facts.listings)},
        "stat": {
            clean(path): {"dev": stat.dev, "ino": stat.ino, "mode": stat.mode, "size": stat.size_bytes}
            for path, stat in _found(facts.stats)
        },
        "denied": _denied(facts),
        "asked": sorted({clean(path) for path in _asked(facts)}),
        **({} if observer is None else {"observer": observer.to_dict()}),
    }
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True)
    return {"facts.json": f"{text}\n".encode("ascii"), **files}


def _unchanged(text: str) -> str:
    return text


def _found(readings: dict[K, Reading[V]]) -> Iterator[tuple[K, V]]:
    for question, answer in readings.items():
        if isinstance(answer, Found):
            yield question, answer.value


def _leaf(leaf: int, subleaf: int) -> str:
    return f"0x{leaf:08x}" + (f"/{subleaf:x}" if subleaf else "")


def _asked(facts: Facts) -> Iterator[str]:
    """Yield every path that the system itself gave an answer to; of another capture it may be told that it has none."""
    tables: Iterable[Mapping[str, object]] = (facts.files, facts.links, facts.listings, facts.stats)
    return (path for table in tables for path, answer in table.items() if answer != NOT_RECORDED)


def _observer(facts: Facts) -> Observer | None:
    """Return how the system was looked at, None where that is not known: of a root file system, of another capture."""
    if facts.observer is not None or facts.running is None:
        return facts.observer
    return Observer(NATIVE, "instruction" if any(True for _ in _found(facts.leaves)) else "none")


def _denied(facts: Facts) -> dict[str, str]:
    """Return every path that was denied; where only one question about it was, the others' answers stand beside it."""
    tables: Iterable[Mapping[str, object]] = (facts.files, facts.links, facts.listings, facts.stats)
    return {path: answer.error for table in tables for path, answer in table.items() if isinstance(answer, Denied)}


def _write_folder(files: dict[str, bytes], parent: str, name: str) -> None:
    partial = tempfile.mkdtemp(prefix=f".{name}.", dir=parent)
    try:
        for path, data in files.items():
            place = os.path.join(partial, path)  # noqa: PTH118 - paths are strings throughout
            os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
            with open(place, "wb") as file:  # noqa: PTH123
                file.write(data)
        os.chmod(partial, 0o755)  # noqa: PTH101, S103 - as mkdir would have made it; nothing secret is in it
        os.rename(partial, os.path.join(parent, name))  # noqa: PTH104, PTH118
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_archive(files: dict[str, bytes], parent: str, out: str) -> None:
    descriptor, partial = tempfile.mkstemp(prefix=".capture.", dir=parent)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for path, data in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                member.mode = 0o644
                archive.addfile(member, io.BytesIO(data))
        os.rename(partial, out)  # noqa: PTH104
    except BaseException:
        os.unlink(partial)  # noqa: PTH108
        raise
