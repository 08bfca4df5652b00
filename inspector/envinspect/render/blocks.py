"""The reports of the sub-commands `resources`, `isolation` and `capabilities`, for people and as JSON."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from envinspect.model.errors import printable
from envinspect.model.facts import Facts
from envinspect.render import Rendered
from envinspect.render.json import to_json
from envinspect.render.terminal import Palette

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Block = dict[str, Any]
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def block_json(block: Block) -> str:
    """Return a block as JSON, ASCII only."""
    return to_json(block) + "\n"


def bytes_text(value: int | None) -> str:
    """Return a size in binary units, "unknown" for None."""
    if value is None:
        return "unknown"
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value} B"


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.12g}"


def resources_text(block: Block, palette: Palette) -> str:
    """Return one line for each resource: what there is, and why."""
    online = block["cpus_online"]
    of_online = f" of {online} online" if online is not None else ""
    huge = block["huge_pages"]
    rows = [
        ("CPUs", _at_most(block, "cpu") + _count(block["cpus"]) + of_online, block["cpus_because"]),
        *_runtime_rows(block["runtimes"]),
        ("Memory", _at_most(block, "memory") + bytes_text(block["memory_bytes"]), block["memory_because"]),
        *_memory_rows(block),
        ("  available", bytes_text(block["memory_available_bytes"]), block["memory_available_because"]),
        ("Swap", bytes_text(block["swap_bytes"]), block["swap_because"]),
        ("Processes", _count(block["pids"]), block["pids_because"]),
        ("  of this user", _limit(block, "user_processes"), block["user_processes_because"]),
        ("Open files", _limit(block, "open_files"), block["open_files_because"]),
        ("Disk", f"{bytes_text(block['disk_available_bytes'])} free", block["disk_because"]),
        (
            "Huge pages",
            _count(huge) + (f" of {bytes_text(block['huge_page_bytes'])}" if huge else ""),
            block["huge_pages_because"],
        ),
    ]
    lines = [_row(*row, palette) for row in rows]
    lines += [f"{palette.warn}could not be read{palette.end}  {printable(path)}" for path in block["unreadable"]]
    return "\n".join(lines) + "\n"


def _at_most(block: Block, limit: str) -> str:
    """Return what goes before a value that a limit out of sight may lower."""
    known = block["cpus" if limit == "cpu" else f"{limit}_bytes"] is not None
    return "at most " if known and block["limits"][limit]["state"] == "not-visible" else ""


def _limit(block: Block, name: str) -> str:
    """Return a limit of the process itself: its number, "unlimited", or "unknown" where it could not be read."""
    return "unlimited" if block["limits"][name]["state"] == "none-visible" else _count(block[name])


def _memory_rows(block: Block) -> list[tuple[str, str, str]]:
    """Return a row for each further bound on memory that is set."""
    rows = (("  throttled at", "memory_high"), ("  address space", "address_space"), ("  data segment", "data_segment"))
    return [
        (words, bytes_text(block[f"{key}_bytes"]), block[f"{key}_because"])
        for words, key in rows
        if block[f"{key}_bytes"] is not None
    ]


def _runtime_rows(runtimes: list[Block]) -> list[tuple[str, str, str]]:
    """Return a row for each number that runtimes take for their CPUs, and which will be throttled for it."""
    counts: dict[tuple[int | None, bool | None], list[str]] = {}
    for one in runtimes:
        counts.setdefault((one["cpus"], one["throttled"]), []).append(f"{one['name'].partition(' ')[0]} {one['since']}")
    return [
        ("  taken by", _count(cpus), ", ".join(names) + ("; these will be throttled" if throttled else ""))
        for (cpus, throttled), names in counts.items()
    ]


def _row(name: str, value: str, because: str, palette: Palette) -> str:
    return f"{name:<15} {palette.strong}{value:<18}{palette.end} {palette.dim}{printable(because)}{palette.end}"


def isolation_text(block: Block, palette: Palette) -> str:
    """Return what separates this process from the host, group by group."""
    lines = [f"{palette.strong}Namespaces{palette.end}"]
    for name, namespace in block["namespaces"].items():
        word = {True: "the host's", False: "own", None: "cannot be told"}[namespace["initial"]]
        number = "" if namespace["number"] is None else str(namespace["number"])
        lines.append(f"  {name:<7} {word:<15} {number:<11} {palette.dim}{printable(namespace['because'])}{palette.end}")
    effective, bounding = block["capabilities"]["effective"], block["capabilities"]["bounding"]
    lines += [
        f"{palette.strong}Limits{palette.end}",
        f"  capabilities       {_names(effective)}",
        f"  bounding set       {_names(bounding)}",
        f"  seccomp            {block['seccomp'] or 'unknown'}",
        f"  no new privileges  {_word(block['no_new_privileges'])}",
        f"  security label     {printable(block['lsm']['label'] or 'none')}",
        f"  user mapping       {_map(block['user']['uid_map'])}",
        f"  masked paths       {_names(block['masked_paths'])}",
        f"  read-only paths    {_names(block['read_only_paths'])}",
        f"  devices            {_names(block['devices']['beyond_default'], 'only the default ones')}",
        f"{palette.strong}Visible of the host{palette.end}",
    ]
    for item in block["host_visible"]:
        word = f"{palette.warn}yes{palette.end}" if item["visible"] else "no "
        lines.append(f"  {word} {item['what']:<18} {palette.dim}{item['source']}{palette.end}")
    return "\n".join(lines) + "\n"


def _names(names: list[str] | None, none: str = "none") -> str:
    """Return up to eight names, and how many more there are."""
    if names is None:
        return "unknown"
    if not names:
        return none
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return printable(", ".join(names[:8])) + more


def _word(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]


def _map(ranges: list[dict[str, int]] | None) -> str:
    if ranges is None:
        return "unknown"
    return printable(", ".join(f"{row['inside']}+{row['count']} are {row['outside']}+" for row in ranges) or "none")


def capabilities_text(block: Block, palette: Palette) -> str:
    """Return one line for each ability, and the remedy under it where there is one."""
    colours = {"yes": palette.good, "no": palette.warn, "unknown": palette.warn}
    lines: list[str] = []
    for item in block["capabilities"]:
        answer = f"{colours[item['answer']]}{item['answer']:<7}{palette.end}"
        lines.append(f"{answer} {item['what']}: {palette.dim}{printable(item['because'], 400)}{palette.end}")
        if item["remedy"]:
            lines.append(f"        remedy: {printable(item['remedy'])}")
    return "\n".join(lines) + "\n"


REPORTS: dict[str, tuple[str, Callable[[Block, Palette], str]]] = {
    "resources": ("envinspect.facets.resources", resources_text),
    "isolation": ("envinspect.facets.isolation", isolation_text),
    "capabilities": ("envinspect.facets.abilities", capabilities_text),
}
"""The reports by the sub-command's name: the module whose `NAME_block` collects it, and what puts it into words."""


def report(name: str, facts: Facts, palette: Palette, *, as_json: bool) -> Rendered:
    """Return one report about a system."""
    module, text_of = REPORTS[name]
    block: Block = getattr(import_module(module), f"{name}_block")(facts)
    return Rendered(block_json(block) if as_json else text_of(block, palette), 0)
