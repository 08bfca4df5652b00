"""The help of a command with many options groups them."""

import click
import pytest

from envbench.commands.cli import cli, main
from envbench.commands.sections import SECTIONS, Sectioned
from envbench.experiments import EXPERIMENTS

MEASURING = ("startup", "all", *EXPERIMENTS)


@pytest.mark.parametrize("name", MEASURING)
def test_every_option_stands_in_one_section(name, capsys):
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, Sectioned)
    placed = [param for names in SECTIONS.values() for param in names]
    assert len(placed) == len(set(placed))
    assert {param.name for param in command.params} <= set(placed)
    main([name, "--help"])
    shown = capsys.readouterr().out
    titles = [title for title, names in SECTIONS.items() if any(one.name in names for one in command.params)]
    assert [line[:-1] for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        *titles,
        "Options",
    ]
    for param in command.params:
        assert param.opts[0] in shown


def test_a_section_names_only_what_some_command_has():
    params = {
        param.name
        for name in MEASURING
        if (found := cli.get_command(click.Context(cli), name))
        for param in found.params
    }
    assert {name for names in SECTIONS.values() for name in names} <= params
