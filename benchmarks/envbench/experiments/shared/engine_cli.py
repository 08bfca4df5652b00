"""The engines' own command lines, for what their users do by hand: load, save, stats, update."""

import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.docker import DockerBackend
from envbench.backends.shared.child import run_command
from envbench.errors import BackendError, one_line
from envbench.run.bench import Prepared
from envbench.settings import LABEL

PROGRAMS = {"docker": "docker", "podman": "podman"}


@dataclass(frozen=True, slots=True)
class EngineCli:
    """An engine's program on this machine; `options` stand before its command: they name the backend's own engine."""

    program: str
    options: tuple[str, ...] = ()

    def run(self, run_id: str, *words: str | Path, deadline_s: float = 60.0) -> str:
        """Return what a command prints. Raises BackendError with the engine's own words where it fails."""
        return run_command((self.program, *self.options, *words), run_id, f"{self.program} {words[0]}", deadline_s)

    def attempt(self, run_id: str, *words: str | Path) -> tuple[bool, str]:
        """Return whether a command worked, and its words either way."""
        try:
            return True, self.run(run_id, *words).strip()
        except BackendError as error:
            return False, one_line(error)


def engine_cli(prepared: Prepared) -> EngineCli | None:
    """Return the command line of this backend's engine, None where it has none (or it is not installed)."""
    program = PROGRAMS.get(prepared.configuration.backend)
    if not program or not shutil.which(program):
        return None
    # Without the option Docker's program goes by its context, which may lead to another engine.
    options = ("--host", prepared.backend.endpoint()) if isinstance(prepared.backend, DockerBackend) else ()
    return EngineCli(program, options)


def image_of(prepared: Prepared, cli: EngineCli, run_id: str) -> str:
    """Return the image that this backend starts from. Raises BackendError where the engine has none of this run."""
    ask = getattr(prepared.backend, "image", None)
    if ask is not None:
        return str(ask())
    names = cli.run(
        run_id, "images", "--filter", f"label={LABEL}={run_id}", "--format", "{{.Repository}}:{{.Tag}}"
    ).split()
    if not names:
        raise BackendError(f"{cli.program} lists no image of this run")
    return names[0]


def run_words(prepared: Prepared, cli: EngineCli) -> tuple[str, ...]:
    """Return the words for `run`: Podman's default runtime and limits may not work here, where the backend's own do."""
    runtime = prepared.configuration.variant.get("runtime")
    if cli.program != "podman" or not runtime:
        return ("run",)
    files, processes = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    pids = int(Path("/proc/sys/kernel/pid_max").read_text("ascii"))
    most = pids if processes == resource.RLIM_INFINITY else min(processes, pids)
    limits = ("--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={most}:{most}")
    return ("--runtime", runtime, "run", *limits)
