"""Whoever waits for a download or a build is told how much is there."""

import threading

from envbench.payload.growth import growing, size_of_tree, tell_grown


def test_what_grows_is_told_while_it_grows_and_at_the_end(tmp_path):
    told: list[tuple[str, int]] = []
    heard = threading.Event()

    def grew(what: str, size_bytes: int) -> None:
        told.append((what, size_bytes))
        heard.set()

    (tmp_path / "first").write_bytes(bytes(1000))
    with growing("distro", tmp_path, grew, every_s=0.01):
        assert heard.wait(60)
        (tmp_path / "second").write_bytes(bytes(500))
    assert told[0] == ("distro", 1000)
    assert told[-1] == ("distro", 1500)


def test_links_and_folders_are_no_bytes(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("folder/file")
    assert size_of_tree(tmp_path) == 3
    assert size_of_tree(tmp_path / "not there yet") == 0


def test_people_read_megabytes(capsys):
    tell_grown("distro", 187_400_000)
    assert capsys.readouterr().err == "distro: 187 MB so far\n"
