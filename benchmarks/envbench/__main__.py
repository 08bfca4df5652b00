"""`python -m envbench`, and the console script of the same name."""

import sys


def main() -> None:
    """Run the command line and exit with the code of contract 3."""
    from envbench.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
