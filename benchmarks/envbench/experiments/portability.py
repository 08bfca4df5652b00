"""Carrying an artefact away and bringing it back, and what becomes of data that was written inside.

Export and import are timed on the host's clock, by the engine's own commands; what is imported has been removed before.
"""

import gzip
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from envbench.backends.vm.guest import Disk
from envbench.errors import BackendError, EnvbenchError
from envbench.experiments.shared.engine_cli import EngineCli, engine_cli
from envbench.experiments.shared.lab_machine import is_lab_able, lab_machine, powered_off, start_again, write_empty
from envbench.experiments.shared.running import Running, ask, finish, first, running
from envbench.payload.entries import entries
from envbench.payload.initramfs import cpio, write_initramfs
from envbench.payload.kernel import find_kernel
from envbench.payload.tree import tree_of_run
from envbench.records.phases import Experiment, counted
from envbench.run.bench import Bench, Prepared
from envbench.settings import LABEL, new_nonce
from envbench.surroundings.clock import monotonic_ns
from envbench.traces.journal import Kind

ROUNDS, ROUNDS_QUICK = 12, 6
DISK_BYTES, OWN_DISK_BYTES = 64 << 20, 32 << 20
"""Of the disk that outlives its machine, and of the one that is removed with it; they are told apart by it."""
BLOCK_BYTES = 512
MACHINE_MEMORY_BYTES = 256 << 20

KEEP_SCRIPT = """
[ -r {place} ] && read -r old <{place} && echo "@found=$old"
echo {word} >{place} && echo "@written=1"
"""
DISKS_SCRIPT = """
B=/bin/busybox
for disk in vda vdb; do
  for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/$disk ] && break; $B sleep 0.2; done
  read -r blocks </sys/block/$disk/size
  echo "@found.$blocks=$($B dd if=/dev/$disk bs=512 count=1 2>/dev/null | $B tr -cd 'a-z0-9-')"
  echo {word} | $B dd of=/dev/$disk bs=512 conv=sync,fsync 2>/dev/null && echo "@written.$blocks=1"
done
"""
"""Each disk goes by its number of blocks: the order in which a kernel finds them is its own."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How an artefact is carried: out into a file, removed here, and back in from the file."""

    take_out: Callable[[Path], None]
    clear: Callable[[], None]
    bring_in: Callable[[Path], None]


def run(bench: Bench) -> None:
    """Export and import every container image and machine; then see what is kept."""
    configurations = bench.chosen(one_of_a_kind=True)
    kept = [one for one in configurations if engine_cli(one) is not None]
    bench.course.expect(len(configurations) + len(kept) + sum(map(is_lab_able, configurations)))
    for prepared in configurations:
        with bench.attempt(Experiment.PORTABILITY, f"{prepared.name}: export and import"):
            _carry(bench, prepared)
    for prepared in configurations:
        cli = engine_cli(prepared)
        if cli is not None:
            with bench.attempt(Experiment.PORTABILITY, f"{prepared.name}: what is kept"):
                _container_keeps(bench, prepared, cli)
    for prepared in configurations:
        if is_lab_able(prepared):
            with bench.attempt(Experiment.PORTABILITY, f"{prepared.name}: what its disks keep"):
                _machine_keeps(bench, prepared)


def _carry(bench: Bench, prepared: Prepared) -> None:
    cli = engine_cli(prepared)
    if cli is not None:
        ways = _image_ways(bench, prepared, cli)
    elif prepared.is_vm and not bench.settings.disks:
        ways = _machine_ways(bench, prepared)
    else:
        return
    carried = bench.settings.work_dir / "carried"
    for round_number in range(ROUNDS_QUICK if bench.quick else ROUNDS):
        try:
            spent_ns = _timed(bench, prepared, "export", round_number, lambda: ways.take_out(carried))
            bench.record("export_bytes", carried.stat().st_size, prepared.configuration, iteration=round_number)
            ways.clear()
            spent_ns += _timed(bench, prepared, "import", round_number, lambda: ways.bring_in(carried))
            bench.record("carry", spent_ns, prepared.configuration, iteration=round_number)
        finally:
            carried.unlink(missing_ok=True)
    if cli is not None:
        with running(bench, prepared):
            bench.record(
                "import_runs", True, prepared.configuration, detail="a start of the image that was imported last"
            )
    bench.say(f"portability: {prepared.name}: exported and imported {counted(round_number + 1, 'time')}")


def _timed(bench: Bench, prepared: Prepared, name: str, round_number: int, work: Callable[[], None]) -> int:
    begun_ns = monotonic_ns()
    work()
    spent_ns = monotonic_ns() - begun_ns
    bench.record(name, spent_ns, prepared.configuration, iteration=round_number)
    return spent_ns


def _image_ways(bench: Bench, prepared: Prepared, cli: EngineCli) -> Ways:
    """`save` and gzip, and `load` of that, of the image that the backend starts from, which is removed in between."""
    run_id, image = bench.settings.run_id, prepared.backend.image(prepared.configuration.variant)

    def take_out(target: Path) -> None:
        plain = target.with_suffix(".tar")
        cli.run(run_id, "save", "--output", plain, image)
        _compress(plain, target)
        plain.unlink()

    def clear() -> None:
        if not bench.settings.images:  # A user's own image is never removed, so its import time is a lower bound.
            cli.run(run_id, "image", "rm", "--force", image)

    def bring_in(source: Path) -> None:
        plain = source.with_suffix(".tar")
        with gzip.open(source) as packed, plain.open("wb") as target:  # Podman's `load` reads no compressed archive.
            shutil.copyfileobj(packed, target, 1 << 20)
        cli.run(run_id, "load", "--input", plain)
        plain.unlink()
        cli.run(run_id, "image", "inspect", "--format", "{{.Id}}", image)

    return Ways(take_out, clear, bring_in)


def _machine_ways(bench: Bench, prepared: Prepared) -> Ways:
    """One archive of kernel and initramfs, and both out of it again: all that this machine is made of."""
    kernel = find_kernel(bench.settings.cache_dir, bench.settings.kernel_of(prepared.configuration.variant)).path
    initramfs, arrived = bench.settings.work_dir / "carried-initramfs", bench.settings.work_dir / "arrived"

    def take_out(target: Path) -> None:
        write_initramfs(initramfs, cpio(entries(tree_of_run(bench.settings).path)))
        with tarfile.open(target, "w:gz", compresslevel=1) as archive:
            archive.add(kernel, "kernel")
            archive.add(initramfs, "initramfs")
        initramfs.unlink()

    def bring_in(source: Path) -> None:
        with tarfile.open(source) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not before Python 3.11.4
            archive.extractall(arrived)  # noqa: S202 - our own archive, filtered where Python can

    return Ways(take_out, lambda: shutil.rmtree(arrived, ignore_errors=True), bring_in)


def _compress(source: Path, target: Path) -> None:
    with source.open("rb") as plain, gzip.open(target, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def _container_keeps(bench: Bench, prepared: Prepared, cli: EngineCli) -> None:
    word = new_nonce()
    script = KEEP_SCRIPT.format(place="/root/kept", word=word)
    written, again = ask(bench, prepared, script), ask(bench, prepared, script)
    if first(written, "written") is None:
        raise EnvbenchError("nothing could be written inside")
    found = first(again, "found")
    bench.record(
        "gone_after_remove",
        found is None,
        prepared.configuration,
        detail=f"found in the next container: {found or 'nothing'}",
    )
    again_found = _restart_keeps(bench, prepared, cli, word)
    bench.record(
        "kept_over_restart",
        again_found == word,
        prepared.configuration,
        detail=f"found by the same container, ended and started again: {again_found or 'nothing'}",
    )
    kept = _volume_keeps(bench, prepared, cli, word)
    bench.record(
        "kept_with_volume",
        kept == word,
        prepared.configuration,
        detail=f"found in the volume by the next container: {kept or 'nothing'}",
    )
    bench.say(
        f"portability: {prepared.name}: what was written is {_said(again_found == word)} over stop and start, "
        f"{_said(found is not None)} over removal, {_said(kept == word)} in a volume"
    )


def _said(kept: bool) -> str:
    return "kept" if kept else "gone"


def _restart_keeps(bench: Bench, prepared: Prepared, cli: EngineCli, word: str) -> str | None:
    run_id, name = bench.settings.run_id, f"envbench-{bench.settings.run_id}-restarted"
    number = bench.journal.intend(
        Kind.CONTAINER, name, prepared.configuration.backend, **prepared.backend.journal_facts()
    )
    script = KEEP_SCRIPT.format(place="/root/kept", word=word)
    try:
        cli.run(run_id, *_run_words(bench, cli, prepared, "--name", name), "-c", script)
        return _found(cli.run(run_id, "start", "--attach", name))
    finally:
        with suppress(BackendError):
            cli.run(run_id, "rm", "--force", name)
        bench.journal.forget(number)


def _run_words(bench: Bench, cli: EngineCli, prepared: Prepared, *options: str) -> tuple[str, ...]:
    label = f"{LABEL}={bench.settings.run_id}"
    fixed = (*cli.engine.run, "--network", "none", "--label", label, *options)
    return (*fixed, "--entrypoint", "/bin/sh", prepared.backend.image(prepared.configuration.variant))


def _found(said: str) -> str | None:
    return next((line.partition("=")[2] for line in said.splitlines() if line.startswith("@found=")), None)


def _volume_keeps(bench: Bench, prepared: Prepared, cli: EngineCli, word: str) -> str | None:
    run_id, volume = bench.settings.run_id, f"envbench-{bench.settings.run_id}-kept"
    number = bench.journal.intend(
        Kind.VOLUME, volume, prepared.configuration.backend, **prepared.backend.journal_facts()
    )
    script = KEEP_SCRIPT.format(place="/kept/word", word=word)
    words = (*_run_words(bench, cli, prepared, "--rm", "--volume", f"{volume}:/kept"), "-c", script)
    try:
        cli.run(run_id, "volume", "create", "--label", f"{LABEL}={run_id}", volume)
        cli.run(run_id, *words)
        return _found(cli.run(run_id, *words))
    finally:
        with suppress(BackendError):
            cli.run(run_id, "volume", "rm", "--force", volume)
        bench.journal.forget(number)


def _machine_keeps(bench: Bench, prepared: Prepared) -> None:
    """Boot a machine, the same one again, and one made anew; see what is left on the two disks that each has."""
    disk, word = bench.settings.work_dir / "kept-disk", new_nonce()
    write_empty(disk, DISK_BYTES)
    try:
        with _two_disks(bench, prepared, disk, word) as run_:
            _found_on(bench, run_, OWN_DISK_BYTES)
            again = start_again(bench, run_)
            restarted = _found_on(bench, again, OWN_DISK_BYTES)
            powered_off(bench, again)
        with _two_disks(bench, prepared, disk, word) as run_:
            kept, deleted = (_found_on(bench, run_, size) for size in (DISK_BYTES, OWN_DISK_BYTES))
    finally:
        disk.unlink(missing_ok=True)
    for metric, value, done, found in (
        ("kept_over_restart", restarted == word, "powered off, and the same machine started again", restarted),
        ("vm_disk_keeps", kept == word, "removed, and made anew with the same disk", kept),
        ("vm_gone_with_disk", deleted != word, "removed with its disk, and made anew with a new one", deleted),
    ):
        bench.record(metric, value, prepared.configuration, detail=f"{done}; found there: {found or 'nothing'}")
    bench.say(
        f"portability: {prepared.name}: what was written is {_said(restarted == word)} over stop and start, "
        f"{_said(kept == word)} over removal with its disk kept, {_said(deleted == word)} with its disk deleted"
    )


@contextmanager
def _two_disks(bench: Bench, prepared: Prepared, disk: Path, word: str) -> Iterator[Running]:
    """Yield a machine that reads and writes this disk, which it leaves behind, and an empty one that goes with it."""
    with lab_machine(
        bench,
        prepared,
        DISKS_SCRIPT.format(word=word),
        disk=Disk(disk, scratch=False),
        own_disk_bytes=OWN_DISK_BYTES,
        memory_bytes=MACHINE_MEMORY_BYTES,
        keep_running=False,
    ) as (run_, _):
        yield run_


def _found_on(bench: Bench, run_: Running, disk_bytes: int) -> str | None:
    """Return what a start found on its disk of this size, None for nothing.

    Raises EnvbenchError where it could not write there: then nothing follows for the next start.
    """
    blocks, said = disk_bytes // BLOCK_BYTES, finish(run_, bench.settings.deadline_s)
    if first(said, f"written.{blocks}") is None:
        raise EnvbenchError("the guest could not write to its disk")
    return first(said, f"found.{blocks}")
