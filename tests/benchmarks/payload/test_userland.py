"""What a whole userland is made of, where it is kept, and what is said where it cannot be had; nothing is built."""

from pathlib import Path

import pytest

from envbench.errors import BackendError
from envbench.payload import userland
from envbench.payload.userland import IMAGES, MACHINES, USERLANDS, Userland, bootstrap_command, require_userland
from envbench.settings import WHOLE_SYSTEMS, Settings


def test_every_whole_system_has_an_image_and_a_machine() -> None:
    assert set(IMAGES) == set(MACHINES) == set(WHOLE_SYSTEMS)
    assert {*IMAGES.values(), *MACHINES.values(), "another", "login"} == set(USERLANDS)


def test_the_services_image_has_no_init_and_its_machine_is_the_distro_with_it() -> None:
    assert "systemd-sysv" not in USERLANDS[IMAGES["service"]].packages
    assert set(USERLANDS["distro"].packages) < set(USERLANDS[MACHINES["service"]].packages)


def test_a_change_of_anything_makes_another_tree(tmp_path: Path) -> None:
    keys = {one.key for one in USERLANDS.values()}
    assert len(keys) == len(USERLANDS)
    assert Userland(("a",), {}, {}, {}).key != Userland(("a",), {}, {"etc/hostname": "x"}, {}).key
    assert Userland(("a",), {}, {}, {}).key != Userland(("a",), {}, {}, {}, slim=True).key
    folder = userland.userland_folder(tmp_path, "distro")
    assert folder.parent == tmp_path / "distro"
    assert folder.name.endswith(USERLANDS["distro"].key)


def test_another_release_is_of_the_same_distribution_and_not_this_one(tmp_path: Path, monkeypatch) -> None:
    release = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(userland.platform, "freedesktop_os_release", lambda: release)
    assert "-trixie-" in userland.userland_folder(tmp_path, "another").name
    assert "-bookworm-" in userland.userland_folder(tmp_path, "distro").name
    release["VERSION_CODENAME"] = "potato"
    with pytest.raises(BackendError, match="no other release"):
        require_userland(tmp_path, "another")


def test_links_and_files_do_not_leave_the_tree() -> None:
    for one in USERLANDS.values():
        for name in (*one.programs, *one.files, *one.links):
            assert not name.startswith("/")
            assert ".." not in Path(name).parts


def test_manuals_are_left_out_of_a_slim_image_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(userland.shutil, "which", lambda name: f"/usr/bin/{name}")
    slim = bootstrap_command(Path("/t"), "trixie", USERLANDS["service"])
    whole = bootstrap_command(Path("/t"), "trixie", USERLANDS["distro"])
    assert slim is not None
    assert whole is not None
    assert any("man" in word for word in slim)
    assert not any("man/" in word for word in whole)
    assert slim[-2:] == whole[-2:] == ["trixie", "/t"]


def test_offline_nothing_is_built_and_the_way_to_get_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"no distro userland in .*, and nothing may be downloaded") as caught:
        require_userland(tmp_path, "distro", offline=True)
    assert "envbench fetch distro" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_names_of_instances_tell_whole_systems_apart(tmp_path: Path) -> None:
    stems = {Settings("r", tmp_path, tmp_path, profile=name).stem for name in ("minimal", "distro", "service")}
    assert stems == {"envbench-r", "envbench-r-distro", "envbench-r-service"}
