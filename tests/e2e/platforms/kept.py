"""Keeps what a lab showed, for docs/platforms.md: one row for each lab, joined to those of earlier runs."""

import datetime as dt
import json
from collections.abc import Mapping

from environments.lab import cache_dir

from platforms.steps import Outcome

RESULTS = "platforms.json"


def keep(lab: str, how: str, command: str, outcomes: Mapping[str, Outcome]) -> None:
    """Write down how a lab is run and what it is, the versions, and how every step ended."""
    path = cache_dir() / RESULTS
    known = json.loads(path.read_text()) if path.exists() else {}
    versions = outcomes["versions"].stdout.splitlines() if "versions" in outcomes else []
    known[lab] = {
        "how": how,
        "command": command,
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "versions": dict(line.split() for line in versions if len(line.split()) == 2),
        "steps": [[outcome.name, outcome.exit, outcome.seconds] for outcome in outcomes.values()],
    }
    path.write_text(json.dumps(known, indent=1) + "\n")
