"""The captured and constructed systems under tests/systems and their answers, each read once per process."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

from envinspect.inspection import Inspection, inspect
from envinspect.model.facts import Facts
from envinspect.systems.captured import read_capture

SYSTEMS = Path(__file__).parent.parent / "systems"
NAMES = sorted(folder.name for folder in SYSTEMS.iterdir() if (folder / "expect.toml").is_file())


@functools.cache
def answer_for(name: str) -> Inspection:
    """Return a system's answer; whoever would ask its facts for more reads the capture again."""
    return inspect(read_capture(str(SYSTEMS / name)))


@functools.cache
def answers() -> tuple[Inspection, ...]:
    """Return the answers of all systems."""
    return tuple(map(answer_for, NAMES))


def holds_for_all(law: Callable[[str], None]) -> None:
    """Run a law on every system; fail with the name of each system that breaks it, and how."""
    broken = []
    for name in NAMES:
        try:
            law(name)
        except Exception as error:  # noqa: BLE001 - every system is to be heard
            broken.append(f"{name}: {type(error).__name__}: {str(error)[:1000]}")
    assert not broken, f"{len(broken)} of {len(NAMES)} systems:\n" + "\n".join(broken)


def made_of(folder: Path, facts: dict[str, object], files: dict[str, str] | None = None) -> Facts:
    """Return a system that a test makes up: a capture in `folder` of these facts and of these files by their paths."""
    (folder / "facts.json").write_text(json.dumps({"schema": "envinspect-capture/1", **facts}))
    for path, text in (files or {}).items():
        place = folder / "root" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return read_capture(str(folder))
