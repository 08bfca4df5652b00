"""Options that every measuring command shares, and what they become: a Plan and Settings."""

import math
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from envbench import settings as plans
from envbench.backends import BACKENDS
from envbench.commands.arguments import debug_option
from envbench.commands.names import (
    FORMAT_NAMES,
    Address,
    Amount,
    Line,
    Listed,
    Number,
    OneOf,
    Place,
    format_names,
    nearest,
)
from envbench.commands.run_options import (
    fixed_ports,
    once_each,
    read_command,
    read_environment,
    read_ports,
    read_volumes,
    whole_name,
)
from envbench.errors import UsageError
from envbench.payload.kernel import default_cache_dir
from envbench.run.progress import WAYS
from envbench.settings import OWN, Plan, Settings
from envbench.settings.condition import READY_WAYS, InsideReady, PortReady, Ready, log_ready, read_ready

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d+)([kmg]?)(i?b)?", re.IGNORECASE)
_RATIO = re.compile(r"(\d+(?:\.\d+)?)(%?)")

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Size(click.ParamType[int]):
    """A number of bytes: 64M, 1GiB; K, M and G are powers of 1024, as engines and QEMU read them."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value.strip())
        if match is None or not int(match[1]):
            self.fail(f"{value!r} is no size; try: 256M", param, ctx)
        return int(match[1]) * _UNITS[match[2].lower()]


class Ratio(click.ParamType[float]):
    """A share: 5% or 0.05; a bare 5 would be 500 %, which no gate would ever reach."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a ratio."""
        if isinstance(value, float):
            return value
        match = _RATIO.fullmatch(value.strip())
        number = float(match[1]) / (100 if match[2] else 1) if match else 0.0
        if match is None or not number or math.isinf(number) or (number > 1 and not match[2]):
            self.fail(f"{value!r} is no share; try: 5%", param, ctx)
        return number


class ReadyWhen(click.ParamType[Ready]):
    """What means ready, as `condition.read_ready` reads it."""

    name = "what"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ready:
        """Return the condition."""
        if not isinstance(value, str):
            return cast("Ready", value)
        try:
            return read_ready(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return these names of report formats. Raises UsageError for an unknown one, with the nearest known name."""
    if names:
        from envreport.formats import FORMATS  # scipy, before measuring only if asked for

        for name in names:
            if name not in FORMATS:
                raise UsageError(f"--format: no {name!r}", remedy=nearest(name, FORMATS) or ", ".join(FORMATS))
    return names


format_option = click.option(
    "--format",
    "formats",
    multiple=True,
    type=Listed("format", format_names),
    metavar="NAME",
    callback=lambda _ctx, _param, names: read_formats(names),
    help=f"Report format (repeatable; default: csv, html, markdown): {FORMAT_NAMES}.",
)

LONGEST_DEADLINE_S = 1_000_000
"""Eleven days: poll(2) counts milliseconds in 31 bits."""
MOST_CPUS = 1_000_000
"""Engines count billionths of a CPU in 64 bits."""
NETWORKS = ("none", "bridge")
ACCELERATORS = ("kvm", "tcg")
BOOTS = ("kernel", "disk", "floor")
FIRMWARES = ("bios", "uefi")
_EXISTING_FILE = Place(exists=True, dir_okay=False, readable=True, resolve_path=True)


def _own(
    word: str, kind: click.ParamType[Any] | None, name: Callable[[Any], object], text: str
) -> Callable[[Any], Any]:
    """Return the option for things of the user's own, each of which `name` gives at most once."""

    def read(_context: click.Context, _param: click.Parameter, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return once_each(values, name)

    return click.option(word, type=kind, multiple=True, callback=read, help=text)


_GROUPS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--backend",
        "backends",
        multiple=True,
        type=OneOf(tuple(BACKENDS)),
        metavar="NAME",
        help=f"Only this backend (repeatable; default: all that are usable): {', '.join(BACKENDS)}.",
    ),
    click.option(
        "--output",
        type=Place(file_okay=False),
        help="Folder for the results (default: results/RUN_ID).",
    ),
    click.option(
        "--into",
        type=Address(),
        metavar="DATASET",
        help="Put the run into this dataset as well (a folder, or an address such as s3://BUCKET/PATH).",
    ),
    click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the run there (repeatable)."),
    click.option(
        "--quick",
        is_flag=True,
        help=f"{plans.QUICK_RUNS} runs, the main variant of each backend, starts for at most "
        f"{plans.QUICK_ENGINES_BUDGET_S:g} s (without Docker and root: {plans.QUICK_BUDGET_S:g} s).",
    ),
    click.option("--seed", type=Number(0), help="Seed of the order (default: a fresh one, recorded)."),
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        type=OneOf(plans.PROFILES),
        help="Payload (repeatable): a static BusyBox, a whole Debian userland, or nginx in a slim image. Of several, "
        "the first runs on every backend, the others on Docker, Podman, QEMU and libvirt. Default: minimal; "
        "startup and all: each; quick: minimal and distro.",
    ),
    click.option("--offline", is_flag=True, help="Download nothing; what is missing is left out with the reason."),
    _own(
        "--image",
        None,
        whole_name,
        "An image the engines already have, in place of the payload's own (never pulled). Several (repeatable) "
        "take turns in one schedule and are held against each other.",
    ),
    _own("--kernel", _EXISTING_FILE, os.fspath, "Kernel that guests boot (repeatable, as --image)."),
    click.option("--initrd", type=_EXISTING_FILE, help="Initramfs that guests boot, in place of the payload's."),
    click.option("--append", default="", help="Words added to the guest kernel's command line."),
    _own(
        "--disk",
        _EXISTING_FILE,
        os.fspath,
        "Disk image (qcow2, raw) that guests boot (repeatable, as --image); needs --ready.",
    ),
    click.option(
        "--ready",
        type=ReadyWhen(),
        help="What means ready, for an image or disk of your own, which then runs its own program: log:REGEX for a "
        "line of the output (Python's re), http:PORT/PATH[=STATUS] at a published or forwarded port, tcp:PORT for the "
        "first byte there. Containers besides: health for the command of the image's HEALTHCHECK, exec:COMMAND for one "
        "of your own; each is run inside until it ends with 0.",
    ),
    click.option("--ready-pattern", help="A plain text on the output that means ready, in place of --ready log:REGEX."),
    click.option(
        "--env",
        "environment",
        multiple=True,
        metavar="NAME[=VALUE]",
        type=Line(),
        callback=lambda _ctx, _param, words: read_environment(words),
        help="Variable for an image with --ready (repeatable), as docker run has it: NAME alone takes your value. "
        "Results leave values out.",
    ),
    click.option(
        "--port",
        "published",
        multiple=True,
        metavar="[[ADDRESS:]PORT:]PORT[/PROTOCOL]",
        callback=lambda _ctx, _param, words: read_ports(words),
        help="Port that an image with --ready publishes besides (repeatable), as docker run's --publish.",
    ),
    click.option(
        "--volume",
        "volumes",
        multiple=True,
        metavar="[SOURCE:]TARGET[:OPTIONS]",
        type=Line(),
        callback=lambda _ctx, _param, words: read_volumes(words),
        help="Folder of this machine, or volume that the engine has, for an image with --ready (repeatable), as "
        "docker run has it. What a start writes there, the next one finds.",
    ),
    click.option(
        "--command",
        callback=lambda _ctx, _param, words: read_command(words),
        help="What an image with --ready runs, in place of its own command.",
    ),
    click.option("--memory", "memory_bytes", type=Size(), help="Memory of guests and limit of containers, e.g. 256M."),
    click.option("--cpus", type=Amount(0, MOST_CPUS, min_open=True), help="CPUs of guests and limit of containers."),
    click.option(
        "--network",
        "networks",
        multiple=True,
        type=OneOf(NETWORKS),
        help="Container network (repeatable: one variant each; default: none).",
    ),
    click.option(
        "--runtime",
        "runtimes",
        multiple=True,
        help="OCI runtime that engines use (repeatable; default: all they list).",
    ),
    click.option("--read-only", is_flag=True, help="Read-only root in containers."),
    click.option("--init", is_flag=True, help="Have engines put their init process in front of the payload."),
    click.option(
        "--accel",
        "accelerators",
        multiple=True,
        type=OneOf(ACCELERATORS),
        help="Accelerator of guests (repeatable; default: KVM where a guest booted on trial proves it, else TCG).",
    ),
    click.option(
        "--machine", "machines", multiple=True, help="QEMU machine type: pc, q35, microvm, virt (repeatable)."
    ),
    click.option(
        "--boot",
        "boots",
        multiple=True,
        type=OneOf(BOOTS),
        help="How guests start (repeatable): a kernel handed over, a disk by firmware and boot loader (the distro "
        "profile's way), or a boot sector that says ready.",
    ),
    click.option(
        "--firmware",
        "firmwares",
        multiple=True,
        type=OneOf(FIRMWARES),
        help="Firmware of guests (repeatable).",
    ),
    click.option(
        "--libvirt-uri",
        "libvirt_uris",
        multiple=True,
        help="libvirt connection (repeatable); qemu:///embed?root=DIR needs no daemon and keeps its cache in DIR.",
    ),
    click.option(
        "--deadline",
        "deadline_s",
        type=Amount(0.1, LONGEST_DEADLINE_S),
        default=plans.DEFAULT_DEADLINE_S,
        show_default=True,
        help="Longest wait for one start, seconds.",
    ),
    click.option("--allow-remote", is_flag=True, help="Use an engine that may be another machine."),
    click.option("--json", "as_json", is_flag=True, help="Print the report as JSON in place of the table."),
    click.option("--include-host", is_flag=True, help="Write this machine's name into the results."),
    click.option("--verbose", "-v", is_flag=True, help="A line for every start."),
    click.option(
        "--progress",
        type=OneOf(WAYS),
        default="auto",
        show_default=True,
        help="How to show on stderr how far the run is: a bar on a terminal and lines elsewhere, lines, or one JSON "
        "object a line.",
    ),
    debug_option,
)


def common_options(command: _Command) -> _Command:
    """Add the options that every measuring command has."""
    for option in reversed(_GROUPS):
        command = option(command)
    return command


def make_settings(run_id: str, work_dir: Path, options: Mapping[str, Any]) -> Settings:
    """Return the settings that these options ask for. Raises UsageError where they contradict each other."""
    ready = _asked_ready(options)
    is_published = isinstance(ready, PortReady) or options["published"] or chosen_profiles(options)[0] == "service"
    return Settings(
        run_id=run_id,
        work_dir=work_dir,
        cache_dir=default_cache_dir(),
        profile=chosen_profiles(options)[0],
        images=options["image"],
        registry=options.get("registry"),
        ready=ready,
        environment=options["environment"],
        published=options["published"],
        volumes=options["volumes"],
        command=options["command"],
        kernels=options["kernel"],
        initrd=options["initrd"],
        append=options["append"],
        disks=options["disk"],
        memory_bytes=options["memory_bytes"],
        cpus=options["cpus"],
        networks=options["networks"] or (("bridge",) if is_published else ("none",)),
        read_only=options["read_only"],
        init=options["init"],
        runtimes=options["runtimes"],
        accelerators=options["accelerators"],
        machines=options["machines"],
        boots=options["boots"],
        firmwares=options["firmwares"],
        libvirt_uris=options["libvirt_uris"],
        allow_remote=options["allow_remote"],
        deadline_s=options["deadline_s"],
        quick=options["quick"],
        offline=options["offline"],
    )


def own_names(options: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the names that a run with these options can write, by their key.

    Those of the user's images, disks and kernels (a single file has none), of what is one of a few, and under "profile"
    those of payloads beside ours.
    """
    files = {key: options[key] if len(options[key]) > 1 else () for key in ("disk", "kernel")}
    own = (OWN,) if options["image"] or options["disk"] or options["initrd"] else ()
    return {
        "image": options["image"],
        **{key: tuple(plans.file_names(paths)) for key, paths in files.items()},
        "network": NETWORKS,
        "accel": ACCELERATORS,
        "boot": BOOTS,
        "firmware": FIRMWARES,
        "profile": (*own, *(("floor",) if "floor" in options["boots"] else ())),
    }


def _asked_ready(options: Mapping[str, Any]) -> Ready | None:
    """Return what means ready where the user says so, None where the payload does. Raises UsageError."""
    ready: Ready | None = options["ready"]
    if options["ready_pattern"] is not None:
        if ready is not None:
            raise click.UsageError("--ready and --ready-pattern say the same thing: one of them.")
        ready = _plain_text(options["ready_pattern"])
    if ready is None:
        if options["disk"]:
            raise click.UsageError(f"--disk needs --ready {READY_WAYS}: it has no ready line of ours.")
    elif not options["image"] and not options["disk"] and not options.get("registry"):
        raise click.UsageError("--ready needs --image or --disk: the payload says itself when it is ready.")
    _require_own_program(options, ready)
    if isinstance(ready, InsideReady) and options["disk"]:
        raise click.UsageError("--ready health and exec run a command inside a container: no machine has that way in.")
    if isinstance(ready, PortReady) and "none" in options["networks"]:
        raise click.UsageError(f"--network none publishes no port: no {ready} can come.")
    return ready


_OWN_PROGRAM = {"environment": "--env", "command": "--command", "published": "--port", "volumes": "--volume"}


def _require_own_program(options: Mapping[str, Any], ready: Ready | None) -> None:
    """Raise UsageError where options for an image's own program have none, or cannot all be had at a time."""
    asked = " and ".join(word for name, word in _OWN_PROGRAM.items() if options[name])
    if asked and (not (options["image"] or options.get("registry")) or ready is None):
        raise click.UsageError(f"{asked}: for an image with --ready; without it an image runs the payload.")
    if options["published"] and "none" in options["networks"]:
        raise click.UsageError("--network none publishes no port: leave --port or --network out.")
    taken = fixed_ports(options["published"])
    if taken and options.get("parallel", 1) > 1:
        raise click.UsageError(
            f"--port {taken[0]}: only one start at a time can have it; --parallel 1, or no port of the host."
        )


def _plain_text(pattern: str) -> Ready:
    try:
        return log_ready(re.escape(pattern))
    except ValueError as error:
        raise click.UsageError(f"--ready-pattern: {error}") from error


def chosen_profiles(options: Mapping[str, Any], *, whole_systems: bool = False) -> tuple[str, ...]:
    """Return the profiles that were asked for, minimal first; where none was, those that the command starts by itself.

    `whole_systems` is True for a command that starts them unasked. A payload of the user's own stands alone.
    """
    asked = options["profiles"]
    if not asked:
        own = any(options.get(name) for name in ("image", "registry", "disk", "kernel", "initrd", "boots"))
        usual = ("minimal", "distro") if options["quick"] else plans.PROFILES
        asked = usual if whole_systems and not own else ("minimal",)
    return tuple(name for name in plans.PROFILES if name in asked)


def make_plan(options: Mapping[str, Any], *, whole_systems: bool = False) -> Plan:
    """Return the plan that these options ask for; options that a command does not have keep their defaults.

    --runs alone fixes the number of starts; without it a run goes on until the intervals are narrow or its budget ends.
    """
    quick = options["quick"]
    runs, precision, budget_s = options.get("runs"), options.get("precision"), options.get("budget_s")
    adaptive = runs is None and not quick
    warmup = options.get("warmup")
    seed = options["seed"]
    default_budget_s = plans.QUICK_BUDGET_S if quick else plans.DEFAULT_BUDGET_S
    return Plan(
        backends=options["backends"],
        runs=runs or (plans.QUICK_RUNS if quick else plans.ADAPTIVE_RUNS),
        warmup=warmup if warmup is not None else (plans.QUICK_WARMUP if quick else plans.DEFAULT_WARMUP),
        budget_s=budget_s or default_budget_s,
        precision_ratio=precision or (plans.DEFAULT_PRECISION_RATIO if adaptive else None),
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        quick=quick,
        cold=options.get("cold", False),
        parallel=options.get("parallel", 1),
        pin=options.get("pin", False),
        profiles=chosen_profiles(options, whole_systems=whole_systems),
        quiet_machine=options.get("quiet_machine", False),
        fail_if=options.get("fail_if", ()),
        baseline=None if options.get("baseline") is None else os.fspath(options["baseline"]),
        max_regression_ratio=options.get("max_regression"),
    )
