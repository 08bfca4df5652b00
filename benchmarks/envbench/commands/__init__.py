"""One file a sub-command of envbench; `envbench.commands.cli.COMMANDS` names them."""
