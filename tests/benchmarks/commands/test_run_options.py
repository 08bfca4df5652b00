"""--env, --port and --volume are read as docker run reads them."""

import click
import pytest

from envbench.commands.run_options import (
    fixed_ports,
    name_in_registry,
    read_command,
    read_environment,
    read_ports,
    read_volumes,
)


def test_a_name_alone_has_our_value_and_is_left_out_without_one():
    ours = {"HOME": "/home/me", "EMPTY": ""}
    assert read_environment(("A=b=c", "HOME", "EMPTY", "NOT_SET", "B="), ours) == (
        *("A=b=c", "HOME=/home/me", "EMPTY=", "B="),
    )


@pytest.mark.parametrize("word", ["", "=a"])
def test_a_variable_has_a_name(word):
    with pytest.raises(click.BadParameter, match="NAME"):
        read_environment((word,), {})


def test_ports_and_which_of_them_are_fixed():
    words = ("80", "8080:80", "127.0.0.1:8080:80/udp", "127.0.0.1::80", "[::1]:53:53/tcp")
    assert read_ports(words) == words
    assert fixed_ports(words) == ("8080:80", "127.0.0.1:8080:80/udp", "[::1]:53:53/tcp")


@pytest.mark.parametrize("word", ["", "a", ":80", "80:", "0", "70000", "80:70000", "80/icmp", "1:2:3:4", "80-90"])
def test_what_is_no_port_is_refused(word):
    with pytest.raises(click.BadParameter, match="no port"):
        read_ports((word,))


def test_folders_are_whole_paths_and_names_stay(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    words = ("./data:/data:ro", f"{tmp_path}:/all", "kept:/kept", "/made")
    assert read_volumes(words) == (f"{tmp_path}/data:/data:ro", f"{tmp_path}:/all", "kept:/kept", "/made")


@pytest.mark.parametrize(
    ("word", "said"), [("a:b", "no volume"), ("", "no volume"), ("/a:ro", "no volume"), ("/no/such:/a", "mkdir")]
)
def test_what_is_no_volume_or_would_be_left_behind_is_refused(word, said):
    with pytest.raises(click.BadParameter, match=said):
        read_volumes((word,))


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("localhost/a", "localhost/a:latest"),
        ("reg:5000/shop/web:v3", "reg:5000/shop/web:v3"),
        ("registry.example/a@sha256:00", "registry.example/a@sha256:00"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
    ],
)
def test_an_image_in_a_registry_has_its_whole_name(word, name):
    assert name_in_registry(word) == name


@pytest.mark.parametrize(
    "word", ["nginx", "library/nginx", "user:password@reg.example/a", "https://reg.example/a", "reg:5000/"]
)
def test_what_names_no_registry_is_refused(word):
    with pytest.raises(click.BadParameter, match="no image in a registry"):
        name_in_registry(word)


def test_a_command_with_an_open_quotation_is_refused():
    assert read_command("sh -c 'a b'") == ("sh", "-c", "a b")
    assert read_command(None) == ()
    with pytest.raises(click.BadParameter, match="No closing quotation"):
        read_command("sh -c 'a b")


def test_a_folder_that_may_not_be_looked_into_is_not_called_absent():
    with pytest.raises(click.BadParameter, match="File name too long"):
        read_volumes(("/tmp/" + "a" * 300 + ":/a",))
