"""A run's results in, the report as data out: the one place that puts figures, verdicts and words together."""

import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from msgspec import to_builtins

from envbench.records.metrics import STAMPS, Stamp
from envbench.records.phases import NOISE_PREFIX, Experiment, Phase, Unit, counted
from envbench.records.samples import SAMPLES_FILE
from envreport import units
from envreport.claims import CLAIMS, Claim, judge_all
from envreport.claims.conditions import run_conditions
from envreport.compare.own_pairs import OwnPair, own_pairs
from envreport.document.answer import answer_notes, answer_of, meaning
from envreport.document.model import Cell, Fact, RawData, ReportDocument, Table
from envreport.document.sections import build_sections
from envreport.document.sections.cells import count, number, text
from envreport.document.sections.environment import (
    IDENTIFYING_KEYS,
    NS_PER_S,
    environment_layers,
    environment_tables,
    is_path,
    machine_facts,
)
from envreport.document.warnings import all_warnings
from envreport.document.words import GLOSSARY, documents_table
from envreport.results import Results
from envreport.results.backends import label
from envreport.statistics import estimates
from envreport.statistics.steadiness import MIN_SAMPLES, diagnose
from envreport.statistics.summary import summarise

MOST_OWN_SENTENCES = 10
EMBED_LIMIT_BYTES = 12_000_000
"""Rows larger than this are not put inside the report (where they are compressed, about ten to one)."""


def build(results: Results, *, extra_claims: Sequence[Claim] = (), include_host: bool = False) -> ReportDocument:
    """Return the report of one run. Host name, user name and paths are left out unless `include_host`."""
    run, own = results.run, own_pairs(results)
    answer = answer_of(results, asked(results))
    judgements = judge_all(results, extra_claims)
    return ReportDocument(
        title="What a container and a VM cost here",
        run_id=run.run_id or "",
        started_at=run.started_at or "",
        tool_version=run.tool_version or "",
        answer=answer.sentence,
        answer_notes=answer_notes(results, answer),
        meaning=(*_own_sentences(own), *meaning(results, answer)),
        own_pairs=own,
        machine=tuple(machine_facts(results)),
        asked=asked(results),
        glossary=GLOSSARY,
        conditions=run_conditions(results),
        judgements=judgements,
        documents=documents_table(judgements),
        sections=build_sections(results),
        environment_sentence=run.host.summary or "What this machine is was not recorded.",
        layers=tuple(environment_layers(results)),
        environment_tables=tuple(environment_tables(results)),
        warnings=all_warnings(results),
        noise=tuple(_noise_tables(results)),
        method=_method(results),
        spent=_spent(results),
        reproduce=tuple(_reproduce(results, include_host=include_host)),
        summary=summarise(results),
        raw=_raw(results),
        outcome=run.outcome or "",
        failures=tuple(_failures(results)),
    )


def _own_sentences(own: Sequence[OwnPair]) -> Iterator[str]:
    """Yield a sentence for each of the first pairs of the user's own, and how many more the table has."""
    yield from (f"{each.sentence}." for each in own[:MOST_OWN_SENTENCES])
    if len(own) > MOST_OWN_SENTENCES:
        yield f"{counted(len(own) - MOST_OWN_SENTENCES, 'more pair')} of your own: see the table of start-up."


def asked(results: Results) -> Experiment | None:
    """Return the experiment that the run was asked for; None for all of them, and where run.json does not say."""
    words = results.run.command[1:2]
    return next((each for each in Experiment if words == (each,)), None)


def _spent(results: Results) -> Table | None:
    """Return what the time of the run went into, and which claims needed it; None where the run does not say."""
    parts = results.run.parts
    if not parts:
        return None
    whole_s = sum(part.took_s for part in parts)
    rows = tuple(
        (
            text(part.name),
            number(part.took_s * NS_PER_S, Unit.NS),
            Cell(units.percent(part.took_s / whole_s) if whole_s else units.MISSING, part.took_s),
            text(", ".join(claim.id for claim in CLAIMS if part.name in claim.experiments)),
        )
        for part in parts
    )
    head = ("part", "took", "share", "claims that need it")
    return Table("spent", "What the time of this run went into", head, rows, (1, 2))


def _noise_tables(results: Results) -> Iterator[Table]:
    rows = []
    for name, samples in results.noise.items():
        values = [float(row.value) for row in samples if row.value is not None]
        if values:
            stamp = STAMPS.get(name.removeprefix(NOISE_PREFIX))
            middle = estimates.median(values)
            rows.append(
                (
                    text(stamp.words if stamp else name.removeprefix(NOISE_PREFIX)),
                    _noise_cell(middle.value if middle else None, stamp),
                    _noise_cell(max(values), stamp),
                    _noise_cell(stamp.calm if stamp else None, stamp),
                    count(len(values)),
                )
            )
    if rows:
        yield Table(
            "noise",
            "State of the machine just before each start",
            ("what", "median", "highest", "limit", "stamps"),
            tuple(rows),
            (1, 2, 3, 4),
        )
    found = []
    for series in results.find(Experiment.STARTUP, Phase.READY, usual=False):
        seen = diagnose(series.values)
        cells = (seen.drift_rho, seen.lag1, seen.first_ratio)
        found.append(
            (
                text(series.key.label),
                *(
                    Cell(units.MISSING if each is None else f"{each:+.2f}" if index < 2 else f"{each:.2f}", each)
                    for index, each in enumerate(cells)
                ),
                count(len(seen.outliers)),
                text(units.MISSING if seen.bimodal is None else "yes" if seen.bimodal else "no"),
            )
        )
    if found:
        head = (
            "backend",
            "drift (Spearman)",
            "lag-1 correlation",
            "first start over median",
            "outliers (kept)",
            "two groups",
        )
        caption = f"How steady the starts were ({units.MISSING}: fewer than {MIN_SAMPLES} starts, too few to tell)"
        yield Table("stability", caption, head, tuple(found), (1, 2, 3, 4))


def _noise_cell(value: float | None, stamp: Stamp | None) -> Cell:
    if value is None:
        return Cell(units.MISSING)
    return Cell(units.percent(value) if stamp and stamp.unit is Unit.RATIO else f"{value:.3g}", value)


def _ends(results: Results) -> str:
    """Return what meant ready, of all that was started."""
    profiles = dict.fromkeys(series.key.profile for series in results.find(Experiment.STARTUP, Phase.READY))
    conditions = {profile: results.ready_condition(profile) for profile in profiles}
    line = ["the first byte of the payload's ready line, with a nonce"] if None in conditions.values() else []
    others = [f"{profile}: {condition.words}" for profile, condition in conditions.items() if condition]
    return "; ".join((*line, *others)) or "the moment it was ready"


def _method(results: Results) -> tuple[Fact, ...]:
    lags = results.find(Experiment.STARTUP, Phase.OBSERVER_LAG)
    all_lags = [value for each in lags for value in each.values]
    middle = estimates.median(all_lags)
    lag = "not measured in this run"
    if middle:
        lag = (
            f"{units.estimate_text(middle, Unit.NS, statistic=units.MEDIAN)}; "
            f"at most {units.quantity(max(all_lags), Unit.NS)}. "
            "Measured where payload and observer share a clock (for VMs a lower limit); where readiness is asked for, "
            "the time since the attempt before."
        )
    return (
        Fact(
            "From",
            "the request to the engine, before anything is created (an engine may do its work in "
            "create, attach or start)",
        ),
        Fact("To", f"{_ends(results)}, seen on this machine"),
        Fact(
            "Clock",
            "one monotonic clock, on this machine, for every backend; nothing inside a guest is trusted for time",
        ),
        Fact("Observer lag", lag),
        Fact("Order", "rounds, each with every backend in shuffled order; warm-ups are kept as rows and never counted"),
        Fact(
            "Medians",
            "with the exact order-statistic interval of at least 95 %; it needs six values, and no "
            "interval is shown for fewer",
        ),
        Fact(
            "p95",
            "as a value; its limits stand in summary.csv: exact from 72 values on, for fewer they assume log-normal "
            "times, and p95_method says which",
        ),
        Fact(
            "Ratios",
            f"of medians, percentile bootstrap by round, {estimates.RESAMPLES} resamples "
            f"({estimates.RESAMPLES_OF_MANY} from {estimates.MANY_ROUNDS} rounds on), seed {estimates.BOOTSTRAP_SEED}; "
            "rank-sum interval for fewer than six rounds",
        ),
        Fact(
            "Verdicts",
            "an interval that touches the bound is inconclusive; missing data never answer; "
            "a VM that is emulated in software never speaks for one on KVM",
        ),
        Fact("Failed starts", "are rows, are counted, and are endless starts for any upper limit that a verdict uses"),
    )


def _reproduce(results: Results, *, include_host: bool) -> Iterator[Fact]:
    run = results.run
    if run.command:
        yield Fact("Command", shlex.join(run.command if include_host else map(_without_path, run.command)))
    if run.options_file:
        words = run.file_options if include_host else map(_without_path, run.file_options)
        yield Fact(f"Options from {run.options_file}", shlex.join(words))
    facts = {
        "Seed": run.seed,
        "Run": run.run_id,
        "Started": run.started_at,
        "Ended": run.ended_at,
        "envbench": run.tool_version,
    }
    yield from (Fact(name, str(value)) for name, value in facts.items() if value is not None)
    groups = {"engines": run.engines, "libraries": run.libraries, "payload": to_builtins(run.payload)}
    for group, record in groups.items():
        for name, value in _facts_of(record, group):
            if include_host or not is_path(value):
                yield Fact(name, value)
    if include_host:
        yield Fact("Host name", str(run.host.machine.get("hostname") or platform.node()))
        yield Fact("Folder", str(results.folder))
    yield Fact(f"{SAMPLES_FILE} (SHA-256)", results.samples_sha256 or "not read from a file")
    yield Fact("Every figure again", "envbench recompute FOLDER")


def _without_path(part: str) -> str:
    """Return an argument with an absolute path cut down to its last name; what is left can still be typed."""
    head, equals, tail = part.partition("=") if part.startswith("--") else ("", "", part)
    return f"{head}{equals}{PurePath(tail).name if PurePath(tail).is_absolute() else tail}"


def _facts_of(record: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if key in IDENTIFYING_KEYS:
            continue
        if isinstance(value, Mapping):
            yield from _facts_of(value, f"{prefix}: {key}")
        elif value is not None and not isinstance(value, list | tuple):
            yield f"{prefix}: {key}", str(value)


def _raw(results: Results) -> RawData:
    path = results.folder / SAMPLES_FILE
    can_carry = path.is_file() and path.stat().st_size <= EMBED_LIMIT_BYTES
    return RawData(SAMPLES_FILE, results.row_count, results.samples_sha256, path if can_carry else None)


def _failures(results: Results) -> Iterator[tuple[str, str, int, int]]:
    for key, rows in results.failures.items():
        experiment, backend = key
        reason = next((row.detail for row in rows if row.detail), "no reason recorded")
        yield f"{experiment}: {label(*backend)}", reason, len(rows), results.starts.get(key, len(rows))
