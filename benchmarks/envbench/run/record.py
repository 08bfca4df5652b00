"""Keeps the run.json of a run that is under way.

Written whole and replaced atomically, at the start (so that a killed run has one too) and at the end.
"""

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from envbench import __version__
from envbench.backend import Backend, Unusable, Usable
from envbench.errors import EnvbenchError, without_passwords
from envbench.payload.kernel import GuestKernel
from envbench.payload.tree import PayloadTree
from envbench.records import run_json
from envbench.records.phases import BackendKind
from envbench.records.run_json import RUN_FILE, RUNNING, Caution, Cleanup, Part, Run, Skip, text_of
from envbench.run.machine import machine
from envbench.run.scheduler import Unfinished
from envbench.settings import Plan, Settings
from envbench.settings.condition import LogReady, PortReady, as_record

_LIBRARIES = ("scipy", "pandas", "matplotlib", "jinja2", "rich", "click", "psutil")


class RunRecord:
    """The run.json of one run; `run` is what will be written. `save` raises EnvbenchError where it cannot be."""

    def __init__(
        self, folder: Path, settings: Settings, plan: Plan, command: Sequence[str], host: Mapping[str, Any]
    ) -> None:
        self._path = folder / RUN_FILE
        self.run: Run[Mapping[str, Any]] = Run(
            tool_version=__version__,
            run_id=settings.run_id,
            started_at=_now(),
            command=tuple(without_values(command)),
            seed=plan.seed,
            plan={**plan.as_record(), "deadline_s": settings.deadline_s, **_asked(settings)},
            host=host,
            machine=machine(settings.work_dir),
            libraries=library_versions(),
            outcome=RUNNING,
        )

    def save(self) -> None:
        """Write the record, whole or not at all."""
        part = self._path.with_suffix(".json.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text_of(self.run))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise EnvbenchError(
                f"{self._path} cannot be written: {error.strerror}", remedy="free space, or another --output"
            ) from error

    def note_options(self, file: str, words: Sequence[str]) -> None:
        """Note which options came from a file, as words of a command line."""
        self._note(options_file=file, file_options=tuple(without_values(words)))

    def change_plan(self, changed: Mapping[str, Any]) -> None:
        """Note what of the plan was changed to fit the backends that were found."""
        self._note(plan={**self.run.plan, **changed})

    def describe_payload(self, tree: PayloadTree, kernel: GuestKernel | None, also: Sequence[str]) -> None:
        """Note what every backend runs, what guests boot, and the profiles of the whole systems beside it."""
        booted = None if kernel is None else run_json.Kernel(kernel.release, kernel.sha256, kernel.source)
        self._note(
            payload=run_json.Payload(
                profile=tree.profile,
                digest=tree.digest,
                tree_bytes=tree.size_bytes,
                busybox=tree.busybox.version,
                kernel=booted,
                also=tuple(also),
            )
        )

    def add_used(self, backend: Backend, usable: Usable, variants: Sequence[Mapping[str, str]]) -> None:
        """Note a backend that takes part, with all that a report has to know of it."""
        facts, before = dict(usable.facts), self.run.backends
        used = run_json.Used(
            name=backend.name,
            title=backend.title,
            kind=backend.kind,
            images=backend.images,
            is_vm=backend.kind is BackendKind.VM,
            variants=tuple(dict(variant) for variant in variants),
            facts=facts,
        )
        self._note(
            backends=replace(before, used=(*before.used, used)),
            engines={**self.run.engines, backend.name: facts},
            libraries={**self.run.libraries, **library_versions(backend.libraries)},
        )
        if "kvm" in facts:
            accelerators = {variant["accel"] for variant in variants if "accel" in variant}
            self._note(accelerator=run_json.Accelerator(_kvm(facts), tuple(sorted(accelerators))))

    def add_skipped(self, name: str, unusable: Unusable, variant: Mapping[str, str] | None = None) -> None:
        """Note a backend, or one variant of it, that does not take part, with its reason and remedy."""
        only = UNSET if variant is None else dict(variant)
        skipped = run_json.Skipped(name=name, reason=unusable.reason, remedy=unusable.remedy, variant=only)
        before = self.run.backends
        self._note(backends=replace(before, skipped=(*before.skipped, skipped)))

    def add_warnings(self, cautions: Sequence[Caution]) -> None:
        """Note what makes the figures less sure."""
        self._note(warnings=(*self.run.warnings, *cautions))

    def note_unfinished(self, unfinished: Sequence[Unfinished]) -> None:
        """Note which backends did not get what was planned."""
        self._note(
            unfinished=tuple(
                run_json.Unfinished(
                    backend=one.configuration.backend,
                    variant=one.configuration.variant_text,
                    profile=one.configuration.profile,
                    runs=one.runs,
                    needed=one.needed,
                    reason=one.reason,
                    remedy=one.remedy,
                )
                for one in unfinished
            )
        )

    def note_skips(self, skips: Sequence[Skip]) -> None:
        """Note all that could not be measured so far."""
        self._note(skips=tuple(skips))

    def note_parts(self, took_s: Mapping[str, float]) -> None:
        """Note how long each part of the run took."""
        self._note(parts=tuple(Part(name=name, took_s=round(seconds, 3)) for name, seconds in took_s.items()))

    def note_end(self, checked: Mapping[str, int], leaked: Sequence[str], noise: Mapping[str, Any]) -> None:
        """Note how much was looked at when the run was over, what of it is left, and how calm the machine was."""
        self._note(cleanup=Cleanup(dict(checked), tuple(leaked)), noise=dict(noise))

    def finish(self, outcome: str | None, exit_code: int) -> None:
        """Note how the run ended (None: as it is noted already) and save."""
        self._note(ended_at=_now(), outcome=outcome or self.run.outcome, exit_code=exit_code)
        self.save()

    def _note(self, **changed: Any) -> None:
        self.run = replace(self.run, **changed)


def _kvm(facts: Mapping[str, str]) -> run_json.Kvm:
    canary_s = facts.get("kvm_canary_s")
    return run_json.Kvm(
        facts["kvm"] == "usable", facts.get("kvm_because", ""), None if canary_s is None else float(canary_s)
    )


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
    """Return a command line without what may be secret: the values of --env NAME=VALUE, passwords in addresses."""
    shown = [without_passwords(word) for word in command]
    for place, word in enumerate(command):
        if word.startswith("--env="):
            shown[place] = f"--env={_name_alone(word.removeprefix('--env='))}"
        elif place and command[place - 1] == "--env":
            shown[place] = _name_alone(word)
    return shown


def _name_alone(pair: str) -> str:
    name, has_value, _ = pair.partition("=")
    return f"{name}=…" if has_value else name


def _asked(settings: Settings) -> dict[str, Any]:
    """Return the settings that change what is measured, without paths of this run."""
    left_out = ("run_id", "work_dir", "cache_dir", "deadline_s", "quick", "offline", "found", "environment", "ready")
    asked = {one.name: getattr(settings, one.name) for one in fields(settings) if one.name not in left_out}
    ready = settings.ready
    older = {
        "image": settings.images[0] if len(settings.images) == 1 else None,
        "disk": settings.disks[0] if len(settings.disks) == 1 else None,
        "kernel": settings.kernels[0] if len(settings.kernels) == 1 else None,
        "ready_pattern": ready.regex if isinstance(ready, LogReady) else None,
        "port_ready": ready if isinstance(ready, PortReady) else None,
    }
    return {**asked, **older, "ready": as_record(ready)}


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
