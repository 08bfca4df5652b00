"""What a manager of machines adds to a start: `vagrant up` by its libvirt provider against a plain start by libvirt.

Both boot the same disk, a whole Debian with an SSH server, and both end with a login: Vagrant waits for one before it
returns. Vagrant's home, its box, its key, its network and the storage pool of its machines are the run's own.
"""

import contextlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

from envbench.backend import Mark, Workload
from envbench.backends.libvirt.backend import LibvirtBackend, copy_sparse
from envbench.backends.libvirt.removal import remove_domain
from envbench.backends.libvirt.transient import own_network, own_pool
from envbench.backends.shared.child import Child, environment
from envbench.backends.vm.guest import Disk
from envbench.backends.vm.recipe import Recipe, clock_words, kernel_words
from envbench.errors import BackendError, CommandError, EnvbenchError, StartTimeoutError
from envbench.experiments.deploy.guest_files import QCOW2, converted
from envbench.payload.bootable import bootable_disk, put_file
from envbench.payload.kernel import find_kernel
from envbench.payload.userland import userland_tree
from envbench.readiness.output import OutputReader, marker_for
from envbench.readiness.probe import free_port, wait_answer
from envbench.records.phases import counted
from envbench.run.bench import Bench
from envbench.settings import RUN_ENVIRONMENT, Configuration, new_nonce
from envbench.settings.condition import TcpReady
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.surroundings.programs import answer_of, require_program
from envbench.traces.journal import Kind

USERLAND = "login"
INSTALL = "apt install vagrant vagrant-libvirt"
REMEDY = "a machine with less to do"
ROUNDS = {"kvm": 6, "tcg": 2}
"""As many as the exact interval of a median needs, or, emulated, what a run has the time for; one more comes before."""
DEADLINES_S = {"kvm": 120.0, "tcg": 600.0}
"""For one start: Vagrant itself takes some seconds, and an emulated Debian on a busy machine minutes."""
COMMAND_DEADLINE_S = 120.0
LOGIN_DEADLINE_S = 60.0
POLL_S = 0.1
MEMORY_BYTES = 512 << 20
SSH_PORT = 22
GIB = 1 << 30
SHOWN = 300
CPU = {
    "kvm": 'libvirt.cpu_mode = "host-passthrough"',
    "tcg": 'libvirt.cpu_mode = "custom"; libvirt.cpu_model = "qemu64"',
}
"""What a plain machine has as well, as Vagrant has it said."""

BOX_VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.ssh.username = "root"
  config.ssh.sudo_command = "%c"
  config.ssh.insert_key = false
  config.vm.synced_folder ".", "/vagrant", disabled: true
end
"""
"""What the box says of itself: the way in, and that it takes no folder of the host's."""
VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.box = {box}
  config.vm.box_check_update = false
  config.ssh.private_key_path = {key}
  config.vm.provider :libvirt do |libvirt|
    libvirt.uri = {uri}
    libvirt.driver = {driver}
    {cpu}
    libvirt.machine_type = {machine}
    libvirt.memory = {memory}
    libvirt.cpus = 1
    libvirt.graphics_type = "none"
    libvirt.default_prefix = {prefix}
    libvirt.description = {run_id}
    libvirt.qemuenv {variable} => {run_id}
    libvirt.storage_pool_name = {pool}
    libvirt.management_network_name = {network}
    libvirt.management_network_address = {subnet}
    libvirt.management_network_mode = "none"
    libvirt.management_network_keep = true
  end
end
"""


def run(bench: Bench) -> str:
    """Start the machine both ways in turns and write how long each took; return the manager in words.

    Raises EnvbenchError where something that it needs is not here, or a start fails.
    """
    backend, variant = machine_of_the_systems(bench)
    configuration = Configuration(backend.name, {**variant, "boot": "disk"}, "distro")
    longest_ns, done = 0, 0
    with _ground(bench, backend, variant) as starts:
        manager = starts.manager
        details = {"managed_ready": f"{manager}: vagrant up", "plain_ready": f"{manager}: the same disk without it"}
        for number in range(ROUNDS[variant["accel"]] + 1):
            if number > 1 and not bench.has_time(longest_ns):
                break
            begun_ns = monotonic_ns()
            for metric, start in starts.in_turns(number):
                bench.order += 1
                bench.record(
                    metric, start(), configuration, iteration=number, warmup=not number, detail=details[metric]
                )
            longest_ns, done = max(longest_ns, monotonic_ns() - begun_ns), number
    bench.say(f"kernel: {manager}: vagrant up and a plain start, {counted(done, 'round')}")
    return manager


def machine_of_the_systems(bench: Bench) -> tuple[LibvirtBackend, Mapping[str, str]]:
    """Return backend and variant of the first machine that the system's own libvirt starts with no firmware asked for.

    Raises EnvbenchError where none is part of the run.
    """
    for one in bench.vms():
        variant = one.configuration.variant
        if isinstance(one.backend, LibvirtBackend) and "firmware" not in variant:
            uri = urlsplit(one.backend.uri_of(variant))
            if uri.path == "/system" and not uri.hostname:
                return one.backend, variant
    raise EnvbenchError(
        "no machine of the system's own libvirt is part of this run", remedy="--backend libvirt beside it, as root"
    )


@contextlib.contextmanager
def _ground(bench: Bench, backend: LibvirtBackend, variant: Mapping[str, str]) -> Iterator["_Starts"]:
    """Give what starts both ways: the box is with Vagrant then, and the network and the storage pool are there."""
    vagrant, ssh, keygen = (require_program(name, INSTALL) for name in ("vagrant", "ssh", "ssh-keygen"))
    settings, journal, name = bench.settings, bench.journal, f"envbench-{bench.settings.run_id}-vagrant"
    uri, recipe = backend.uri_of(variant), backend.recipe(variant)
    # QEMU reads disk and storage pool, so they lie where libvirt's backend has its files.
    with _folder(bench, settings.work_dir / name) as folder, _folder(bench, backend.landing(recipe) / name) as place:
        home, key = _Home(folder, vagrant, settings.run_id), folder / "key"
        manager = home.manager()
        answer_of((keygen, "-q", "-t", "ed25519", "-N", "", "-C", "envbench", "-f", key), INSTALL)
        (place / "pool").mkdir()
        disk = _disk(bench, recipe, key.with_suffix(".pub"), place)
        home.add(_box(disk, folder / "machine.box"), name)
        with (
            own_network(journal, uri, name) as subnet,
            own_pool(journal, uri, name, place / "pool"),
            backend.made_of(_of_disk(recipe, disk)),
        ):
            home.configure(
                CPU[variant["accel"]],
                box=name,
                key=str(key),
                uri=uri,
                driver="kvm" if variant["accel"] == "kvm" else "qemu",
                machine=variant["machine"],
                prefix=f"{name}-",
                run_id=settings.run_id,
                variable=RUN_ENVIRONMENT,
                pool=name,
                network=name,
                subnet=str(subnet),
            )
            yield _Starts(bench, backend, variant, home, manager, f"{name}-default", (ssh, key))


@contextlib.contextmanager
def _folder(bench: Bench, folder: Path) -> Iterator[Path]:
    number = bench.journal.intend(Kind.FOLDER, str(folder))
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        bench.journal.forget(number)


def _of_disk(recipe: Recipe, disk: Path) -> Recipe:
    """Return the recipe of the same machine, booted from this disk as a user's own would be."""
    return replace(recipe, kernel=None, archive=b"", initrd=None, append="", disk=Disk(disk, "qcow2"), own_guest=False)


def _disk(bench: Bench, recipe: Recipe, public_key: Path, folder: Path) -> Path:
    """Return a disk of a whole Debian that lets in who has this key. Raises BackendError."""
    cache_dir = bench.settings.cache_dir
    userland_tree(cache_dir, USERLAND, bench.say, offline=bench.settings.offline)
    words = (kernel_words(recipe.architecture, own_init=False), clock_words(recipe.variant))
    made = bootable_disk(cache_dir, USERLAND, find_kernel(cache_dir), " ".join(filter(None, words)))
    raw = folder / "disk"
    copy_sparse(made, raw)
    put_file(raw, public_key, "/root/.ssh/authorized_keys")
    disk = converted(raw, QCOW2)
    raw.unlink()
    return disk


def _box(disk: Path, box: Path) -> Path:
    """Write a box: the disk, how large it is at least, and what Vagrant has to know (vagrant-libvirt, box format)."""
    size_bytes = int(json.loads(answer_of(("qemu-img", "info", "--output=json", disk), INSTALL))["virtual-size"])
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": ceil(size_bytes / GIB)}
    with tarfile.open(box, "w") as archive:
        for name, text in (("metadata.json", json.dumps(metadata)), ("Vagrantfile", BOX_VAGRANTFILE)):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        archive.add(disk, "box.img")
    return box


def ruby(text: str) -> str:
    r"""Return a text as Ruby's source has it: between single quotes, where only \\ and \' are read."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class _Home:
    """Vagrant with a home of the run's own, which asks nothing of the network."""

    def __init__(self, folder: Path, program: Path, run_id: str) -> None:
        self._program, self._log, self._project = program, folder / "log", folder / "project"
        for each in ("home", "project", "temporary"):
            (folder / each).mkdir(mode=0o700)
        self._environment = environment(
            run_id,
            HOME=str(folder / "home"),
            LC_ALL="C.UTF-8",
            TMPDIR=str(folder / "temporary"),
            VAGRANT_CHECKPOINT_DISABLE="1",
            VAGRANT_CWD=str(self._project),
            VAGRANT_DOTFILE_PATH=str(folder / "state"),
            VAGRANT_HOME=str(folder / "home"),
            VAGRANT_NO_COLOR="1",
        )

    def manager(self) -> str:
        """Return Vagrant and its libvirt provider in words. Raises BackendError where it has no such provider."""
        version = self.run("--version").strip()
        told = self.run("plugin", "list", "--machine-readable")
        found = re.search(r",vagrant-libvirt,plugin-version,([\w.]+)", told)
        if found is None:
            raise BackendError("Vagrant has no libvirt provider that every user has", remedy=INSTALL)
        return f"{version} with vagrant-libvirt {found[1]}"

    def add(self, box: Path, name: str) -> None:
        """Take a box in. Raises BackendError."""
        self.run("box", "add", "--name", name, "--provider", "libvirt", str(box))
        box.unlink()

    def configure(self, cpu: str, **words: str) -> None:
        """Write what is to be started; `cpu` is Ruby."""
        texts = {name: ruby(text) for name, text in words.items()}
        self._project.joinpath("Vagrantfile").write_text(
            VAGRANTFILE.format(cpu=cpu, memory=MEMORY_BYTES >> 20, **texts), "utf-8"
        )

    def run(self, *words: str, deadline_s: float = COMMAND_DEADLINE_S) -> str:
        """Run Vagrant to its end and return what it said. Raises BackendError with its last words."""
        what = f"vagrant {words[0]}"
        with self._log.open("wb") as output:
            child = Child([self._program, *words], self._environment, output.fileno())
        try:
            ended = child.wait(monotonic_ns() + int(deadline_s * NS_PER_S))
        finally:
            child.kill()
        said = self._log.read_text("utf-8", errors="replace")
        last = " | ".join(line.strip() for line in said.splitlines() if line.strip())[-SHOWN:]
        if not ended:
            raise StartTimeoutError(f"{what} did not end within {deadline_s:g} s: {last}")
        if child.status:
            raise CommandError(what, exit_status=child.status, said=last)
        return said


@dataclass(frozen=True, slots=True)
class _Starts:
    """Starts of the machine in both ways; none runs any more when the next one begins."""

    bench: Bench
    backend: LibvirtBackend
    variant: Mapping[str, str]
    home: _Home
    manager: str
    domain: str
    """What Vagrant calls the machine: its prefix, and the name that it gives to an only one."""
    login: tuple[Path, Path]
    """The SSH client and the key."""

    @property
    def deadline_s(self) -> float:
        """Return how long one start may take."""
        return max(self.bench.settings.deadline_s, DEADLINES_S[self.variant["accel"]])

    def in_turns(self, number: int) -> Sequence[tuple[str, Callable[[], int]]]:
        """Return both ways by their metric, in the order of this round."""
        ways = (("plain_ready", self.plain), ("managed_ready", self.managed))
        return ways if number % 2 else ways[::-1]

    def managed(self) -> int:
        """Return how long `vagrant up` took; the machine is gone then. Raises BackendError, StartTimeoutError."""
        journal, uri = self.bench.journal, self.backend.uri_of(self.variant)
        number = journal.intend(Kind.DOMAIN, self.domain, "libvirt", uri=uri)
        try:
            begun_ns = monotonic_ns()
            self.home.run("up", "--provider", "libvirt", deadline_s=self.deadline_s)
            took_ns = monotonic_ns() - begun_ns
            self.home.run("destroy", "--force")
        finally:
            remove_domain(uri, self.domain, journal.run_id)
            journal.forget(number)
        return took_ns

    def plain(self) -> int:
        """Return the time from the request until a login by SSH got through; the machine is gone then.

        Raises BackendError, StartTimeoutError.
        """
        port, nonce, marks = free_port(), new_nonce(), dict[Mark, int]()
        deadline_ns = monotonic_ns() + int(self.deadline_s * NS_PER_S)
        workload = Workload(nonce, keep_running=True, memory_bytes=MEMORY_BYTES, cpus=1, ports=((port, SSH_PORT),))
        instance = self.backend.start(workload, self.variant, lambda mark: marks.update({mark: monotonic_ns()}))
        try:
            reader = OutputReader(marker_for(nonce))
            wait_answer(instance, reader, TcpReady(SSH_PORT), port, nonce, deadline_ns)
            self._log_in(port, deadline_ns)
            took_ns = monotonic_ns() - marks[Mark.REQUESTED]
            instance.stop(deadline_ns)
            instance.remove(deadline_ns)
        finally:
            instance.destroy()
        return took_ns

    def _log_in(self, port: int, deadline_ns: int) -> None:
        """Run a command by SSH, once it lets us in: of the probe's connections it still has as many as it takes of one.

        Raises BackendError.
        """
        ssh, key = self.login
        options = ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        words = (*("-F", "none"), *(word for option in options for word in ("-o", option)), "-p", str(port))
        while True:
            try:
                answer_of((ssh, *words, "-i", key, "root@127.0.0.1", "true"), REMEDY, LOGIN_DEADLINE_S)
            except CommandError:
                if monotonic_ns() > deadline_ns:
                    raise
                sleep(POLL_S)
            else:
                return
