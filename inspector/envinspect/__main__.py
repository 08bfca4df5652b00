"""The command `envinspect`. Every Python there is can parse this file, so that an old one gets a line, no traceback."""

import gc
import sys


def main():  # type: () -> int  # noqa: ANN201 - an annotation, which Python 2 could not parse
    """Run the command line and return the exit code (contract 2)."""
    if sys.version_info < (3, 9):  # noqa: UP036 - a source tree or the single file can be started with any Python
        sys.stderr.write("envinspect: needs Python 3.9 or newer, this is %d.%d\n" % sys.version_info[:2])  # noqa: UP031
        return 1
    gc.disable()  # a call is over before there is garbage worth collecting
    from envinspect.cli.plain import main as run

    code = run()
    gc.freeze()  # nor is there any worth looking for when Python ends
    return code


if __name__ == "__main__":
    sys.exit(main())
