"""Whether other work was going on: noise stamps of a run in, the kinds that were above their limit too often out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from envbench.records.metrics import STAMPS, Stamp, is_noisy
from envbench.records.phases import NOISE_PREFIX
from envbench.records.samples import Sample


@dataclass(frozen=True, slots=True)
class Noise:
    """A kind of stamp that was above its limit before `above` of `starts` starts, up to `highest`."""

    name: str
    stamp: Stamp
    above: int
    starts: int
    highest: float


def noise_of(stamps: Mapping[str, Sequence[Sample]]) -> Iterator[Noise]:
    """Yield each kind of stamp that makes the machine a noisy one; `stamps` are the rows by their phase."""
    for name, stamp in STAMPS.items():
        if stamps.get(NOISE_PREFIX + stamp.unless):
            continue
        values = [float(row.value) for row in stamps.get(NOISE_PREFIX + name, ()) if row.value is not None]
        above = sum(value > stamp.calm for value in values)
        if values and is_noisy(above, len(values)):
            yield Noise(name, stamp, above, len(values), max(values))
