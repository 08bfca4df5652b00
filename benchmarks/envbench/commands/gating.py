"""--fail-if, --baseline and --format: read before anything is measured; gates are judged when it is over."""

from pathlib import Path

import click

from envbench.errors import EnvbenchError, GateFailedError, GateInconclusiveError, UsageError
from envbench.settings import Plan

DEFAULT_MAX_REGRESSION_RATIO = 0.10


def read_gates(plan: Plan) -> None:
    """Raise UsageError for an expression or a baseline that cannot be used."""
    if not (plan.fail_if or plan.baseline):
        return
    from envreport.gates import load_baseline, parse_gate  # noqa: PLC0415 -- only a gate pays for the reports' imports

    try:
        for text in plan.fail_if:
            parse_gate(text)
        if plan.baseline:
            load_baseline(Path(plan.baseline))
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error


def read_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return these names of report formats. Raises UsageError for one that there is not."""
    if names:
        from envreport.formats import FORMATS  # noqa: PLC0415 -- pandas and scipy, before measuring only if asked for

        unknown = [name for name in names if name not in FORMATS]
        if unknown:
            raise UsageError(f"--format: no {', '.join(unknown)}; there are: {', '.join(FORMATS)}")
    return names


def judge(plan: Plan, output: Path) -> EnvbenchError | None:
    """Print what each gate says of a finished run; return the error it ends with, None where all gates pass."""
    if not (plan.fail_if or plan.baseline):
        return None
    from envreport.gates import GateOutcome, judge_gates, overall, parse_gate  # noqa: PLC0415

    limit = plan.max_regression_ratio or DEFAULT_MAX_REGRESSION_RATIO
    baseline = None if plan.baseline is None else Path(plan.baseline)
    try:
        found = judge_gates(output, [parse_gate(text) for text in plan.fail_if], baseline, limit)
    except (ValueError, OSError) as error:
        return GateInconclusiveError(str(error))
    for one in found:
        click.echo(f"gate {one.outcome}: {one.text}")
    worst = overall(found)
    texts = "; ".join(one.text for one in found if one.outcome is worst)
    match worst:
        case GateOutcome.FAIL:
            return GateFailedError(f"gate failed: {texts}")
        case GateOutcome.INCONCLUSIVE:
            return GateInconclusiveError(f"gate not decided: {texts}")
        case GateOutcome.PASS:
            return None
