"""--fail-if, --baseline and --format: read before anything is measured; gates are judged when it is over."""

import contextlib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path

import click

from envbench.backends import BACKENDS, load
from envbench.errors import EnvbenchError, GateFailedError, GateInconclusiveError, StartsFailedError, UsageError
from envbench.records.metrics import metric
from envbench.records.phases import HOST, Experiment
from envbench.settings import CONDITION_KEYS, DEPLOY_KEYS, Plan

DEFAULT_MAX_REGRESSION_RATIO = 0.10


def read_gates(plan: Plan, written: Collection[str], own: Mapping[str, Collection[str]]) -> None:
    """Raise UsageError for an expression or a baseline that cannot be used, or that names what this run cannot write.

    `written` are the metrics that this command writes; `own` the names that can stand in its rows, by key.
    """
    if not (plan.fail_if or plan.baseline):
        return
    from envreport.gates import load_baseline, parse_gate  # only a gate pays for the reports' imports

    try:
        for text in plan.fail_if:
            figure = parse_gate(text).figure
            known = plan.backends or (*BACKENDS, HOST)
            _known(text, "backend", figure.backend, known if figure.backend in BACKENDS else (*BACKENDS, HOST))
            profile, others = figure.profile or plan.profiles[0], own.get("profile", ())
            _known(text, "profile", profile, (*plan.profiles, *others))
            _known(text, f"{figure.backend} of the profile", profile, (*_profiles_of(figure.backend, plan), *others))
            for key, name in figure.variant:
                _known(text, "key", key, _keys_of(figure.backend, figure.metric))
                _known(text, key, name, own.get(key, (name,)))
            if figure.metric != "failed":
                _measured(text, figure.metric, written)
        if plan.baseline:
            load_baseline(Path(plan.baseline))
    except (ValueError, OSError) as error:
        raise UsageError(str(error), remedy=getattr(error, "remedy", "")) from error


def _profiles_of(backend: str, plan: Plan) -> tuple[str, ...]:
    """Return the profiles that rows of this backend can have: the first, others where it starts whole systems too."""
    starts_others = backend not in BACKENDS or load(backend).publishes_ports
    return plan.profiles if starts_others else plan.profiles[:1]


def _keys_of(backend: str, name: str) -> tuple[str, ...]:
    """Return the keys that may stand in the variant column of this backend's rows of a metric."""
    if backend not in BACKENDS:
        return ()
    deployed = name != "failed" and metric(name).experiment is Experiment.DEPLOY
    return tuple(sorted(load(backend).variant_keys | CONDITION_KEYS | (DEPLOY_KEYS if deployed else set())))


def _known(text: str, what: str, name: str, known: Collection[str]) -> None:
    """Raise ValueError for a name that no row of this run can have, with the nearest that one can."""
    if name not in known:
        near = get_close_matches(name.lower(), known, 2)
        hint = (
            f"did you mean {' or '.join(near)}?" if near else f"this run has {', '.join(known) or 'none with a name'}"
        )
        raise ValueError(f"{text!r}: this run has no {what} {name!r}; {hint}")


def _measured(text: str, name: str, written: Collection[str]) -> None:
    """Raise ValueError for a metric, or a member of a family, that is not written, with the command that writes it."""
    if name not in written and f"{name.rpartition('.')[0]}.*" not in written:
        raise ValueError(f"{text!r}: this command does not measure {name}; `envbench {metric(name).experiment}` does")


def judge(plan: Plan, output: Path) -> EnvbenchError | None:
    """Print what each gate says of a finished run; return the error it ends with, None where all gates pass."""
    if not (plan.fail_if or plan.baseline):
        return None
    from envreport.gates import GateOutcome, judge_gates, overall, parse_gate

    limit = plan.max_regression_ratio or DEFAULT_MAX_REGRESSION_RATIO
    baseline = None if plan.baseline is None else Path(plan.baseline)
    try:
        found = judge_gates(output, [parse_gate(text) for text in plan.fail_if], baseline, limit)
    except (ValueError, OSError) as error:
        return GateFailedError(f"the gates could not be judged: {error}", remedy=getattr(error, "remedy", ""))
    with contextlib.suppress(OSError):  # A terminal or a full disk that takes no words changes no verdict.
        for one in found:
            click.echo(f"gate {one.outcome}: {one.text}")
    worst = overall(found)
    texts = "; ".join(one.text for one in found if one.outcome is worst)
    endings: dict[GateOutcome, EnvbenchError | None] = {
        GateOutcome.PASS: None,
        GateOutcome.FAIL: GateFailedError(f"gate failed: {texts}"),
        GateOutcome.NOT_MEASURED: GateFailedError(f"gate failed, because there is nothing to judge: {texts}"),
        GateOutcome.FAILED_STARTS: StartsFailedError(f"gate not judged, because starts failed: {texts}"),
        GateOutcome.INCONCLUSIVE: GateInconclusiveError(f"gate not decided: {texts}"),
    }
    return endings[worst]
