"""`envbench completion`: the script that makes a shell complete envbench's commands and options."""

import click
from click.shell_completion import get_completion_class

from envbench.commands.names import OneOf
from envbench.errors import UsageError


@click.command()
@click.argument("shell", type=OneOf(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell, e.g. `eval "$(envbench completion bash)"`."""
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "envbench", "_ENVBENCH_COMPLETE").source())
