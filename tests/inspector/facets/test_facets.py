"""Any bytes in any file, any words in any register: every report and form of the answer comes out, printable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import run, targets

FUZZ = Path(__file__).parents[2] / "fuzz"


PATHS = targets.asked_paths()
FOUND = sorted(path for path in (FUZZ / "found").glob("*") if path.is_file())

TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(
        [b"max", b"-1", b"0", b"9" * 40, b"0-3", b"0::/../..\n", b"\x1b[31m\x9b", b"1 2 3\n", b"a: b\n", b"x=1\0y"]
    ),
)


@given(
    st.dictionaries(st.sampled_from(PATHS), TEXTS, max_size=12),
    st.lists(st.integers(0, 2**32 - 1), max_size=28),
    st.dictionaries(st.sampled_from(["container", "KUBERNETES_SERVICE_HOST", "WSL_DISTRO_NAME"]), st.text(max_size=9)),
    st.integers(0, 7),
)
def test_any_system_is_answered(
    files: dict[str, bytes], words: list[int], variables: dict[str, str], kind: int
) -> None:
    targets.any_system(targets.system(files, words, variables, kind))


@given(st.binary(max_size=400))
def test_any_facts_json_is_read_or_refused(data: bytes) -> None:
    targets.any_facts_json(data)


@given(st.binary(max_size=1500))
def test_any_archive_is_read_or_refused(data: bytes) -> None:
    targets.any_archive(data)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_fuzzing_found_stays_mended(path: Path) -> None:
    run.TARGETS[path.name.partition("-")[0]](path.read_bytes())
