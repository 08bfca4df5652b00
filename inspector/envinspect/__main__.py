"""The command `envinspect`. Every Python there is can parse this file, so that an old one gets a line, no traceback."""

import sys


def main():  # type: () -> int  # noqa: ANN201 - an annotation, which Python 2 could not parse
    """Run the command line and return the exit code (contract 2)."""
    if sys.version_info < (3, 9):  # noqa: UP036 - a source tree or the single file can be started with any Python
        sys.stderr.write("envinspect: needs Python 3.9 or newer, this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
        return 1
    from envinspect.cli.plain import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
