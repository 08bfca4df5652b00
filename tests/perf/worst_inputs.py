"""Every statistic on the inputs that are worst for it, in CPU seconds: `python tests/perf/worst_inputs.py`.

Part of `make perf`: nobody waits for minutes, whatever the rows are.
"""

import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from perf_figures import Figures

from envreport.statistics import estimates, steadiness

LIMIT_S = 20.0
ROWS = 300_000


def cases() -> Mapping[str, Callable[[], object]]:
    """Return what is timed by its name; the same seed gives the same values."""
    values = [float(each) for each in np.random.default_rng(7).lognormal(19, 0.3, ROWS)]
    even = {number: [value] for number, value in enumerate(values)}
    # One round holds nearly all values: a table with a line a round would be 200 times as large as they are.
    uneven = {0: values[:50_000]} | {number: [values[number]] for number in range(1, 200)}
    ties = {number: [float(number % 2 + 1)] for number in range(ROWS // 100)}
    return {
        "median": lambda: estimates.median(values),
        "p99 of few": lambda: [estimates.quantile(values[:n], 0.99) for n in range(5, 500, 15)],
        "ratio, a value a round": lambda: estimates.ratio(even, even),
        "ratio, one round holds all": lambda: estimates.ratio(uneven, uneven),
        "ratio of two runs, one round holds all": lambda: estimates.ratio(uneven, uneven, paired=False),
        "ratio of many ties": lambda: estimates.ratio(ties, ties, paired=False),
        "ratio of few rounds": lambda: estimates.ratio({0: values, 1: values[:1]}, {0: values[:2]}),
        "slope": lambda: estimates.slope(range(ROWS), values),
        "screens of steadiness": lambda: steadiness.diagnose(values),
    }


def main() -> int:
    """Time every case; return the exit code."""
    figures = Figures()
    for name, work in cases().items():
        began_s = time.process_time()
        work()
        figures.take(name, "s of CPU", [time.process_time() - began_s], most=LIMIT_S)
    return figures.ended()


if __name__ == "__main__":
    sys.exit(main())
