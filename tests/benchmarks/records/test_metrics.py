"""What a person is told of a noisy machine has the limit in its own unit."""

import pytest

from envbench.records.metrics import STAMPS


@pytest.mark.parametrize(
    ("name", "highest", "said"),
    [
        ("psi_cpu", 0.42, "was above 10 % before 3 of 20 starts (up to 42 %)"),
        ("load1", 1.234, "was above 70 % before 3 of 20 starts (up to 123 %)"),
        ("swap", 1234, "was above 0 before 3 of 20 starts (up to 1,234)"),
    ],
)
def test_a_share_is_told_in_percent_and_a_number_as_it_is(name, highest, said):
    assert STAMPS[name].sentence(3, 20, highest).endswith(said)
