"""Virtual machines as transient libvirt domains: direct QEMU's guests with a management layer around them."""

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from envbench.accelerator import choose_accelerators, kvm_of_run
from envbench.backends.protocol import Mark, MarkCallback, Unusable, Usable, Workload
from envbench.clock import NS_PER_S, monotonic_ns
from envbench.errors import BackendError
from envbench.journal import Entry, Journal, Kind
from envbench.plan import Settings
from envbench.procfs import cgroup_of, pids_named
from envbench.samples import variant_text
from envbench.vm.domain import METADATA_NAMESPACE, domain_xml
from envbench.vm.emulator import Emulator, find_emulator
from envbench.vm.guest import Disk, Guest
from envbench.vm.process import wait_readable
from envbench.vm.recipe import Recipe, check_recipe, make_recipe, vm_variants
from envbench.vm.serial import Console, SerialListener, first_words, log_tail
from envbench.vm.session import default_uri, is_embedded, load_libvirt, open_connection, qemu_ids, translated

STOP_WORD = b"stop"
VMM_DEADLINE_S = 30


@dataclass(slots=True)
class LibvirtInstance:
    """One transient domain."""

    name: str
    domain: Any
    uri: str
    console: Console
    folder: Path
    asks_over_serial: bool
    journal: Journal
    journal_numbers: tuple[int, ...]

    def output_fileno(self) -> int:
        """Return the serial line's descriptor."""
        return self.console.fileno()

    def decode(self, chunk: bytes) -> bytes:
        """Return the bytes as they are; a serial line is not framed."""
        return self.console.hear(chunk)

    def processes(self) -> tuple[int, ...]:
        """Return QEMU's process id, found by the domain's name on its command line."""
        return processes_of(self.name)

    def cgroup(self) -> Path | None:
        """Return the cgroup that libvirt made for the domain, None where it makes none."""
        for pid in self.processes():
            return cgroup_of(pid)
        return None

    def console_tail(self) -> str:
        """Return what the guest said last and what QEMU said in libvirt's log of the domain."""
        own = log_tail(domain_log(self.uri, self.name), stamped=True)
        return "\n".join(part for part in (self.console.tail(), f"QEMU: {own}" if own else "") if part)

    def stop(self, deadline_ns: int) -> None:
        """Ask our payload to power off; destroy the domain (the guest's power cut) where the guest is not ours."""
        if self.asks_over_serial:
            self.console.say(STOP_WORD)
        else:
            self._destroy_domain()
        # QEMU's end closes the line.
        while self.console.drain():
            if not wait_readable(self.console.fileno(), deadline_ns):
                raise BackendError(f"{self.name} did not power off in time; last words: {self.console_tail()}")

    def remove(self, deadline_ns: int) -> None:
        """Wait until libvirt has forgotten the domain and QEMU is gone, and remove the domain's files."""
        self.destroy()

    def destroy(self) -> None:
        """Destroy the domain and remove its files; safe to call twice."""
        self._destroy_domain()
        self.console.close()
        domain_log(self.uri, self.name).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        for number in self.journal_numbers:
            self.journal.forget(number)

    def _destroy_domain(self) -> None:
        # Returns when QEMU has ended; an error means that there is no such domain any more (or no daemon, which by
        # AUTODESTROY is the same).
        with contextlib.suppress(load_libvirt().libvirtError):
            self.domain.destroy()


@dataclass(frozen=True, slots=True)
class _Place:
    """A connection, and what its QEMUs may read."""

    connection: Any
    security_models: tuple[str, ...]
    user: int | None
    group: int | None
    folder: Path
    journal_number: int


class LibvirtBackend:
    """QEMU managed by libvirt, over any URI of its QEMU driver."""

    name: ClassVar[str] = "libvirt"
    is_vm: ClassVar[bool] = True

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._uris = settings.libvirt_uris or (default_uri(),)
        self._places: dict[str, _Place] = {}
        self._recipes: dict[str, Recipe] = {}
        self._emulator: Emulator
        self._counter = itertools.count(1)

    def check(self) -> Usable | Unusable:
        """Find libvirt's module, its daemons, QEMU, a guest kernel and the truth about KVM."""
        settings = self._settings
        try:
            facts = self._versions()
            emulator = find_emulator()
            kvm = kvm_of_run(settings)
            variants = self.variants()
            for variant in variants:
                check_recipe(settings, variant, emulator.architecture)
        except BackendError as error:
            reason, _, remedy = str(error).partition("; try: ")
            return Unusable(reason, remedy)
        if not variants:
            return Unusable(f"only {' and '.join(settings.accelerators)} was asked for: {kvm.reason}", kvm.remedy)
        return Usable({**facts, **kvm.facts()})

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return what direct QEMU has, for each URI where there is more than one; libvirt has no microvm."""
        settings = self._settings
        accelerators = choose_accelerators(settings.accelerators, kvm_of_run(settings))
        found = vm_variants(settings, accelerators, find_emulator().architecture)
        known = tuple(variant for variant in found if not variant["machine"].startswith("microvm"))
        if len(self._uris) == 1:
            return known
        return tuple({**variant, "uri": uri} for uri in self._uris for variant in known)

    def prepare(self, variant: Mapping[str, str]) -> None:
        """Build what all starts of this variant share, and copy it to where libvirt's QEMU can read it."""
        self._emulator = find_emulator()
        place = self._place(variant)
        recipe = make_recipe(self._settings, variant, self._emulator.architecture)
        self._recipes[variant_text(variant)] = self._readable_recipe(place, recipe)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> LibvirtInstance:
        """Create one transient domain, which starts it, and return once its serial line is open."""
        run_id = self._settings.run_id
        place, recipe, uri = self._place(variant), self._recipes[variant_text(variant)], self._uri(variant)
        name = f"envbench-{run_id}-{next(self._counter)}"
        folder = place.folder / name
        numbers = (
            self._journal.intend(Kind.FOLDER, str(folder)),
            self._journal.intend(Kind.DOMAIN, name, self.name, uri=uri),
        )
        try:
            folder.mkdir()
            guest = self._readable_guest(place, recipe, folder, recipe.guest(folder, name, workload))
            xml = domain_xml(guest, self._emulator, run_id, place.security_models)
            domain, console = self._create(place, xml, guest, mark, uri)
        except BaseException as error:
            domain_log(uri, name).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            for number in numbers:
                self._journal.forget(number)
            if isinstance(error, OSError):
                raise BackendError(f"cannot write the guest's files: {error}; try: another TMPDIR") from error
            raise
        return LibvirtInstance(name, domain, uri, console, folder, recipe.own_guest, self._journal, numbers)

    def engine_processes(self) -> tuple[int, ...]:
        """Return libvirt's daemons, monolithic or modular."""
        return pids_named("libvirtd", "virtqemud", "virtlogd")

    def close(self) -> None:
        """Close the connections and remove the folders that libvirt's QEMU read from."""
        for place in self._places.values():
            with contextlib.suppress(load_libvirt().libvirtError):
                place.connection.close()
            shutil.rmtree(place.folder, ignore_errors=True)
            self._journal.forget(place.journal_number)
        self._places.clear()
        self._recipes.clear()

    def _versions(self) -> dict[str, str]:
        libvirt = load_libvirt()
        facts = {}
        for uri in self._uris:
            connection = open_connection(uri)
            try:
                with translated(libvirt, f"libvirt {uri}"):
                    facts[f"{uri} libvirt"] = _dotted(connection.getLibVersion())
                    facts[f"{uri} qemu"] = _dotted(connection.getVersion())
                    _refuse_endless_probing(connection, uri)
            finally:
                connection.close()
        return facts

    def _uri(self, variant: Mapping[str, str]) -> str:
        return variant.get("uri", self._uris[0])

    def _place(self, variant: Mapping[str, str]) -> _Place:
        uri = self._uri(variant)
        if uri not in self._places:
            connection = open_connection(uri)
            models, user, group = qemu_ids(connection)
            # Not in the run's own folder: that is closed to other users, and libvirt's QEMU mostly is one.
            folder = Path(tempfile.mkdtemp(prefix=f"envbench-{self._settings.run_id}-libvirt-"))
            number = self._journal.intend(Kind.FOLDER, str(folder))
            self._places[uri] = place = _Place(connection, models, user, group, folder, number)
            self._hand_over(place, folder)
        return self._places[uri]

    def _readable_recipe(self, place: _Place, recipe: Recipe) -> Recipe:
        """Return the recipe with copies of what all starts share; a disk of the user's own stays where it is."""

        def copied(path: Path, name: str) -> Path:
            own_copy = place.folder / name
            copy_sparse(path, own_copy)
            self._hand_over(place, own_copy)
            return own_copy

        if recipe.kernel:
            recipe = replace(recipe, kernel=replace(recipe.kernel, path=copied(recipe.kernel.path, "kernel")))
        if recipe.initrd:
            recipe = replace(recipe, initrd=copied(recipe.initrd, "initrd"))
        if recipe.disk and recipe.own_guest:
            recipe = replace(recipe, disk=Disk(copied(recipe.disk.path, "root.img")))
        return recipe

    def _readable_guest(self, place: _Place, recipe: Recipe, folder: Path, guest: Guest) -> Guest:
        """Make the guest's files QEMU's own; a disk of the user's is covered by an overlay that takes the writes."""
        disks = tuple(_overlay(disk, folder) if disk is recipe.disk else disk for disk in guest.disks)
        for path in (folder, *folder.iterdir()):
            self._hand_over(place, path)
        return replace(guest, disks=disks)

    def _hand_over(self, place: _Place, path: Path) -> None:
        """Give a file to the user that QEMU runs as; where we may not, open it to all (its folder's name is secret)."""
        is_folder = path.is_dir()
        if place.user is not None and place.group is not None:
            with contextlib.suppress(PermissionError):
                os.chown(path, place.user, place.group)
                path.chmod(0o700 if is_folder else 0o600)
                return
        path.chmod(0o711 if is_folder else 0o666)

    def _create(self, place: _Place, xml: str, guest: Guest, mark: MarkCallback, uri: str) -> tuple[Any, Console]:
        libvirt = load_libvirt()
        # The embedded driver refuses the flag; its domains are the journal's alone.
        flags = 0 if is_embedded(uri) else libvirt.VIR_DOMAIN_START_AUTODESTROY
        listener = SerialListener(guest.serial)
        self._hand_over(place, guest.serial)
        try:
            with _watching(listener, mark):
                mark(Mark.REQUESTED)
                with translated(libvirt, f"libvirt {uri}"):
                    domain = place.connection.createXML(xml, flags)
                mark(Mark.STARTED)
            if not wait_readable(listener.fileno(), monotonic_ns() + VMM_DEADLINE_S * NS_PER_S):
                with contextlib.suppress(libvirt.libvirtError):
                    domain.destroy()
                raise BackendError(f"{guest.name}: QEMU did not open its serial line in {VMM_DEADLINE_S} s")
            return domain, Console(listener.accept(), mark, first_words(speaks_first=guest.speaks_first))
        finally:
            listener.close()


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file and keep its holes: most of a disk is one (cp(1)). Raises BackendError."""
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", "--", source, target], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackendError(f"{done.stderr.strip()}; try: free space, or another TMPDIR")


def processes_of(name: str) -> tuple[int, ...]:
    """Return the QEMU processes whose command line names this guest (libvirt: -name guest=NAME,…)."""
    word = f"guest={name},".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if word in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return tuple(found)


def domain_log(uri: str, name: str) -> Path:
    """Return where libvirt keeps a domain's log under this URI (libvirt, drvqemu: log files)."""
    if is_embedded(uri):
        root = dict(parse_qsl(urlsplit(uri).query)).get("root", "")
        return Path(root, "log/qemu", f"{name}.log")
    if uri.endswith("/session") and os.geteuid() != 0:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "libvirt/qemu/log" / f"{name}.log"
    return Path("/var/log/libvirt/qemu", f"{name}.log")


def reap(entry: Entry, run_id: str) -> bool:
    """Destroy the domain of a dead run if it is still there and its metadata carry the run's id."""
    libvirt = load_libvirt()
    uri = entry.facts["uri"]
    connection = open_connection(uri)
    try:
        with translated(libvirt, f"libvirt {uri}"):
            try:
                domain = connection.lookupByName(entry.name)
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise
                return False
            said = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, METADATA_NAMESPACE)
            if run_id not in said:
                raise BackendError(f"domain {entry.name} does not carry the run's id {run_id}; left alone")
            domain.destroy()
            return True
    finally:
        connection.close()
        if run_id in entry.name:
            domain_log(uri, entry.name).unlink(missing_ok=True)


def _refuse_endless_probing(connection: Any, uri: str) -> None:
    """Raise BackendError where libvirt cannot keep what it found out about QEMU, and so finds it out at every start.

    It does so for tens of seconds where its QEMU user may not open a /dev/kvm that its own probe could (mode 0600, as a
    machine without udev has it): "KVM was enabled when probing, but it is not available now".
    """
    emulator = find_emulator()
    asked = (str(emulator.path), emulator.architecture.firmware_arch, emulator.architecture.machines[0], "qemu")
    connection.getDomainCapabilities(*asked)  # The first question of a daemon's life may take a probe.
    begun_ns = monotonic_ns()
    connection.getDomainCapabilities(*asked)
    if monotonic_ns() - begun_ns > NS_PER_S:
        raise BackendError(
            f"libvirt {uri} probes QEMU anew at every start, for its user may not open /dev/kvm; "
            "try: chgrp kvm /dev/kvm && chmod 660 /dev/kvm (as udev would)"
        )


@contextlib.contextmanager
def _watching(listener: SerialListener, mark: MarkCallback) -> Iterator[None]:
    """Mark VMM_UP the moment QEMU connects: that is while libvirt's call, which starts it, still runs."""
    cancelled, cancel = os.pipe()

    def watch() -> None:
        deadline_ns = monotonic_ns() + VMM_DEADLINE_S * NS_PER_S
        if listener.fileno() in wait_readable(listener.fileno(), deadline_ns, cancelled):
            mark(Mark.VMM_UP)

    watcher = threading.Thread(target=watch, name="serial-listener")
    watcher.start()
    try:
        yield
        watcher.join(VMM_DEADLINE_S)
    finally:
        os.close(cancel)
        watcher.join()
        os.close(cancelled)


def _overlay(disk: Disk, folder: Path) -> Disk:
    """Return a fresh qcow2 whose unwritten parts are the user's disk."""
    path = folder / "overlay.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", disk.format, "-b", str(disk.path.resolve()), str(path)]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise BackendError("no qemu-img for the disk's overlay; try: apt install qemu-utils") from error
    except subprocess.CalledProcessError as error:
        raise BackendError(f"{disk.path}: {' '.join(error.stderr.split())}; try: a raw or qcow2 disk") from error
    return Disk(path, "qcow2")


def _dotted(version: int) -> str:
    """Return libvirt's number (major * 1,000,000 + minor * 1,000 + release) as people write it."""
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"
