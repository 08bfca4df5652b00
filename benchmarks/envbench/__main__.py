"""`python -m envbench`, and the console script of the same name. Every Python there is can parse this file."""

import sys


def main():  # type: () -> None  # noqa: ANN201 - an annotation, which Python 2 could not parse
    """Run the command line and exit with its code (README.md, "Exit codes")."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the wheel is envinspect's, which runs on 3.9
        sys.stderr.write("envbench: needs Python 3.11 or newer, this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
        sys.exit(1)
    from envbench.surroundings.streams import make_usable

    make_usable()
    from envbench.commands.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
