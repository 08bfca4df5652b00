"""The fast tests on every Python: 3.9 to 3.14 for the inspector, 3.11 to 3.14 for all three packages.

    make pythons                    # finds the interpreters, then runs all sessions
    .venv/bin/nox -s inspector-3.9  # one session, with an interpreter that is on PATH

A missing interpreter is named and fails its session: what did not run has not passed. To leave it out on purpose, use
`--no-error-on-missing-interpreters`; nox then lists the session as skipped.
"""

import nox

INSPECTOR_PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
ALL_PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

nox.needs_version = ">=2024.10"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")


@nox.session(python=INSPECTOR_PYTHONS)
def inspector(session: nox.Session) -> None:
    """Run the inspector's tests with what the base install and the group "test" bring, and nothing else."""
    session.install("--quiet", ".", *nox.project.dependency_groups(PROJECT, "test"))
    session.run("python", "-m", "pytest", "-q", "-n", "2", "tests/inspector", *session.posargs)


@nox.session(python=ALL_PYTHONS)
def everything(session: nox.Session) -> None:
    """Run all fast tests with every extra that has wheels."""
    session.install("--quiet", "--editable", ".[bench,parquet]", *nox.project.dependency_groups(PROJECT, "dev"))
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)
