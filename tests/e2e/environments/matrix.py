"""One session of the matrix: slow environments start ahead in the background, and what was found is kept."""

import functools
import json
import os
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor, wait

from environments.case import Environment
from environments.lab import Lab, cache_dir

# Emulated guests take one processor each; the rest of the matrix goes on beside them.
BACKGROUND_BOOTS = 2
RESULTS = "results.json"


class Matrix:
    """The environments of this session, and what was found in them."""

    def __init__(self, lab: Lab, selected: list[Environment]) -> None:
        self.lab = lab
        self.rows: list[dict[str, object]] = []
        self._pool = ThreadPoolExecutor(BACKGROUND_BOOTS)
        # The longest first, and of those that share a boot only one: the others would wait in a worker's place.
        slow = sorted((row for row in selected if row.slow and not lacking(row)), key=lambda row: -row.deadline_s)
        first = {row.shared_boot or row.name: row for row in reversed(slow)}
        self._ahead: dict[str, Future[str]] = {
            row.name: self._pool.submit(row.start, lab) for row in slow if first[row.shared_boot or row.name] is row
        }

        self._leads = {boot: row.name for boot, row in first.items() if row.shared_boot}

    def transcript(self, row: Environment) -> str:
        """Start an environment, or wait for the one that was started ahead."""
        if row.name in self._ahead:
            return self._ahead[row.name].result()
        if row.shared_boot in self._leads:
            wait([self._ahead[self._leads[row.shared_boot]]])
        return row.start(self.lab)

    def close(self) -> None:
        """End what still runs, and leave the results in the user's cache, joined to those of earlier runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.lab.close()
        results = cache_dir() / RESULTS
        results.parent.mkdir(parents=True, exist_ok=True)
        known = {row["name"]: row for row in json.loads(results.read_text())} if results.exists() else {}
        known.update({row["name"]: row for row in self.rows})
        results.write_text(json.dumps(list(known.values()), indent=1) + "\n")


@functools.cache
def docker_answers() -> bool:
    asked = subprocess.run(["docker", "version"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


def lacking(row: Environment) -> str:
    """Return what an environment needs and this machine has not, "" where it has all."""
    if os.geteuid() != 0:
        return "the matrix needs root; try: sudo make e2e"
    for need in row.needs:
        tree = need.removeprefix("tree:")
        if tree != need:
            if not (cache_dir() / tree).is_dir():
                return f"no {tree} tree in {cache_dir()}; try: tests/e2e/provision.sh"
        elif shutil.which(need, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{need} is not installed; try: tests/e2e/provision.sh"
        elif need == "docker" and not docker_answers():
            return "no Docker daemon answers; try: benchmarks/provision.sh"
    return ""
