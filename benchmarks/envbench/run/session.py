"""One run from its first folder to the last clean-up: opens the backends, gives experiments their bench, removes all.

Whatever ends it (the end of the plan, Ctrl-C, SIGTERM, a full disk, an error of our own), what it made in the engines
is removed, rows that were measured stay, and run.json says how it ended.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from envbench.backend import Backend, Unusable, Usable, unusable
from envbench.backends import BACKENDS, load
from envbench.backends.vm.emulator import find_emulator
from envbench.errors import (
    BackendError,
    EnvbenchError,
    NoUsableBackendError,
    UsageError,
    advice,
    foreseen,
    one_line,
)
from envbench.payload.kernel import GuestKernel, fetch_kernel, find_kernel
from envbench.payload.tree import tree_of_run
from envbench.payload.userland import IMAGES, MACHINES, userland_tree
from envbench.records.phases import BackendKind, ImageUse, Outcome
from envbench.records.run_json import RUN_FILE, Caution
from envbench.records.samples import SAMPLES_FILE, SampleWriter
from envbench.run import audit, noise
from envbench.run.bench import Bench, Prepared, named
from envbench.run.course import Course
from envbench.run.got import require_as_asked
from envbench.run.opening import close_backend, open_backend
from envbench.run.progress import Reporter
from envbench.run.reaper import reap, reap_entries, reap_marked_processes
from envbench.run.record import RunRecord, host_answer
from envbench.run.sampler import Sampler, Start, Ticket
from envbench.settings import (
    WHOLE_SYSTEMS,
    Configuration,
    Plan,
    Settings,
    profile_of,
    ready_of,
)
from envbench.settings.condition import PortReady
from envbench.surroundings.clock import NS_PER_S, monotonic_ns
from envbench.traces.journal import Journal
from envbench.traces.procfs import counts_our_processes
from envbench.traces.run_folder import make_run_folder

INTERRUPTED = "interrupted"
"""The outcome of a run that a signal ended."""
QUIET_WAIT_S = 120.0
REPORTS_S = 10.0
"""About what it takes to clear up and to write the reports of one experiment."""
DROP_CACHES = Path("/proc/sys/vm/drop_caches")

Say = Callable[[str], None]


def open_output(folder: Path) -> SampleWriter:
    """Make the results folder and its samples.csv before anything is measured. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / RUN_FILE).exists() or (folder / SAMPLES_FILE).exists():
            raise UsageError(f"{folder} already holds a run", remedy="another --output")
        return SampleWriter(folder / SAMPLES_FILE)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", remedy="another --output") from error


def make_work_dir(run_id: str, journal: Journal) -> Path:
    """Make the run's private folder.

    Raises UsageError where the place for temporary files cannot be written, and where /proc shows another PID
    namespace: whatever is read there of a process of ours is a stranger's.
    """
    if not counts_our_processes():
        raise UsageError(
            "/proc shows other processes than this one's: it is another PID namespace's, or not mounted",
            remedy="mount -t proc proc /proc (unshare --pid has --mount-proc)",
        )
    try:
        return make_run_folder(journal, f"envbench-{run_id}").path
    except OSError as error:
        raise UsageError(
            f"{tempfile.gettempdir()} cannot be written: {error.strerror}", remedy="another TMPDIR"
        ) from error


def own_left_out(settings: Settings, configurations: Collection[Configuration]) -> str:
    """Return the user's own images, disks or kernels where none of what will be started is one of them, "" else.

    Of several, those that are left out have their line and the others go on.
    """
    wanted = (
        (settings.images, settings.image_of, BackendKind.CONTAINER),
        (settings.disks, settings.disk_of, BackendKind.VM),
        (settings.kernels, settings.kernel_of, BackendKind.VM),
    )
    for own, started_by, kind in wanted:
        if own and not any(load(one.backend).kind is kind and started_by(one.variant) for one in configurations):
            return ", ".join(map(str, own))
    return ""


def nothing_to_start(settings: Settings, configurations: Collection[Configuration]) -> str:
    """Return what is missing where a run would measure nothing, or nothing of the user's own; "" where it would."""
    if not configurations:
        return "no backend can run here"
    own = own_left_out(settings, configurations)
    return own and f"nothing here starts {own}"


class Session:
    """A run that is under way. Use as a context manager; leaving it cleans up and finishes run.json.

    Raises NoUsableBackendError on entry where no backend can run, UsageError for an output folder that cannot be used.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        journal: Journal,
        output: Path,
        command: Sequence[str],
        shown: Reporter,
        *,
        include_names: bool = False,
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.journal = journal
        self.output = output
        self._shown, self._say = shown, shown.say
        self.course = Course(shown.at, after_s=REPORTS_S)
        self._writer = open_output(output)
        self.record = RunRecord(output, settings, plan, command, host_answer(include_names=include_names))
        self.noise = noise.NoiseWatch()
        self.sampler = Sampler(settings, self._writer, self.noise)
        self.backends: dict[str, Backend] = {}
        """By name, or by profile and name for those that start a whole system."""
        self.prepared: list[Prepared] = []
        self.whole_systems: list[Prepared] = []
        """Backends of the profiles beside the first one; experiments go by `prepared` alone."""
        self.failed_starts = 0
        self.leaked: tuple[str, ...] = ()
        """What of the run is still there after `close`, one line each."""
        self._rooms: ThreadPoolExecutor | None = None
        self._witness = audit.Witness(settings.run_id)
        self.sampler.on_instance = self._witness.note

    def open_backends(self) -> None:
        """Check and prepare every backend that was asked for. Raises NoUsableBackendError where none is left."""
        self._provide_kernel()
        for name in self.plan.backends or tuple(BACKENDS):
            self._open_or_skip(name, self.settings)
        for profile in self.plan.profiles[1:]:
            self._open_whole_systems(profile)
        self._describe_payload()
        self.record.add_warnings(noise.machine_warnings())
        if any(one.is_vm for one in self.prepared):
            ignored = ignored_by_guests(self.settings)
            self.record.add_warnings(ignored)
            for caution in ignored:
                self._say(f"{caution.message}; {caution.advice}")
        self.record.save()
        missing = nothing_to_start(self.settings, [one.configuration for one in self.prepared])
        if missing:
            reasons = [f"{one.name}: {one.reason} (try: {one.remedy})" for one in self.record.run.backends.skipped]
            raise NoUsableBackendError(f"{missing}: {'; '.join(reasons)}", remedy="envbench doctor")

    def change_plan(self, **changed: Any) -> None:
        """Change the plan to what the backends that were found call for."""
        self.plan = replace(self.plan, **changed)
        self.record.change_plan(changed)

    def has_engine(self) -> bool:
        """Return whether a container engine takes part."""
        return any(one.backend.images is not ImageUse.NONE for one in self.prepared)

    def configurations(self) -> list[Configuration]:
        """Return all backends that will be started, with the conditions that the harness sees to."""
        return [one.configuration for one in self.started()]

    def started(self) -> list[Prepared]:
        """Return all backends that will be started: those of the first profile, then the other whole systems."""
        return [*self.prepared, *self.whole_systems]

    def drop(self, configurations: Collection[Configuration]) -> None:
        """Leave these backends out of what is still to come: each part of it would wait for the same engine again."""
        # Changed in place: a bench that was made before holds this same list.
        for kept in (self.prepared, self.whole_systems):
            kept[:] = [one for one in kept if one.configuration not in configurations]

    def bench(self) -> Bench:
        """Return what experiments work with."""
        return Bench(
            self.settings,
            self.journal,
            self.sampler,
            self.prepared,
            self.whole_systems,
            quick=self.plan.quick,
            seed=self.plan.seed,
            say=self._say,
            course=self.course,
        )

    def measure(self, tickets: Sequence[Ticket]) -> Sequence[Start]:
        """Take these starts, all of one backend, at the same time."""
        wanted = tickets[0].configuration
        backend = next(one.backend for one in self.started() if one.configuration == wanted)
        if self.plan.cold:
            drop_caches()
        starts = self._measure(backend, tickets)
        self.failed_starts += sum(start.outcome is not Outcome.OK for start in starts)
        return starts

    def _measure(self, backend: Backend, tickets: Sequence[Ticket]) -> Sequence[Start]:
        if len(tickets) == 1:
            return [self.sampler.measure(backend, tickets[0])]
        if self._rooms is None:
            self._rooms = ThreadPoolExecutor(max_workers=self.plan.parallel)
        futures = [self._rooms.submit(self.sampler.measure, backend, ticket, alone=False) for ticket in tickets]
        return [future.result() for future in futures]

    def before_round(self) -> None:
        """Wait for a calm machine where that was asked for."""
        if self.plan.quiet_machine and not noise.wait_for_calm(monotonic_ns() + int(QUIET_WAIT_S * NS_PER_S)):
            self._say(f"the machine did not calm down within {QUIET_WAIT_S:g} s; going on, with the noise on record")

    def close(self, outcome: str, exit_code: int) -> None:
        """Remove all traces, look whether any is left, and finish run.json. Raises EnvbenchError."""
        if self._rooms is not None:
            self._rooms.shutdown(wait=True, cancel_futures=True)  # Of a run that was interrupted no start begins anew.
        for backend in self.backends.values():
            close_backend(backend)
        reaped = [*reap_entries(self.journal.entries(), self.settings.run_id)]
        if outcome == INTERRUPTED:
            # A signal may come between the spawn of a process and the moment at which it is known to anybody.
            reaped += reap_marked_processes(self.settings.run_id)
        for result in reaped:
            if not result.error:
                self.journal.forget(result.entry.number)
        self._writer.close()
        self.leaked = (
            *(f"{one.entry.kind} {one.entry.name}: {one.error}" for one in reaped if one.error),
            *self._left(),
        )
        self.course.end()
        self.record.note_parts(self.course.took_s)
        self.record.note_end(self._witness.checked(), self.leaked, self.noise.record())
        self.record.add_warnings(self.noise.warnings())
        self.journal.close()
        self.record.finish(outcome, exit_code)

    def _left(self) -> tuple[str, ...]:
        try:
            return self._witness.left()
        except OSError as error:
            return (f"nobody knows what: it could not be looked for ({one_line(error)})",)

    def _provide_kernel(self) -> None:
        """Fetch a guest kernel where machines are wanted and there is none; if that fails, their check says why."""
        settings = self.settings
        wanted = any(load(name).kind is BackendKind.VM for name in self.plan.backends or BACKENDS)
        if not wanted or settings.offline or settings.kernels or settings.disks:
            return
        with contextlib.suppress(BackendError):
            find_emulator()
            try:
                find_kernel(settings.cache_dir)
            except BackendError:
                fetch_kernel(settings.cache_dir, self._shown.grew)

    def _open_whole_systems(self, profile: str) -> None:
        """Open those that can publish a port once more, with a whole system; of a quick run a container and a machine.

        Those whose first opening failed are not tried again.
        """
        work_dir = self.settings.work_dir / profile
        work_dir.mkdir(mode=0o700)
        # One runtime of each engine: a whole system is compared by its engine, not by what the engine calls.
        settings = settings_for(replace(self.settings, work_dir=work_dir, quick=True), profile)
        opened = [
            (name, backend.kind is BackendKind.VM)
            for name, backend in self.backends.items()
            if backend.publishes_ports and name == backend.name
        ]
        try:
            for is_vm in {is_vm for _, is_vm in opened}:
                userland = (MACHINES if is_vm else IMAGES)[profile]
                userland_tree(settings.cache_dir, userland, self._say, offline=settings.offline, grew=self._shown.grew)
        except BackendError as error:
            for name, _ in opened:
                self.record.add_skipped(name, unusable(error, f"envbench fetch {profile}"), {"profile": profile})
            self._say(f"{profile}: left out: {one_line(error)}")
            return
        kinds: set[bool] = set()
        for name, is_vm in opened:
            if not (self.plan.quick and is_vm in kinds) and self._open_or_skip(name, settings):
                kinds.add(is_vm)

    def _open_or_skip(self, name: str, settings: Settings) -> bool:
        """Open a backend, or note why it is left out; return whether it was opened."""
        refused = self._open(name, settings)
        if refused is None:
            return True
        is_first = settings.profile == self.settings.profile
        self.record.add_skipped(name, refused, None if is_first else {"profile": settings.profile})
        self._say(f"{titled(name, settings)}: left out: {advice(refused.reason, refused.remedy)}")
        return False

    def _open(self, name: str, settings: Settings) -> Unusable | None:
        kind = load(name)
        ready = ready_of(settings, profile_of(settings, {}, kind.images))
        if isinstance(ready, PortReady) and not kind.publishes_ports:
            return Unusable("it cannot publish a port", "docker, podman, qemu or libvirt")
        backend, found = open_backend(name, settings, self.journal)
        if backend is None or isinstance(found, Unusable):
            return found if isinstance(found, Unusable) else None
        title = titled(name, settings)
        self.backends[title] = backend
        self._witness.watch(title, backend)
        opened, facts = [], dict(found.facts)
        for variant in backend.variants():
            configuration = Configuration(
                name, variant, profile_of(settings, variant, backend.images), self._conditions()
            )
            try:
                backend.prepare(variant)
                require_as_asked(backend, configuration, self.sampler.workload("", configuration), settings)
                facts |= backend.facts_of(variant)
            except Exception as error:  # noqa: BLE001 -- it is this variant's, and the others can do without it
                words = unusable(foreseen(error), f"envbench doctor --backend {name}")
                self._say(f"{named(title, variant)}: left out: {advice(words.reason, words.remedy)}")
                self.record.add_skipped(name, words, variant)
            else:
                opened.append(configuration)
        self._keep_warnings(title, backend)
        is_first = settings.profile == self.settings.profile
        if found.aside and is_first:
            self.record.add_warnings([Caution("not-followed", f"{title}: {found.aside}", found.remedy)])
        if opened and is_first:
            self.record.add_used(backend, Usable(facts), [one.variant for one in opened])
        for configuration in opened:
            (self.prepared if is_first else self.whole_systems).append(Prepared(backend, configuration))
        return None

    def _keep_warnings(self, title: str, backend: Backend) -> None:
        """Put on record what the engine warned of when it made the first instances."""
        self.record.add_warnings(
            [
                Caution("engine-warning", f"{title} warned: {words}", "look at what was asked of it")
                for words in backend.warnings()
            ]
        )

    def _conditions(self) -> dict[str, str]:
        found = {}
        if self.plan.cold:
            found["cache"] = "cold"
        if self.plan.parallel > 1:
            found["parallel"] = str(self.plan.parallel)
        if self.plan.pin:
            found["pin"] = "yes"
        return found

    def _describe_payload(self) -> None:
        try:
            tree = tree_of_run(self.settings)
        except BackendError as error:
            self._say(f"no payload: {one_line(error)}")
            return
        also = sorted({one.configuration.profile for one in self.whole_systems})
        self.record.describe_payload(tree, guest_kernel(self.settings), also)


def settings_for(settings: Settings, profile: str) -> Settings:
    """Return these settings with another profile; the service's port is published, which takes a network."""
    return replace(settings, profile=profile, networks=("bridge",) if profile == "service" else settings.networks)


def titled(name: str, settings: Settings) -> str:
    """Return a backend's name for messages, with the whole system that it is to start."""
    return f"{name} {settings.profile}" if settings.profile in WHOLE_SYSTEMS else name


def guest_kernel(settings: Settings) -> GuestKernel | None:
    """Return what guests boot; None where there is no guest kernel, or several of the user's that take turns."""
    if len(settings.kernels) > 1:
        return None
    try:
        return find_kernel(settings.cache_dir, settings.kernel_of({}))
    except BackendError:
        return None


def ignored_by_guests(settings: Settings) -> tuple[Caution, ...]:
    """Return a caution where container options were asked for that virtual machines do not have."""
    asked = {
        "--network bridge (a guest has no network card)": "bridge" in settings.networks,
        "--read-only (what a guest writes is never kept)": settings.read_only,
        "--init (a guest has an init of its own)": settings.init,
        "--port (a guest's only port is the one that is asked)": settings.published,
        "--volume (a guest has its disk)": settings.volumes,
    }
    words = [name for name, is_asked in asked.items() if is_asked]
    if not words:
        return ()
    return (
        Caution(
            "containers-only",
            f"virtual machines do not follow {' and '.join(words)}",
            "compare them with containers with this in mind, or leave the option out",
        ),
    )


def drop_caches() -> None:
    """Have the kernel forget its clean page cache (Documentation/admin-guide/sysctl/vm.rst). Raises EnvbenchError."""
    try:
        os.sync()
        DROP_CACHES.write_text("3\n", "ascii")
    except OSError as error:
        words = f"the page cache is not dropped: {DROP_CACHES} cannot be written: {error.strerror}"
        raise EnvbenchError(words, remedy="sudo") from error


def reap_before(say: Say) -> None:
    """Remove what earlier, killed runs left, and say so; name what is left alone."""
    found = reap()
    for done in found.done:
        if done.error:
            say(f"left by killed run {done.run_id}: {done.entry.kind} {done.entry.name}: {done.error}")
        elif done.was_there:
            say(f"removed {done.entry.kind} {done.entry.name}, left by killed run {done.run_id}")
    for left in found.left:
        say(advice(f"{left}; left alone", left.remedy))
