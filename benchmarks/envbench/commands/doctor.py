"""`envbench doctor`: every backend, usable here or why not and what to do about it."""

import contextlib
import itertools
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from envbench.backend import Unusable, Usable
from envbench.backends import BACKENDS, load
from envbench.backends.vm.kvm import probe_kvm
from envbench.commands.arguments import debug_option
from envbench.commands.names import OneOf
from envbench.errors import LeftBehindError, NoUsableBackendError, advice
from envbench.payload.kernel import default_cache_dir
from envbench.records.phases import BackendKind
from envbench.run.course import about
from envbench.run.interruption import deferred
from envbench.run.opening import close_backend, open_backend
from envbench.run.reaper import clear_away
from envbench.run.session import make_work_dir
from envbench.settings import Settings, new_run_id
from envbench.traces.journal import Journal

KEPT_FOR_S = 86400.0
"""How long what guests showed stands where nothing has changed that it hangs on."""
ASKED_PER_CPU = 4
"""Backends that are asked at a time, for each CPU: they mostly wait for their engines."""

BACKEND_HELP = f"Only this backend (repeatable): {', '.join(BACKENDS)}."


@click.command()
@click.option("--backend", "names", multiple=True, type=OneOf(tuple(BACKENDS)), metavar="NAME", help=BACKEND_HELP)
@click.option("--verbose", "-v", is_flag=True, help="Print what each backend says of itself, too, and reasons whole.")
@click.option(
    "--fresh", is_flag=True, help="Boot Linux guests anew; what they showed in the last day stands otherwise."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def doctor(names: tuple[str, ...], verbose: bool, fresh: bool, as_json: bool) -> None:
    """Say for every backend whether it can run here; if not, why, and what to do.

    Machines boot guests to find out whether KVM is of any use and whether Linux gets ready, which takes a few seconds;
    their answer is kept until the next boot, for a day at most, or until QEMU, libvirt, the kernel or /dev/kvm changes,
    and a boot sector is booted meanwhile. Exit code 3 if no backend is usable.
    """
    # What is read by a program is never cut.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    run_id = new_run_id()
    journal: Journal | None = None
    found: dict[str, Usable | Unusable] = {}
    left: tuple[str, ...] = ()
    try:
        with deferred():
            journal = Journal(run_id)
        age_max_s = 0.0 if fresh else KEPT_FOR_S
        settings = Settings(run_id, make_work_dir(run_id, journal), default_cache_dir(), guest_age_max_s=age_max_s)
        for name, answer in examined(tuple(dict.fromkeys(names)) or tuple(BACKENDS), settings, journal):
            found[name] = answer
            if not as_json:
                _show(backend_lines(name, answer, width, verbose=verbose))
    finally:
        if journal is not None:
            left = clear_away(journal)
    if as_json:
        click.echo(json.dumps({name: _as_json(answer) for name, answer in found.items()}, indent=1))
    else:
        _show(closing_lines(found, width))
    if left:
        raise LeftBehindError(f"left behind, and why: {'; '.join(left)}", remedy="envbench clean")
    if not any(isinstance(answer, Usable) for answer in found.values()):
        raise NoUsableBackendError("no backend can run here; each one's reason and remedy stand above")


def examined(names: Sequence[str], settings: Settings, journal: Journal) -> Iterator[tuple[str, Usable | Unusable]]:
    """Yield what each backend says of itself, in this order; several are asked at a time.

    Nothing is left behind, also where it is not asked to its end: what has begun is waited for.
    """
    # KVM alone: it is judged by the time that a guest takes. What fails here is told by the backend, which asks again.
    with contextlib.suppress(Exception):
        if any(load(name).kind is BackendKind.VM for name in names):
            settings.once(probe_kvm)
    answers: Iterable[Usable | Unusable]
    pool = ThreadPoolExecutor(ASKED_PER_CPU * len(os.sched_getaffinity(0)))
    try:
        try:
            answers = pool.map(lambda name: examine(name, settings, journal), names)
        except RuntimeError:  # No thread more may be started here (ulimit -u, a container's limit): one by one, then.
            pool.shutdown(cancel_futures=True)
            answers = (examine(name, settings, journal) for name in names)
        yield from zip(names, answers, strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def examine(name: str, settings: Settings, journal: Journal) -> Usable | Unusable:
    """Return what one backend says of itself, and leave nothing behind."""
    backend, answer = open_backend(name, settings, journal)
    if backend is not None:
        close_backend(backend)
    return answer


def backend_lines(name: str, answer: Usable | Unusable, width: int | None, *, verbose: bool = False) -> Iterator[str]:
    """Yield a backend's line, cut to `width` (None: as long as it is); with `verbose` all its facts below it."""
    if isinstance(answer, Unusable):
        line = _refusal(name, answer)
        yield from _wrapped(line, width, 0) if verbose else (_cut(line, width),)
        return
    facts = answer.facts
    version = next((facts[key] for key in ("version", name) if key in facts), next(iter(facts.values()), ""))
    accelerator = {"unusable": "emulation only", "usable": "with KVM"}.get(facts.get("kvm", ""), "")
    yield _cut(f"{name:<11} usable      {', '.join(filter(None, (version, accelerator)))}".rstrip(), width)
    if verbose:
        for key, value in facts.items():
            yield from _wrapped(f"{key}: {value}", width, 24)


def _refusal(name: str, answer: Unusable) -> str:
    return f"{name:<11} not usable  {answer.reason}".rstrip()


def closing_lines(found: Mapping[str, Usable | Unusable], width: int | None) -> Iterator[str]:
    """Yield what to try for each that is not usable, and a last line: how many are, and what keeps KVM from being so.

    That line is cut to `width`; `--verbose` has the whole reason among the facts.
    """
    usable = [answer for answer in found.values() if isinstance(answer, Usable)]
    asked = next((one.facts for one in usable if "kvm" in one.facts), {})
    refused = asked["kvm_because"] if asked.get("kvm") == "unusable" else ""
    refusals = {name: answer for name, answer in found.items() if isinstance(answer, Unusable)}
    yield ""
    if refusals:
        yield "To try:"
    for name, answer in refusals.items():
        yield from _wrapped(f"{name}: {answer.remedy}", width, 2)
    asides = {name: one for name, one in found.items() if isinstance(one, Usable) and one.aside}
    for name, one in asides.items():
        yield from _wrapped(f"{name}: {advice(one.aside, one.remedy)}", width, 0)
    if "kvm_age_s" in asked:
        age = about(float(asked["kvm_age_s"]))
        yield from _wrapped(f"KVM was asked {age} ago; to ask again: envbench doctor --fresh", width, 0)
    last = f"{len(usable)} of {len(found)} usable" + (f"; no KVM: {refused}" if refused else "")
    if width is not None and any(len(line) > width for line in (last, *itertools.starmap(_refusal, refusals.items()))):
        yield from _wrapped("Reasons that are cut here stand whole in: envbench doctor -v", width, 0)
    yield _cut(last, width)


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"


def _wrapped(text: str, width: int | None, indent: int) -> list[str]:
    blank = " " * indent
    if width is None:
        return [blank + text]
    return textwrap.wrap(text, max(width, indent + 20), initial_indent=blank, subsequent_indent=f"{blank}  ")


def _show(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _as_json(answer: Usable | Unusable) -> dict[str, object]:
    if isinstance(answer, Usable):
        aside = {"aside": answer.aside, "remedy": answer.remedy} if answer.aside else {}
        return {"usable": True, "facts": dict(answer.facts), **aside}
    cause = {} if answer.cause is None else {"cause": answer.cause.value}
    return {"usable": False, "reason": answer.reason, "remedy": answer.remedy, **cause}
