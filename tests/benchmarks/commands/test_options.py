"""Which payloads a command starts: asked for, or by its own default."""

import pytest

from envbench.commands.options import chosen_profiles

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
