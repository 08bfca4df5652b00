"""What the pytest plugin costs a suite that does not ask for it: `python tests/perf/pytest_start.py` (in `make perf`).

A suite of one empty test is run with this plugin and with an empty one, in turn, and the CPU times are compared: each
runs in a copy of a process that has imported pytest, so that little else is in the difference. The empty plugin is
there because naming any plugin has pytest read the entry points of all distributions, which a usual start does anyway.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

import pytest
from perf_figures import Figures

ROUNDS = 100
LIMIT_MS = 5.0
MS_PER_S = 1000
PLUGIN = "envinspect.integrations.pytest_plugin"
NOTHING = "plugin_that_does_nothing"


def cpu_ms(plugin: str) -> float:
    """Run pytest over the present folder in a copy of this process; return its CPU time, user and system together."""
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os._exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", plugin]))
    _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit(f"pytest_start: pytest ended with {os.waitstatus_to_exitcode(status)}")
    return (used.ru_utime + used.ru_stime) * MS_PER_S


def main() -> int:
    """Measure both in turn, print the bar's line, and return the exit code."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = False  # as installed: compiled
    with tempfile.TemporaryDirectory(prefix="envinspect-pytest-") as name:
        os.chdir(name)
        sys.path.insert(0, name)
        Path("pytest.ini").write_text("[pytest]\n", "ascii")
        Path("test_empty.py").write_text("def test_nothing(): pass\n", "ascii")
        Path(f"{NOTHING}.py").write_text("", "ascii")
        for plugin in (NOTHING, PLUGIN):
            cpu_ms(plugin)  # compiles what is not yet compiled
        pairs = [(cpu_ms(NOTHING), cpu_ms(PLUGIN)) for _ in range(ROUNDS)]
        os.chdir("/")
    without, with_plugin = (statistics.median(times) for times in zip(*pairs, strict=True))
    costs = [loaded - bare for bare, loaded in pairs]
    figures = Figures()
    name = "the pytest plugin, to a suite that does not ask"
    figures.take(name, "ms of CPU", costs, most=LIMIT_MS, beside=f"{with_plugin:.0f} against {without:.0f}")
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
