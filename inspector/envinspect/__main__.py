"""The command `envinspect`. A call without arguments has nothing to parse, so it does not pay for click."""

import os
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line and return the exit code (contract 2)."""
    try:
        code = _plain() if len(sys.argv) == 1 and not _completing() else _with_arguments()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`envinspect | head -1`): not an error, but Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _completing() -> bool:
    return "_ENVINSPECT_COMPLETE" in os.environ


def _plain() -> int:
    from envinspect.inspection import inspect
    from envinspect.render.text import render
    from envinspect.terminal import encodable, palette_for

    try:
        text, code = render(inspect(), palette_for(sys.stdout))
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line and exit code 1, never a traceback
        sys.stderr.write(f"envinspect: unexpected {type(error).__name__}: {error}; see it whole: envinspect --debug\n")
        return 1
    sys.stdout.write(encodable(text, sys.stdout))
    return code


def _with_arguments() -> int:
    from envinspect.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
