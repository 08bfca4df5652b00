"""Times containers against virtual machines on this very machine and writes one row per measured value."""

__version__ = "0.1.0"
