"""Run ids stay text wherever a results table is read."""

import re

import pytest

from envbench.settings import new_run_id


def test_no_reader_takes_a_run_id_for_a_number() -> None:
    for _ in range(500):
        run_id = new_run_id()
        assert re.fullmatch(r"[0-9a-f]{12}", run_id)
        with pytest.raises(ValueError, match="could not convert"):
            float(run_id)
        assert not run_id[0].isdigit(), "0x…, 1e9 and the like begin with a digit in every reader"
