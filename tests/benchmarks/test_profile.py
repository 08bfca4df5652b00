"""What a backend runs is told by its profile: the run's payload, the floor's boot sector, or something of the
user's."""

from dataclasses import replace
from pathlib import Path

import pytest

from envbench.backends import load
from envbench.records.samples import variant_keys, variant_text
from envbench.run.scheduler import dry_run
from envbench.settings import (
    Configuration,
    Plan,
    Settings,
    container_variants,
    file_names,
    file_variants,
    profile_of,
)
from envreport.selectors import parse_selector

OWN = Path("own")


@pytest.mark.parametrize(
    ("backend", "boot", "given", "profile"),
    [
        ("docker", None, {}, "minimal"),
        ("docker", None, {"profile": "distro"}, "distro"),
        ("docker", None, {"images": ("debian",)}, "own"),
        ("docker", None, {"disks": (OWN,)}, "minimal"),
        ("process", None, {"images": ("debian",)}, "minimal"),
        ("qemu", "floor", {}, "floor"),
        ("qemu", "floor", {"disks": (OWN,)}, "floor"),
        ("qemu", "disk", {"disks": (OWN,)}, "own"),
        ("qemu", "disk", {"profile": "distro"}, "distro"),
        ("qemu", "kernel", {"images": ("debian",)}, "minimal"),
        ("libvirt", "kernel", {"initrd": OWN}, "own"),
    ],
)
def test_the_profile_says_what_a_backend_runs(
    tmp_path: Path, backend: str, boot: str | None, given: dict, profile: str
):
    settings = Settings(run_id="run", work_dir=tmp_path, cache_dir=tmp_path, **given)
    assert profile_of(settings, {"boot": boot} if boot else {"runtime": "runc"}, load(backend).images) == profile


def test_files_of_the_users_get_short_names_that_tell_them_apart():
    assert file_variants("disk", [Path("/a/root.img")]) == [{}], "a single one needs no name"
    of_two = file_names([Path("/a/v1/root.img"), Path("/a/v2/root.img")])
    assert list(of_two) == ["v1/root.img", "v2/root.img"]
    assert list(file_names([Path("/a/x.img"), Path("/b/y.img")])) == ["x.img", "y.img"]
    assert list(file_names([Path("/x.img"), Path("/a/x.img")])) == ["/x.img", "a/x.img"]
    odd = file_names([Path("/a b;c=d.img"), Path("/a,b]c d.img"), Path("/a b;c_d.img")])
    assert list(odd) == ["a_b_c_d.img", "a_b_c_d.img-2", "a_b_c_d.img-3"]
    for name in odd:
        assert variant_keys(variant_text({"disk": name, "boot": "disk"}))["disk"] == name
        assert parse_selector(f"qemu[disk={name}].ready").variant == (("disk", name),)


def test_each_image_is_a_variant_and_takes_turns_with_the_others():
    settings = Settings("run", Path("work"), Path("cache"), images=("app:1", "app:2"), disks=(Path("/d"),))
    found = container_variants(settings, ("runc",))
    assert [one["image"] for one in found] == ["app:1", "app:2"]
    assert [settings.image_of(one) for one in found] == ["app:1", "app:2"]
    assert replace(settings, images=()).image_of(found[0]) is None, "a payload of ours in the user's place"
    assert (settings.disk_of({"boot": "disk"}), settings.kernel_of({})) == (Path("/d"), None)
    two = replace(settings, disks=(Path("/a/d"), Path("/b/d")))
    assert [two.disk_of(one) for one in file_variants("disk", two.disks)] == [Path("/a/d"), Path("/b/d")]
    order = [str(one) for _, warmup, one in dry_run([Configuration("docker", one) for one in found], Plan(runs=6))]
    assert all(set(order[at : at + 2]) == set(order[:2]) for at in range(0, len(order), 2)), "both in each round"
    assert {order[at] for at in range(0, len(order), 2)} == set(order), "now this one first, now that one"
