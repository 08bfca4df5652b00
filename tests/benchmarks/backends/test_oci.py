"""What the bare runtimes have each for itself."""

import os
from pathlib import Path

import pytest

from envbench.backends import load
from envbench.backends.containerd.backend import namespace_of
from envbench.settings import Settings
from envbench.traces.journal import Journal


def test_no_backend_ends_what_runs_in_the_cgroup_of_another(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing one removes its cgroup with all that runs in it, while `doctor` still asks others of the same run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    journal = Journal(settings.run_id)
    runtimes = [load(name)(settings, journal) for name in ("runc", "crun")]
    groups = [runtime.cgroups_path("container").split("/")[1] for runtime in runtimes]
    # containerd puts its containers below one that is named after their namespace.
    assert len({*groups, namespace_of(settings.run_id)}) == 3
    assert all(settings.run_id in group for group in groups), "what is left of a run is found by its id"
    journal.close()
