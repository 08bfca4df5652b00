"""What all tests of verdicts share."""

import pytest

from envreport.statistics import estimates


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is the subject here; what the bootstrap itself is worth is held in test_estimates."""
    monkeypatch.setattr(estimates, "RESAMPLES", 1000)
