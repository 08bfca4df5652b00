"""Users' own claims from a TOML file, checked before anything is judged; each error names the claim and what to write.

[[claim]]
id = "our-api-starts-fast"
wording = "Our API container is ready within a second"
experiment = "startup"
metric = "ready"
backends = "container"          # container, vm, host, namespaces, sandbox or wsl
against = "vm"               # optional: judge the ratio to these backends instead of the figure itself
statistic = "p95"            # optional: median (default) or p95; ratios are of medians
is = "<"
bound = "1 s"                # with a unit for times and sizes, a bare number for ratios and counts
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envbench.records.metrics import METRICS, Metric, metric
from envbench.records.phases import Experiment, Unit
from envreport.claims.model import Claim, Rule, Theme
from envreport.claims.rules import Exact, Ratio, Threshold
from envreport.claims.verdict import Relation, TcgBias
from envreport.results.backends import Side
from envreport.units import nearest, read_bound

REQUIRED = ("id", "wording", "experiment", "metric", "backends", "is", "bound")
OLDER_NAMES = {"rungs": "backends"}
"""Keys as version 0.1 called them; still read."""
OPTIONAL = ("against", "statistic", "scope", "reference")
STATISTICS = {"median": 0.5, "p95": 0.95}
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class ClaimsFileError(ValueError):
    """A claims file that cannot be used; one line that names file, claim and remedy."""


def load_claims(path: Path) -> tuple[Claim, ...]:
    """Return the claims of a TOML file. Raises ClaimsFileError."""
    from envreport.claims import BY_ID

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ClaimsFileError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsFileError(f"{path}: not TOML: {error}") from error
    entries = data.get("claim")
    if not isinstance(entries, list) or set(data) != {"claim"}:
        raise ClaimsFileError(
            f"{path}: write each claim as a [[claim]] table, and nothing else; docs/method.md has one"
        )
    claims = tuple(_claim(path, position, entry) for position, entry in enumerate(entries, 1))
    seen: set[str] = set(BY_ID)
    for claim in claims:
        if claim.id in seen:
            raise ClaimsFileError(f"{path}: claim {claim.id!r}: there is one of that id already")
        seen.add(claim.id)
    return claims


def _claim(path: Path, position: int, entry: Any) -> Claim:
    where = f"{path}: claim {position}"
    if not isinstance(entry, Mapping):
        raise ClaimsFileError(f"{where}: not a table")
    entry = {OLDER_NAMES.get(name, name): value for name, value in entry.items()}
    where = f"{path}: claim {entry.get('id', position)!r}"
    missing = [name for name in REQUIRED if name not in entry]
    if missing:
        raise ClaimsFileError(f"{where}: {', '.join(missing)} missing")
    unknown = [str(name) for name in entry if name not in (*REQUIRED, *OPTIONAL)]
    if unknown:
        raise ClaimsFileError(
            f"{where}: unknown key {', '.join(unknown)}; there are {', '.join((*REQUIRED, *OPTIONAL))}"
        )
    if not _ID.fullmatch(str(entry["id"])):
        raise ClaimsFileError(f"{where}: an id is lower-case words joined by hyphens")
    return Claim(
        id=str(entry["id"]),
        theme=_theme(_choice(where, "experiment", entry["experiment"], list(Experiment))),
        wording=str(entry["wording"]),
        stands_in=(),
        rule=_rule(where, entry),
        reference=str(entry.get("reference", path.name)),
        scope=str(entry.get("scope", "As its author meant it; see the claims file.")),
    )


def _choice(where: str, name: str, value: object, allowed: list[Any]) -> str:
    if value not in [str(each) for each in allowed]:
        raise ClaimsFileError(f"{where}: {name} = {value!r}; choose one of {', '.join(str(each) for each in allowed)}")
    return str(value)


def _rule(where: str, entry: Mapping[str, Any]) -> Rule:
    experiment = Experiment(_choice(where, "experiment", entry["experiment"], list(Experiment)))
    row = _metric(where, experiment, str(entry["metric"]))
    relation = Relation(_choice(where, "is", entry["is"], list(Relation)))
    side = Side(_choice(where, "backends", entry["backends"], list(Side)))
    statistic = _choice(where, "statistic", entry.get("statistic", "median"), list(STATISTICS))
    vm_bias = TcgBias.TOWARDS if relation is Relation.MORE else TcgBias.AWAY
    if "against" in entry:
        if statistic != "median":
            raise ClaimsFileError(f"{where}: ratios are of medians; leave statistic out")
        against = Side(_choice(where, "against", entry["against"], list(Side)))
        bound = _bound(where, entry["bound"], Unit.RATIO)
        return Ratio(
            experiment,
            str(entry["metric"]),
            (side,),
            (against,),
            relation,
            bound,
            bias=_ratio_bias(side, against, relation),
        )
    bound = _bound(where, entry["bound"], row.unit)
    if not row.sampled:
        if statistic != "median":
            raise ClaimsFileError(f"{where}: {entry['metric']} is no sample of many; leave statistic out")
        return Exact(experiment, str(entry["metric"]), (side,), relation, bound, row.unit)
    bias = vm_bias if side is Side.VM else TcgBias.NONE
    return Threshold(
        experiment, str(entry["metric"]), (side,), relation, bound, row.unit, STATISTICS[statistic], bias=bias
    )


def _ratio_bias(side: Side, against: Side, relation: Relation) -> TcgBias:
    """Emulation makes a VM's figure large: on top of a ratio it pushes up, below it down."""
    if (side is Side.VM) == (against is Side.VM):
        return TcgBias.NONE
    up = (side is Side.VM) == (relation is Relation.MORE)
    return TcgBias.TOWARDS if up else TcgBias.AWAY


def _metric(where: str, experiment: Experiment, name: str) -> Metric:
    try:
        found = metric(name)
    except KeyError:
        near = nearest(name, METRICS)
        raise ClaimsFileError(f"{where}: no metric {name!r}; {near or 'docs/results-format.md lists them'}") from None
    if found.experiment is not experiment:
        raise ClaimsFileError(f"{where}: {name} belongs to the experiment {found.experiment}")
    return found


def _bound(where: str, value: object, unit: Unit) -> float:
    try:
        return read_bound(str(value), unit)
    except ValueError as error:
        raise ClaimsFileError(f"{where}: bound = {error}") from error


def _theme(experiment: str) -> Theme:
    return {
        "startup": Theme.STARTUP,
        "kernel": Theme.ARCHITECTURE,
        "size": Theme.SIZE,
        "speed": Theme.SPEED,
        "isolation": Theme.ISOLATION,
        "portability": Theme.MANAGEMENT,
        "deploy": Theme.MANAGEMENT,
        "wsl": Theme.ARCHITECTURE,
    }.get(experiment, Theme.COST)
