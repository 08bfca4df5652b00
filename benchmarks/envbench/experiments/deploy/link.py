"""A way from a server to this machine that counts every byte and may be held to a bandwidth: a token bucket."""

import re
import threading
from collections.abc import Callable
from time import sleep

from envbench.surroundings.clock import NS_PER_S, monotonic_ns

BITS = {"k": 10**3, "m": 10**6, "g": 10**9}
BURST_S = 0.02
"""What may pass at once after a pause: as much as passes in this time, which is no more than a few chunks."""
_BANDWIDTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmg])bit(?:/s)?", re.IGNORECASE | re.ASCII)


def read_bandwidth(text: str) -> float:
    """Return the bytes in a second that a bandwidth such as 100Mbit allows: bits in a second, by powers of 1000.

    Raises ValueError for what is none.
    """
    match = _BANDWIDTH.fullmatch(text.strip())
    bytes_per_s = float(match[1]) * BITS[match[2].lower()] / 8 if match else 0.0
    if not bytes_per_s:
        raise ValueError(f"{text!r} is no bandwidth; try: 100Mbit")
    return bytes_per_s


class Link:
    """What all connections of one server share. `bytes_per_s` is None where nothing holds them back.

    `now_ns` and `wait_s` are the clock and how to wait.
    """

    def __init__(
        self,
        bytes_per_s: float | None = None,
        now_ns: Callable[[], int] = monotonic_ns,
        wait_s: Callable[[float], None] = sleep,
    ) -> None:
        self._now_ns, self._wait_s = now_ns, wait_s
        self._lock = threading.Lock()
        self.begin(bytes_per_s)

    def begin(self, bytes_per_s: float | None) -> None:
        """Count from 0 again, with this bandwidth from now on."""
        with self._lock:
            self._bytes_per_s = bytes_per_s
            self._passed_bytes = 0
            self._credit_bytes = self._most_bytes
            self._at_ns = self._now_ns()

    @property
    def passed_bytes(self) -> int:
        """Return how many bytes have passed since it began."""
        with self._lock:
            return self._passed_bytes

    @property
    def chunk_bytes(self) -> int:
        """Return how much should be sent at once: little where it is slow, so that it flows and does not jerk."""
        return 1 << 18 if self._bytes_per_s is None else max(1024, min(1 << 16, int(self._most_bytes)))

    @property
    def _most_bytes(self) -> float:
        return (self._bytes_per_s or 0.0) * BURST_S

    def let_pass(self, length: int) -> None:
        """Count so many bytes and wait until they may have passed."""
        with self._lock:
            self._passed_bytes += length
            if self._bytes_per_s is None:
                return
            now_ns = self._now_ns()
            earned_bytes = (now_ns - self._at_ns) / NS_PER_S * self._bytes_per_s
            self._credit_bytes = min(self._most_bytes, self._credit_bytes + earned_bytes) - length
            self._at_ns = now_ns
            debt_s = -self._credit_bytes / self._bytes_per_s
        if debt_s > 0:
            self._wait_s(debt_s)
