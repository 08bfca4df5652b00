"""--fail-if and --baseline: read before anything is measured, judged when it is over."""

from pathlib import Path

from envbench.errors import EnvbenchError, UsageError
from envbench.plan import Plan


def read_gates(plan: Plan) -> None:
    """Raise UsageError for an expression or a baseline that cannot be used."""
    if plan.fail_if or plan.baseline:
        raise UsageError("gates are not built in yet")


def judge(plan: Plan, output: Path) -> EnvbenchError | None:
    """Return GateFailedError, GateInconclusiveError, or None where all gates hold."""
    return None
