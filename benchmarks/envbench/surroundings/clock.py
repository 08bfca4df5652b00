"""The one clock: monotonic, on the host, integers in nanoseconds.

Every time in a result comes from here. Wall clocks jump, and a guest's clock starts when its kernel does
(clock_gettime(2), CLOCK_MONOTONIC); neither is ever used for a duration.
"""

from time import monotonic_ns, process_time_ns

__all__ = ["NS_PER_MS", "NS_PER_S", "NS_PER_US", "monotonic_ns", "process_time_ns"]

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
