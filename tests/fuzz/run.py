"""Fuzzes the parsers and the reading of captures (`make fuzz`): coverage-guided with atheris where it is installed.

Where atheris cannot be had hypothesis runs the same targets for the same time, unguided, and says so. It starts from
the captured systems. Inputs that fail are kept in tests/fuzz/found/, where a unit test runs them again for ever.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

FOUND = HERE / "found"


HEAD_BYTES = 113
"""A byte for the kind of system, then 28 CPUID words."""


def system_of(data: bytes) -> object:
    """Return the system that bytes describe: a kind, CPUID words, then files (a path's number, a length, bytes)."""
    import targets

    paths = _paths()
    kind, head, rest = (data[0] if data else 0), data[1:HEAD_BYTES], data[HEAD_BYTES:]
    words = [int.from_bytes(head[at : at + 4], "little") for at in range(0, len(head) - 3, 4)]
    files: dict[str, bytes] = {}
    while len(rest) >= 4:
        number, size = int.from_bytes(rest[:2], "little"), int.from_bytes(rest[2:4], "little")
        files[paths[number % len(paths)]] = rest[4 : 4 + size]
        rest = rest[4 + size :]
    return targets.system(files, words, {"container": head[:9].decode("latin-1")}, kind)


def as_bytes(folder: Path) -> bytes:
    """Return the bytes that describe a captured system's files to `system_of`."""
    numbers = {path: number for number, path in enumerate(_paths())}
    found = bytes(HEAD_BYTES)
    for path in sorted((folder / "root").rglob("*")):
        number = numbers.get("/" + str(path.relative_to(folder / "root")))
        if path.is_file() and number is not None:
            text = path.read_bytes()[:2000]
            found += number.to_bytes(2, "little") + len(text).to_bytes(2, "little") + text
    return found


@functools.cache
def _paths() -> list[str]:
    import targets

    return targets.asked_paths()


def seeds(name: str) -> list[bytes]:
    """Return what a target starts from."""
    import targets

    folders = sorted(path.parent for path in (HERE.parent / "systems").glob("*/facts.json"))
    made: dict[str, Callable[[Path], bytes]] = {
        "system": as_bytes,
        "facts": lambda folder: (folder / "facts.json").read_bytes(),
    }
    return [made[name](folder) for folder in folders] if name in made else targets.seeds()


def run_system(data: bytes) -> None:
    """Inspect the system that bytes describe."""
    import targets

    targets.any_system(system_of(data))


def run_archive(data: bytes) -> None:
    """Read bytes as an archive."""
    import targets

    targets.any_archive(data)


def run_facts(data: bytes) -> None:
    """Read bytes as a capture's facts.json."""
    import targets

    targets.any_facts_json(data)


TARGETS: dict[str, Callable[[bytes], None]] = {"system": run_system, "archive": run_archive, "facts": run_facts}


def guided(name: str, seconds: int) -> int:
    """Run one target under atheris in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["envinspect", "tarfile"]):
        import targets  # noqa: F401 - imported here to be instrumented
    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=20", "-rss_limit_mb=1024"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={FOUND}/{name}-", str(corpus)], TARGETS[name])
    atheris.Fuzz()
    return 0


def unguided(name: str, seconds: int) -> int:
    """Run one target with hypothesis' bytes until the time is over."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    deadline = time.monotonic() + seconds
    tried = 0

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.generate, Phase.shrink))  # fmt: skip
    @given(st.binary(max_size=4096))
    def once(data: bytes) -> None:
        nonlocal tried
        tried += 1
        try:
            TARGETS[name](data)
        except Exception:
            FOUND.mkdir(exist_ok=True)
            (FOUND / f"{name}-hypothesis").write_bytes(data)
            raise

    while time.monotonic() < deadline:
        once()
    sys.stdout.write(f"{name}: {tried} inputs, nothing found (unguided: atheris is not installed)\n")
    return 0


def main() -> int:
    """Run every target, each in a process of its own; exit with 1 if one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="for each target")
    parser.add_argument("--target", choices=TARGETS, help="only this one, in this process")
    chosen = parser.parse_args()
    try:
        import atheris  # noqa: F401 - only whether it is there

        way = guided
    except ImportError:
        way = unguided
    if chosen.target:
        return way(chosen.target, chosen.seconds)
    failed = 0
    for name in TARGETS:
        command = [sys.executable, __file__, "--target", name, "--seconds", str(chosen.seconds)]
        failed += subprocess.run(command, check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
