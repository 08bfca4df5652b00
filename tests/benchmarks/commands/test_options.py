"""Which payloads a command starts: asked for, or by its own default."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from envbench.commands.cli import cli, main
from envbench.commands.gating import read_gates
from envbench.commands.options import chosen_profiles, make_plan, make_settings, own_names
from envbench.commands.startup import startup
from envbench.errors import UsageError
from envbench.settings.condition import HttpReady, LogReady

NOTHING = {"profiles": (), "quick": False, "image": (), "disk": (), "kernel": (), "initrd": None, "boots": ()}


@pytest.mark.parametrize(
    ("options", "whole_systems", "profiles"),
    [
        ({}, True, ("minimal", "distro", "service")),
        ({}, False, ("minimal",)),
        ({"quick": True}, True, ("minimal", "distro")),
        ({"profiles": ("service", "minimal")}, True, ("minimal", "service")),
        ({"profiles": ("distro",)}, False, ("distro",)),
        ({"image": ("debian",)}, True, ("minimal",)),
        ({"boots": ("floor",)}, True, ("minimal",)),
        ({"profiles": ("distro",), "boots": ("kernel",)}, True, ("distro",)),
    ],
)
def test_a_payload_of_ones_own_stands_alone_and_quick_runs_have_one_pair(options, whole_systems, profiles):
    assert chosen_profiles(NOTHING | options, whole_systems=whole_systems) == profiles


def test_each_of_ones_own_has_a_name_that_gates_know():
    one, two = Path(__file__), Path(__file__).with_name("test_startup.py")
    words = ("--image", "app:1", "--image", "app:2", "--kernel", str(one), "--kernel", str(two), "--disk", str(one))
    options = startup.make_context("startup", list(words)).params
    own = own_names(options)
    assert (own["image"], own["disk"], own["kernel"]) == (("app:1", "app:2"), (), (one.name, two.name))
    plan = make_plan(options)
    read_gates(replace(plan, fail_if=("docker[image=app:2].ready > 2s",)), ["ready"], own)
    with pytest.raises(UsageError, match=r"no image 'app:3'; did you mean app:"):
        read_gates(replace(plan, fail_if=("docker[image=app:3].ready > 2s",)), ["ready"], own)
    with pytest.raises(UsageError, match=r"no disk 'x.img'; this run has none with a name"):
        read_gates(replace(plan, fail_if=("qemu[disk=x.img].ready > 2s",)), ["ready"], own)


@pytest.mark.parametrize(
    ("words", "gate", "said"),
    [
        ((), "docker/own.ready > 2s", "no profile 'own'"),
        ((), "qemu/floor.ready > 2s", "no profile 'floor'"),
        ((), "docker[network=nne].ready > 2s", "no network 'nne'; did you mean none"),
        ((), "qemu[accel=tgc].ready > 2s", "no accel 'tgc'; did you mean tcg"),
        (("--image", "app:1"), "docker/own.ready > 2s", ""),
        (("--boot", "floor"), "qemu[boot=floor,accel=tcg]/floor.ready > 2s", ""),
        (("--network", "bridge"), "docker[network=bridge].ready > 2s", ""),
    ],
)
def test_a_gate_on_what_these_options_cannot_write_is_refused(words, gate, said):
    options = startup.make_context("startup", list(words)).params
    plan = replace(make_plan(options), fail_if=(gate,))
    if not said:
        read_gates(plan, ["ready"], own_names(options))
        return
    with pytest.raises(UsageError, match=said):
        read_gates(plan, ["ready"], own_names(options))


def test_a_list_in_the_file_is_several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envbench.toml").write_text('image = ["app:1", "app:2"]\nready = "log:up"\n')
    with cli.make_context("envbench", ["startup"]) as above:
        found = startup.make_context("startup", [], parent=above).params
    assert found["image"] == ("app:1", "app:2")
    (tmp_path / "envbench.toml").write_text('image = "app:1"\n')
    with cli.make_context("envbench", ["startup"]) as above:
        assert startup.make_context("startup", [], parent=above).params["image"] == ("app:1",)


def asked(*words: str):
    """Return the settings that a command line asks for."""
    options = startup.make_context("startup", list(words)).params
    return make_settings("a123", Path("work"), options)


def test_an_image_with_a_ready_condition_gets_a_network_and_what_was_asked_for():
    found = asked("--image", "nginx", "--ready", "http:80/", "--env", "A=b=c", "--command", "nginx -g 'daemon off;'")
    assert (found.networks, found.ready) == (("bridge",), HttpReady(80))
    assert (found.environment, found.command) == (("A=b=c",), ("nginx", "-g", "daemon off;"))
    more = asked("--image", "nginx", "--ready", "log:a", "--port", "8080:80", "--volume", "/data", "--parallel", "1")
    assert (more.networks, more.published, more.volumes) == (("bridge",), ("8080:80",), ("/data",))
    by_log = asked("--image", "nginx", "--ready", "log:started in [0-9]+ s")
    assert (by_log.networks, by_log.ready) == (("none",), LogReady("started in [0-9]+ s"))
    assert asked("--image", "nginx", "--ready-pattern", "a+").ready == LogReady(r"a\+"), "a plain text"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ready", "http:80/"), "--image or --disk"),
        (("--image", "a", "--ready", "http:80/", "--network", "none"), "publishes no port"),
        (("--image", "a", "--ready", "log:a", "--ready-pattern", "a"), "one of them"),
        (("--image", "a", "--command", "b", "--port", "80"), "--command and --port: for an image with --ready"),
        (("--disk", __file__, "--ready", "log:a", "--volume", "/a"), "--volume: for an image"),
        (("--image", "a", "--ready", "log:a", "--env", "=b"), "NAME=VALUE"),
        (("--image", "a", "--ready", "log:a", "--port", "80", "--network", "none"), "publishes no port"),
        (("--image", "a", "--ready", "log:a", "--port", "8080:80", "--parallel", "2"), "one start at a time"),
        (("--disk", __file__), "--disk needs --ready"),
        (("--disk", __file__, "--ready", "health"), "no machine has that way in"),
        (("--image", "a", "--disk", __file__, "--ready", "exec:true"), "no machine has that way in"),
        (
            ("--image", "a", "--ready", "log:("),
            "no regular expression: missing .*at its character 1",
        ),
        (("--image", "a", "--ready-pattern", ""), "empty line"),
        (("--image", "a:1", "--image", "a:1"), "a:1 is given twice"),
        (("--image", "r:5000/a", "--image", "r:5000/a:latest"), "r:5000/a:latest is given twice"),
        (("--kernel", __file__, "--kernel", f"{Path(__file__).parent}/./{Path(__file__).name}"), "is given twice"),
    ],
)
def test_conditions_that_can_never_be_met_are_refused_before_anything_is_started(words, said):
    with pytest.raises(click.UsageError, match=said):
        asked(*words)


@pytest.mark.parametrize("option", ["--deadline", "--budget", "--cpus"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "1e300"])
def test_a_number_that_nothing_reaches_is_refused(option, number, capsys):
    assert main(["startup", "--backend", "process", f"{option}={number}"]) == 2
    assert option in capsys.readouterr().err


def test_a_deadline_that_no_system_call_can_wait_for_is_refused(capsys):
    assert main(["startup", "--backend", "process", "--deadline", "9999999"]) == 2
    assert "1000000" in capsys.readouterr().err


def test_what_is_named_twice_is_measured_once():
    words = (
        "--backend",
        "process",
        "--backend",
        "runc",
        "--backend",
        "process",
        "--network",
        "none",
        "--network",
        "none",
    )
    options = startup.make_context("startup", list(words)).params
    assert (options["backends"], options["networks"]) == (("process", "runc"), ("none",))


@pytest.mark.parametrize("share", ["5", "1.5", "0", "0%", "9" * 400 + "%", "nan", "5 %"])
def test_a_share_that_no_gate_would_reach_is_refused(share, tmp_path, capsys):
    words = ["startup", "--backend", "process", "--baseline", str(tmp_path), f"--max-regression={share}"]
    assert main(words) == 2
    assert "is no share; try: 5%" in capsys.readouterr().err
