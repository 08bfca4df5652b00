"""One way from nothing to ready, as the experiment goes it: round by round."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from envbench.experiments.deploy.link import Link
from envbench.run.bench import Prepared
from envbench.settings import Configuration

ABSENT, THERE = "absent", "there"
"""What `base` is: nothing of the image was on the host before, or a part of it."""


@contextmanager
def nothing_before() -> Iterator[None]:
    """Leave the host as it is: it has nothing before."""
    yield


def nothing_between() -> None:
    """Do nothing between fetching and starting."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way from nothing to ready."""

    prepared: Prepared
    configuration: Configuration
    fetched: Callable[[], AbstractContextManager[int | None]]
    """Fetches at the block's entry, and gives the bytes that came where whoever fetched tells them; starts in the block
    are made of what came, and its end removes that."""
    link: Link | None = None
    """Counts what passes; None where the server is not the run's."""
    bytes_per_s: float | None = None
    already: Callable[[], AbstractContextManager[object]] = nothing_before
    """What the host has before, at the block's entry; not timed."""
    between: Callable[[], None] = nothing_between
    """What is done between fetching and starting; not timed."""
    least_bytes: int = 0
    """What has to be fetched: had less come, the host would have had the rest before."""
    served: Callable[[], Sequence[Path]] = tuple
    """The files that the server has, to be read once before each round."""

    @property
    def name(self) -> str:
        """The way for people."""
        return f"{self.configuration} {self.configuration.profile}"


def configured(prepared: Prepared, keys: Mapping[str, str]) -> Configuration:
    """Return what is started by a way with these keys."""
    return replace(prepared.configuration, conditions={**prepared.configuration.conditions, **keys})
