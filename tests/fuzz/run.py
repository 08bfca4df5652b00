"""Fuzzes the parsers and the reading of captures (`make fuzz`): coverage-guided with atheris where it is installed.

Without atheris hypothesis runs the same targets for the same time, unguided. Inputs that fail are kept in
tests/fuzz/found/, where a unit test runs them again for ever.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

FOUND = HERE / "found"


def system_of(data: bytes) -> object:
    """Return the system that bytes describe: a kind, CPUID words, then files (a path's number, a length, bytes)."""
    import targets

    paths = PATHS or PATHS.extend(targets.asked_paths()) or PATHS
    kind, rest = (data[0] if data else 0), data[1:]
    words = [int.from_bytes(rest[at : at + 4], "little") for at in range(0, min(len(rest), 112) - 3, 4)]
    files: dict[str, bytes] = {}
    at = 112
    while at + 4 <= len(rest):
        number, size = (
            int.from_bytes(rest[at : at + 2], "little"),
            int.from_bytes(rest[at + 2 : at + 4], "little") % 512,
        )
        files[paths[number % len(paths)]] = rest[at + 4 : at + 4 + size]
        at += 4 + size
    return targets.system(files, words, {"container": rest[:9].decode("latin-1")}, kind)


PATHS: list[str] = []


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
        import targets
    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(exist_ok=True)
    for number, seed in enumerate(targets.seeds() if name == "archive" else [b'{"schema": "envinspect-capture/1"}']):
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
