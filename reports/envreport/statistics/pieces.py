"""What one start's time goes to: the measured phases, cut so that the pieces follow each other and overlap nowhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from envbench.records.phases import Phase
from envreport.results import Results, Series

UNTIL_READY = "until ready"
"""What no measured phase covers before the ready line."""
_CALLS = (Phase.CREATE, Phase.ATTACH, Phase.START)
_GUEST = (Phase.VMM, Phase.FIRMWARE, Phase.KERNEL, Phase.USERSPACE)
_END = (Phase.STOP, Phase.REMOVE)
PIECES: Sequence[str] = (*_CALLS, *_GUEST, UNTIL_READY, *_END)
"""The pieces in the order in which they follow each other."""


def pieces_of(spent: Mapping[Phase, float]) -> dict[str, float]:
    """Return the pieces of one start, in ns, from its phases; {} where it did not get ready.

    A start call goes on while the payload already runs: it counts until the ready line at most. Where the guest's own
    moments are known they stand in its place, for they begin with it.
    """
    if Phase.READY not in spent:
        return {}
    seen = [phase for phase in _GUEST if phase in spent]
    left = spent[Phase.READY]
    pieces: dict[str, float] = {}
    for phase in (*_CALLS[:2], *(seen or _CALLS[2:])):
        if phase in spent:
            pieces[phase] = min(spent[phase], left)
            left -= pieces[phase]
    if left > 0:
        pieces[UNTIL_READY] = left
    return pieces | {phase.value: spent[phase] for phase in _END if phase in spent}


def pieces_of_middle(results: Results, ready: Series) -> dict[str, float]:
    """Return the pieces, in ns, of the one start whose time to ready is the median (of an even number, the lower)."""
    rows = sorted(ready.good, key=lambda row: float(row.value or 0))
    if not rows:
        return {}
    found = pieces_of(_spent(results, ready).get(rows[(len(rows) - 1) // 2].order, {}))
    return {piece: found[piece] for piece in PIECES if piece in found}


def _spent(results: Results, ready: Series) -> dict[int, dict[Phase, float]]:
    starts: dict[int, dict[Phase, float]] = defaultdict(dict)
    for phase in (*_CALLS, *_GUEST, Phase.READY, *_END):
        series = results.series.get(ready.key._replace(phase=phase))
        for row in series.good if series else ():
            starts[row.order][phase] = float(row.value or 0)
    return starts


def pieces_by_start(results: Results, ready: Series) -> dict[str, list[float]]:
    """Return each piece's values over a backend's starts, in ns, in the order of `PIECES`."""
    found: dict[str, list[float]] = {piece: [] for piece in PIECES}
    for spent in _spent(results, ready).values():
        for piece, value in pieces_of(spent).items():
            found[piece].append(value)
    return {piece: values for piece, values in found.items() if values}
