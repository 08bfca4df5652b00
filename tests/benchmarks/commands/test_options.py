"""Which payloads a command starts: asked for, or by its own default."""

from pathlib import Path

import click
import pytest

from envbench.commands.options import Ready, chosen_profiles, make_settings
from envbench.commands.startup import startup
from envbench.settings import HttpReady, TcpReady

NOTHING = {"profiles": (), "quick": False, "image": None, "disk": None, "kernel": None, "initrd": None, "boots": ()}


@pytest.mark.parametrize(
    ("options", "whole_systems", "profiles"),
    [
        ({}, True, ("minimal", "distro", "service")),
        ({}, False, ("minimal",)),
        ({"quick": True}, True, ("minimal", "distro")),
        ({"profiles": ("service", "minimal")}, True, ("minimal", "service")),
        ({"profiles": ("distro",)}, False, ("distro",)),
        ({"image": "debian"}, True, ("minimal",)),
        ({"boots": ("floor",)}, True, ("minimal",)),
        ({"profiles": ("distro",), "boots": ("kernel",)}, True, ("distro",)),
    ],
)
def test_a_payload_of_ones_own_stands_alone_and_quick_runs_have_one_pair(options, whole_systems, profiles):
    assert chosen_profiles(NOTHING | options, whole_systems=whole_systems) == profiles


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        ("http:80", HttpReady(80)),
        ("http:8080/health?full=1=204", HttpReady(8080, "/health?full=1", 204)),
        ("http:80/a=b", HttpReady(80, "/a=b")),
        ("tcp:5432", TcpReady(5432)),
        ("log:listening on", "listening on"),
    ],
)
def test_what_means_ready_is_read(words, ready):
    assert Ready().convert(words, None, None) == ready


@pytest.mark.parametrize("words", ["http:0/", "http:70000/", "tcp:80=200", "tcp:", "log:", "http:80/a b", "health", ""])
def test_what_cannot_mean_ready_is_refused(words):
    with pytest.raises(click.BadParameter, match="log:TEXT"):
        Ready().convert(words, None, None)


def asked(*words: str):
    """Return the settings that a command line asks for."""
    options = startup.make_context("startup", list(words)).params
    return make_settings("a123", Path("work"), options)


def test_an_image_with_a_ready_condition_gets_a_network_and_what_was_asked_for():
    found = asked("--image", "nginx", "--ready", "http:80/", "--env", "A=b=c", "--command", "nginx -g 'daemon off;'")
    assert (found.networks, found.port_ready, found.ready_pattern) == (("bridge",), HttpReady(80), None)
    assert (found.environment, found.command) == (("A=b=c",), ("nginx", "-g", "daemon off;"))
    by_log = asked("--image", "nginx", "--ready", "log:started")
    assert (by_log.networks, by_log.port_ready, by_log.ready_pattern) == (("none",), None, "started")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ready", "http:80/"), "--image or --disk"),
        (("--image", "a", "--ready", "http:80/", "--network", "none"), "publishes no port"),
        (("--image", "a", "--ready", "log:a", "--ready-pattern", "a"), "one of them"),
        (("--image", "a", "--command", "b"), "need --ready"),
        (("--image", "a", "--ready", "log:a", "--env", "b"), "NAME=VALUE"),
        (("--disk", __file__), "--disk needs --ready"),
    ],
)
def test_conditions_that_can_never_be_met_are_refused_before_anything_is_started(words, said):
    with pytest.raises(click.UsageError, match=said):
        asked(*words)
