"""What the pytest plugin costs a suite that does not ask for it: `python tests/perf/pytest_start.py` (in `make perf`).

An empty suite is started with the plugin and without it, in turn; the bar holds for the difference of the medians of
the CPU time, which other work on the machine disturbs least.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from perf_figures import Figures

ROUNDS = 20
LIMIT_MS = 5.0
MS_PER_S = 1000
PLUGIN = "envinspect.integrations.pytest_plugin"


def cpu_ms(folder: Path, *options: str) -> float:
    """Start pytest over one empty test; return its CPU time, user and system together."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": ""}  # as installed: compiled
    child = subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"pytest_start: pytest ended with {child.returncode}")
    return (used.ru_utime + used.ru_stime) * MS_PER_S


def main() -> int:
    """Measure both in turn, print the bar's line, and return the exit code."""
    with tempfile.TemporaryDirectory(prefix="envinspect-pytest-") as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", "ascii")
        (folder / "test_empty.py").write_text("def test_nothing(): pass\n", "ascii")
        cpu_ms(folder, "-p", PLUGIN)  # compiles what is not yet compiled
        pairs = [(cpu_ms(folder), cpu_ms(folder, "-p", PLUGIN)) for _ in range(ROUNDS)]
    without, with_plugin = (statistics.median(times) for times in zip(*pairs, strict=True))
    costs = [loaded - bare for bare, loaded in pairs]
    figures = Figures()
    name = "the pytest plugin, to a suite that does not ask"
    figures.take(name, "ms of CPU", costs, most=LIMIT_MS, beside=f"{with_plugin:.0f} against {without:.0f}")
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
