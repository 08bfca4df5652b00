"""Times containers against virtual machines on this very machine and writes one row per measured value."""

from envinspect import __version__

__all__ = ["__version__"]
