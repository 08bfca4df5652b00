"""run.json: what was asked, on which machine, with which engines and payload, and how the run ended.

Written whole and replaced atomically, at the start (so that a killed run has one too) and at the end.
"""

import datetime as dt
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envbench import __version__
from envbench.backend import Backend, Unusable, Usable
from envbench.errors import EnvbenchError
from envbench.phases import BackendKind
from envbench.run.noise import Caution
from envbench.run.scheduler import Unfinished
from envbench.settings import Configuration, Plan, Settings

SCHEMA = "envbench-run/1"
RUN_FILE = "run.json"

_LIBRARIES = ("scipy", "pandas", "matplotlib", "jinja2", "rich", "click", "psutil")


class RunRecord:
    """run.json of one run; `data` is what will be written. `save` raises EnvbenchError where it cannot be."""

    def __init__(self, folder: Path, settings: Settings, plan: Plan, command: Sequence[str]) -> None:
        self._path = folder / RUN_FILE
        self.data: dict[str, Any] = {
            "schema": SCHEMA,
            "tool_version": __version__,
            "run_id": settings.run_id,
            "started_at": _now(),
            "ended_at": None,
            "command": without_values(command),
            "seed": plan.seed,
            "plan": {**plan.as_record(), "deadline_s": settings.deadline_s, **_asked(settings)},
            "host": {},
            "engines": {},
            "libraries": library_versions(),
            "payload": {},
            "backends": {"used": [], "skipped": []},
            "accelerator": {},
            "noise": {},
            "outcome": "running",
            "exit_code": None,
            "warnings": [],
            "unfinished": [],
            "skips": [],
            "cleanup": {"leaked": []},
        }

    def save(self) -> None:
        """Write the record, whole or not at all."""
        part = self._path.with_suffix(".json.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(self.data, file, indent=1, default=str)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise EnvbenchError(
                f"{self._path} cannot be written: {error.strerror}", remedy="free space, or another --output"
            ) from error

    def add_used(self, backend: Backend, usable: Usable, variants: Sequence[Mapping[str, str]]) -> None:
        """Note a backend that takes part, with all that a report has to know of it."""
        facts = dict(usable.facts)
        used = {
            "name": backend.name,
            "title": backend.title,
            "kind": backend.kind,
            "images": backend.images,
            "is_vm": backend.kind is BackendKind.VM,
            "variants": [dict(variant) for variant in variants],
            "facts": facts,
        }
        self.data["backends"]["used"].append(used)
        self.data["engines"][backend.name] = facts
        self.data["libraries"] |= library_versions(backend.libraries)
        if "kvm" in facts:
            canary_s = facts.get("kvm_canary_s")
            self.data["accelerator"] = {
                "kvm": {
                    "usable": facts["kvm"] == "usable",
                    "reason": facts.get("kvm_because", ""),
                    "canary_s": None if canary_s is None else float(canary_s),
                },
                "used": sorted({variant["accel"] for variant in variants if "accel" in variant}),
            }

    def add_skipped(self, name: str, unusable: Unusable, variant: Mapping[str, str] | None = None) -> None:
        """Note a backend, or one variant of it, that does not take part, with its reason and remedy."""
        skipped = {"name": name, **asdict(unusable)}
        self.data["backends"]["skipped"].append(skipped if variant is None else {**skipped, "variant": dict(variant)})

    def add_warnings(self, cautions: Sequence[Caution]) -> None:
        """Note what makes the figures less sure."""
        self.data["warnings"] += [asdict(caution) for caution in cautions]

    def add_unfinished(self, unfinished: Sequence[Unfinished]) -> None:
        """Note which backends did not get what was planned."""
        self.data["unfinished"] = [
            {
                **configuration_record(one.configuration),
                "runs": one.runs,
                "needed": one.needed,
                "reason": one.reason,
                "remedy": one.remedy,
            }
            for one in unfinished
        ]

    def finish(self, outcome: str, exit_code: int) -> None:
        """Note how the run ended and save."""
        self.data |= {"ended_at": _now(), "outcome": outcome, "exit_code": exit_code}
        self.save()


def configuration_record(configuration: Configuration) -> dict[str, str]:
    """Return a backend as run.json and samples.csv name it."""
    return {"backend": configuration.backend, "variant": configuration.variant_text, "profile": configuration.profile}


def library_versions(names: Iterable[str] = _LIBRARIES) -> dict[str, str]:
    """Return the versions of these libraries, those that are not installed left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def host_answer(*, include_names: bool = False) -> dict[str, Any]:
    """Return envinspect's whole answer about this machine; host and user names only where asked for."""
    import envinspect  # noqa: PLC0415 -- looks at the machine when it is asked to

    found = envinspect.inspect().to_dict()
    if include_names:
        found["hostname"] = os.uname().nodename
    return found


def without_values(command: Sequence[str]) -> list[str]:
    """Return a command line without the values of its --env NAME=VALUE, which may be secrets."""
    shown = list(command)
    for place, word in enumerate(command):
        if word.startswith("--env="):
            shown[place] = f"--env={_name_alone(word.removeprefix('--env='))}"
        elif place and command[place - 1] == "--env":
            shown[place] = _name_alone(word)
    return shown


def _name_alone(pair: str) -> str:
    return f"{pair.partition('=')[0]}=…"


def _asked(settings: Settings) -> dict[str, Any]:
    """Return the settings that change what is measured, without paths of this run."""
    left_out = ("run_id", "work_dir", "cache_dir", "deadline_s", "quick", "offline", "found", "environment")
    return {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in left_out}


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
