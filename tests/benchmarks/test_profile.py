"""What a backend runs is told by its profile: the run's payload, the floor's boot sector, or something of the
user's."""

from pathlib import Path

import pytest

from envbench.backends import load
from envbench.settings import Settings, profile_of

OWN = Path("own")


@pytest.mark.parametrize(
    ("backend", "boot", "given", "profile"),
    [
        ("docker", None, {}, "minimal"),
        ("docker", None, {"profile": "distro"}, "distro"),
        ("docker", None, {"image": "debian"}, "own"),
        ("docker", None, {"disk": OWN}, "minimal"),
        ("process", None, {"image": "debian"}, "minimal"),
        ("qemu", "floor", {}, "floor"),
        ("qemu", "floor", {"disk": OWN}, "floor"),
        ("qemu", "disk", {"disk": OWN}, "own"),
        ("qemu", "disk", {"profile": "distro"}, "distro"),
        ("qemu", "kernel", {"image": "debian"}, "minimal"),
        ("libvirt", "kernel", {"initrd": OWN}, "own"),
    ],
)
def test_the_profile_says_what_a_backend_runs(
    tmp_path: Path, backend: str, boot: str | None, given: dict, profile: str
):
    settings = Settings(run_id="run", work_dir=tmp_path, cache_dir=tmp_path, **given)
    assert profile_of(settings, {"boot": boot} if boot else {"runtime": "runc"}, load(backend).images) == profile
