"""What the user named must be measured: a run in which nothing starts it has measured something else."""

from pathlib import Path

import pytest

from envbench.run.session import own_left_out
from envbench.settings import Configuration, Settings


@pytest.mark.parametrize(
    ("given", "opened", "left_out"),
    [
        ({}, [("process", {})], ""),
        ({"images": ("app:1",)}, [("process", {}), ("qemu", {"accel": "tcg"})], "app:1"),
        ({"images": ("app:1",)}, [("process", {}), ("docker", {"image": "app:1"})], ""),
        ({"images": ("app:1", "app:2")}, [("docker", {"image": "app:2"})], ""),
        ({"images": ("app:1", "app:2")}, [("runc", {})], "app:1, app:2"),
        ({"disks": (Path("/d"),)}, [("docker", {})], "/d"),
        ({"disks": (Path("/d"),)}, [("qemu", {"disk": "d"})], ""),
        ({"kernels": (Path("/k"),)}, [("process", {}), ("docker", {})], "/k"),
        ({"kernels": (Path("/k"),)}, [("process", {}), ("qemu", {})], ""),
    ],
)
def test_what_the_user_named_is_started_by_something(given, opened, left_out, tmp_path):
    settings = Settings("0123456789ab", tmp_path, tmp_path, **given)
    assert own_left_out(settings, [Configuration(name, variant) for name, variant in opened]) == left_out
