"""One file a sub-command of envbench; `envbench.cli.COMMANDS` names them."""
