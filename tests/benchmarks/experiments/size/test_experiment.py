"""Sizes that cannot be true together are no rows."""

from envbench.experiments.size.experiment import (
    FILESYSTEM,
    Artefact,
    contradiction,
    found_in_part,
    known_items,
    tree_artefact,
    with_filesystem,
)


def test_files_are_never_longer_than_what_the_instance_sees():
    packed_size_for_virtual = Artefact(1_100_000, 1_106_794, 1_106_794, {"app": 1_984_930})
    assert "1984930" in contradiction(packed_size_for_virtual)
    assert contradiction(Artefact(None, 10, 100, {"app": 60, "other": 41, FILESYSTEM: 900}))
    assert not contradiction(Artefact(None, 4_000, 100, {"app": 60, "other": 40, FILESYSTEM: 3_900}))
    assert not contradiction(Artefact(None, 10, None, {"app": 60}))


def test_a_trees_sizes_agree(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/busybox").write_bytes(b"x" * 5000)
    found = tree_artefact(tmp_path)
    assert (found.virtual, found.items["app"]) == (5000, 5000)
    assert found.disk == 5000 + found.items[FILESYSTEM] >= 8192
    assert not contradiction(found)


def test_what_is_not_known_of_the_disk_says_nothing_of_its_filesystem():
    assert with_filesystem({"app": 10}, None) == {"app": 10}


def test_an_app_that_is_not_recognised_is_not_absent():
    assert known_items({"app": 0, "kernel": 0, "other": 9}, "own") == {"kernel": 0, "other": 9}
    assert known_items({"app": 0, "kernel": 0}, "service") == {"app": 0, "kernel": 0}


def test_what_was_not_found_in_a_part_of_a_disk_is_not_absent():
    assert found_in_part({"kernel": 5, "modules": 0, "libraries": 7, "other": 9}) == {"kernel": 5, "libraries": 7}
