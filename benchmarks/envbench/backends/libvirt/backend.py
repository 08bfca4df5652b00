"""Virtual machines as transient libvirt domains: direct QEMU's guests with a management layer around them."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from envbench.backend import Mark, MarkCallback, Workload
from envbench.backends.libvirt.connection import (
    INSTALL,
    NoDaemonError,
    ask_monitor,
    connected,
    default_uri,
    hang_up,
    is_embedded,
    is_out_of_sight,
    load_libvirt,
    open_connection,
    place_of,
    qemu_ids,
    refuse_remote,
    require_daemon,
    require_qemu,
    translated,
)
from envbench.backends.libvirt.daemons import daemons_of
from envbench.backends.libvirt.domain import domain_xml
from envbench.backends.libvirt.removal import domain_log, end_domain, remove_domain
from envbench.backends.libvirt.transient import names_of, remove_transient
from envbench.backends.shared.sight import nonce_file, unseen
from envbench.backends.vm.backend import STOP_WORD, VMM_DEADLINE_S, VmBackend, machine_folder
from envbench.backends.vm.emulator import Emulator
from envbench.backends.vm.guest import Disk, Guest
from envbench.backends.vm.process import wait_readable
from envbench.backends.vm.recipe import VM_KEYS, Recipe
from envbench.backends.vm.serial import Console, SerialListener, first_words, log_tail, said_last
from envbench.errors import BackendError
from envbench.settings import Settings, new_nonce
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Entry, Journal, Kind
from envbench.traces.procfs import cgroup_of, processes_of
from envbench.traces.run_folder import RunFolder, make_run_folder


@dataclass(slots=True)
class LibvirtInstance:
    """One transient domain."""

    name: str
    domain: Any
    guest: Guest
    uri: str
    console: Console
    folder: Path
    asks_over_serial: bool
    journal: Journal
    folder_number: int
    domain_number: int

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
        return said_last(self.console, log_tail(domain_log(self.uri, self.name), stamped=True))

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the answer of the domain's QEMU to one command of its protocol. Raises BackendError."""
        return ask_monitor(self.domain, self.uri, command, arguments)

    def stop(self, deadline_ns: int) -> None:
        """Ask our payload to power off; destroy the domain (the guest's power cut) where the guest is not ours."""
        if self.asks_over_serial:
            self.console.say(STOP_WORD)
        else:
            self._end_domain()
        # QEMU's end closes the line. It is the daemon that ends QEMU once the guest has powered off (-no-shutdown).
        while self.console.drain():
            if not wait_readable(self.console.fileno(), min(deadline_ns, monotonic_ns() + NS_PER_S)):
                require_daemon(self.domain.connect(), self.uri)
                if monotonic_ns() >= deadline_ns:
                    raise BackendError(f"{self.name} did not power off in time; last words: {self.console_tail()}")

    def remove(self, deadline_ns: int) -> None:
        """Wait until libvirt has forgotten the domain, and remove its files. Raises BackendError without a daemon."""
        self._end_domain()
        domain_log(self.uri, self.name).unlink(missing_ok=True)
        self._forget()

    def destroy(self) -> None:
        """End the domain, by its daemon or without it; what cannot be ended stays in the journal."""
        self.console.close()
        with contextlib.suppress(BackendError):
            remove_domain(self.uri, self.name, self.journal.run_id)
            self._forget()

    def _end_domain(self) -> None:
        end_domain(self.domain.connect(), self.name, self.journal.run_id)

    def _forget(self) -> None:
        self.console.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.journal.forget(self.domain_number)
        self.journal.forget(self.folder_number)


@dataclass(slots=True)
class _Place:
    """A connection, and what its QEMUs may read."""

    uri: str
    connection: Any
    security_models: tuple[str, ...]
    user: int | None
    group: int | None
    folder: Path
    run_folder: RunFolder

    def reconnect(self) -> None:
        """Connect anew where the daemon has been started again since. Raises BackendError where it has not."""
        try:
            require_daemon(self.connection, self.uri)
        except NoDaemonError:
            fresh = open_connection(self.uri)
            hang_up(self.connection, self.uri)
            self.connection = fresh


class LibvirtBackend(VmBackend):
    """QEMU managed by libvirt, over any URI of its QEMU driver."""

    name: ClassVar[str] = "libvirt"
    title: ClassVar[str] = "libvirt"
    install: ClassVar[str] = INSTALL
    libraries: ClassVar[tuple[str, ...]] = ("libvirt-python",)
    variant_keys: ClassVar[frozenset[str]] = VM_KEYS | {"uri"}
    leftover_commands: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "domain": ("virsh", "--quiet", "list", "--all", "--name"),
        "network": ("virsh", "--quiet", "net-list", "--all", "--name"),
        "storage pool": ("virsh", "--quiet", "pool-list", "--all", "--name"),
    }
    leftover_folders: ClassVar[tuple[Path, ...]] = (Path("/run/libvirt/qemu"), Path("/var/log/libvirt/qemu"))
    """Where the system's daemon notes running domains, and keeps their logs; both outlive a daemon that is killed."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        super().__init__(settings, journal)
        self._uris = settings.libvirt_uris or (default_uri(),)
        self._places: dict[str, _Place] = {}

    def variants(self) -> tuple[Mapping[str, str], ...]:
        """Return what direct QEMU has, for each URI where there is more than one; libvirt has no microvm."""
        known = tuple(variant for variant in super().variants() if not variant["machine"].startswith("microvm"))
        if len(self._uris) == 1:
            return known
        return tuple({**variant, "uri": uri} for uri in self._uris for variant in known)

    def start(self, workload: Workload, variant: Mapping[str, str], mark: MarkCallback) -> LibvirtInstance:
        """Create one transient domain, which starts it, and return once its serial line is open."""
        place, recipe, name = self._place(variant), self.recipe(variant), self._next_name()
        place.reconnect()
        folder = place.folder / name
        with machine_folder(self._journal, folder) as number, self._journalled(name, place.uri) as domain_number:
            guest = self._readable_guest(place, recipe, folder, recipe.guest(folder, name, workload))
            xml = domain_xml(guest, self.emulator, self._settings.run_id, place.security_models)
            domain, console = self._create(place, xml, guest, mark)
        own_guest, journal = recipe.own_guest, self._journal
        return LibvirtInstance(
            name, domain, guest, place.uri, console, folder, own_guest, journal, number, domain_number
        )

    def engine_processes(self) -> tuple[int, ...] | None:
        """Return the daemons behind the URIs, monolithic or modular; None where one of them cannot be told."""
        found: dict[int, None] = {}
        for uri in self._uris:
            daemons = daemons_of(uri)
            if daemons is None:
                return None
            found |= dict.fromkeys(daemons)
        return tuple(found)

    def remaining(self) -> tuple[str, ...]:
        """Return the domains of the run and their logs, its networks and storage pools.

        Raises BackendError where a daemon may not be asked.
        """
        run_id, found = self._settings.run_id, []
        for uri in self._uris:
            logs = domain_log(uri, f"*{run_id}*")
            found += [f"log {path}" for path in logs.parent.glob(logs.name)]
            with contextlib.suppress(NoDaemonError), connected(uri) as connection:
                names = (f"domain {domain.name()}" for domain in connection.listAllDomains())
                found += [name for name in (*names, *names_of(connection)) if run_id in name]
        return tuple(found)

    def close(self) -> None:
        """Close the connections and remove the folders that libvirt's QEMU read from."""
        for place in self._places.values():
            hang_up(place.connection, place.uri)
            place.run_folder.remove()
        self._places.clear()
        super().close()

    @classmethod
    def reap(cls, entry: Entry, run_id: str) -> bool:
        """Remove a journalled domain, network or storage pool of a dead run. Raises BackendError."""
        if entry.kind in (Kind.NETWORK, Kind.POOL):
            return remove_transient(entry.kind, entry.facts["uri"], entry.name)
        return remove_domain(entry.facts["uri"], entry.name, run_id)

    def _facts(self) -> dict[str, str]:
        for uri in () if self._settings.allow_remote else self._uris:
            refuse_remote(uri)
        if len(self._uris) > 1 and any(map(is_embedded, self._uris)):
            raise BackendError(
                "libvirt's embedded driver allows no other connection beside it", remedy="a run of its own"
            )
        facts, emulator = {}, self.emulator
        for uri in self._uris:
            with connected(uri) as connection:
                if not self._settings.allow_remote:  # A name of libvirt.conf's for a URI says only now where it leads.
                    refuse_remote(connection.getURI())
                require_qemu(connection, uri)
                facts[f"{uri} libvirt"] = _dotted(connection.getLibVersion())
                facts[f"{uri} qemu"] = _dotted(connection.getVersion())
                _refuse_endless_probing(connection, uri, emulator)
        return facts

    def _recipe(self, settings: Settings, variant: Mapping[str, str]) -> Recipe:
        """Return what all starts of a variant share, copied to where libvirt's QEMU can read it."""
        return self._readable_recipe(self._place(variant), super()._recipe(settings, variant))

    def uri_of(self, variant: Mapping[str, str]) -> str:
        """Return the connection that a variant's machines are started over."""
        return variant.get("uri", self._uris[0])

    def _place(self, variant: Mapping[str, str]) -> _Place:
        uri = self.uri_of(variant)
        if uri not in self._places:
            connection = open_connection(uri)
            models, user, group = qemu_ids(connection)
            # Not in the run's own folder: that is closed to other users, and libvirt's QEMU mostly is one.
            folder = make_run_folder(self._journal, f"envbench-{self._settings.run_id}-libvirt-{new_nonce()}")
            self._places[uri] = place = _Place(uri, connection, models, user, group, folder.path, folder)
            self._hand_over(place, folder.real)
            self._require_sight(place)
        return self._places[uri]

    def _require_sight(self, place: _Place) -> None:
        """Raise BackendError where the daemon does not see the folder that its QEMUs are to read from."""
        with nonce_file(place.folder) as path:
            for each in (path.parent, path):
                self._hand_over(place, each)
            if is_out_of_sight(place.connection, path):
                raise unseen(path, place_of(place.uri))

    @contextlib.contextmanager
    def _journalled(self, name: str, uri: str) -> Iterator[int]:
        """Journal a domain that the block makes; where the block fails, it is gone again."""
        number = self._journal.intend(Kind.DOMAIN, name, self.name, uri=uri)
        try:
            yield number
        except BaseException:
            with contextlib.suppress(BackendError):
                remove_domain(uri, name, self._settings.run_id)
                self._journal.forget(number)
            raise

    def landing(self, recipe: Recipe) -> Path:
        """Return the folder that libvirt's QEMU reads from."""
        return self._place(recipe.variant).folder

    @contextlib.contextmanager
    def made_of(self, recipe: Recipe) -> Iterator[None]:
        """Have the starts of this recipe's variant made of it in the block; its files become QEMU's own."""
        place = self._place(recipe.variant)
        files = [each.path for each in (recipe.kernel, recipe.disk) if each] + (
            [recipe.initrd] if recipe.initrd else []
        )
        for path in files:
            for each in (path.parent, path):
                self._hand_over(place, each)
        with super().made_of(recipe):
            yield

    def _readable_recipe(self, place: _Place, recipe: Recipe) -> Recipe:
        """Return the recipe with copies of what all starts share; a disk of the user's own stays where it is.

        Copies are told apart by where they come from: another variant may boot another kernel.
        """

        def copied(path: Path, name: str) -> Path:
            own_copy = place.folder / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}-{name}"
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

    def _create(self, place: _Place, xml: str, guest: Guest, mark: MarkCallback) -> tuple[Any, Console]:
        libvirt = load_libvirt()
        # The embedded driver refuses the flag; its domains are the journal's alone.
        flags = 0 if is_embedded(place.uri) else libvirt.VIR_DOMAIN_START_AUTODESTROY
        listener = SerialListener(guest.serial)
        self._hand_over(place, guest.serial)
        try:
            with _watching(listener, mark):
                mark(Mark.REQUESTED)
                with translated(libvirt, place.uri):
                    domain = place.connection.createXML(xml, flags)
                mark(Mark.STARTED)
            if not wait_readable(listener.fileno(), monotonic_ns() + int(VMM_DEADLINE_S * NS_PER_S)):
                raise BackendError(f"{guest.name}: QEMU did not open its serial line in {VMM_DEADLINE_S:g} s")
            return domain, Console(listener.accept(), mark, first_words(speaks_first=guest.speaks_first))
        finally:
            listener.close()


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file and keep its holes: most of a disk is one (cp(1)). Raises BackendError."""
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", "--", source, target], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackendError(done.stderr.strip(), remedy="free space, or another TMPDIR")


def _refuse_endless_probing(connection: Any, uri: str, emulator: Emulator) -> None:
    """Raise BackendError where libvirt cannot keep what it found out about QEMU, and so finds it out at every start.

    It does so for tens of seconds where its QEMU user may not open a /dev/kvm that its own probe could (mode 0600, as a
    machine without udev has it): "KVM was enabled when probing, but it is not available now".
    """
    asked = (str(emulator.path), emulator.architecture.firmware_arch, emulator.architecture.machines[0], "qemu")
    connection.getDomainCapabilities(*asked)  # The first question of a daemon's life may take a probe.
    begun_ns = monotonic_ns()
    connection.getDomainCapabilities(*asked)
    if monotonic_ns() - begun_ns > NS_PER_S:
        raise BackendError(
            f"libvirt {uri} probes QEMU anew at every start, for its user may not open /dev/kvm",
            remedy="chgrp kvm /dev/kvm && chmod 660 /dev/kvm (as udev would)",
        )


@contextlib.contextmanager
def _watching(listener: SerialListener, mark: MarkCallback) -> Iterator[None]:
    """Mark VMM_UP the moment QEMU connects: that is while libvirt's call, which starts it, still runs."""
    cancelled, cancel = os.pipe()

    def watch() -> None:
        deadline_ns = monotonic_ns() + int(VMM_DEADLINE_S * NS_PER_S)
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
        raise BackendError("no qemu-img for the disk's overlay", remedy="apt install qemu-utils") from error
    except subprocess.CalledProcessError as error:
        raise BackendError(f"{disk.path}: {' '.join(error.stderr.split())}", remedy="a raw or qcow2 disk") from error
    return Disk(path, "qcow2")


def _dotted(version: int) -> str:
    """Return libvirt's number (major * 1,000,000 + minor * 1,000 + release) as people write it."""
    return f"{version // 1_000_000}.{version // 1_000 % 1_000}.{version % 1_000}"
