"""The generated files of docs/ are what their generators write today."""

import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def load_generate():
    spec = importlib.util.spec_from_file_location("docs_generate", REPOSITORY / "tests/meta/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = load_generate()


@pytest.mark.parametrize("path", sorted(GENERATE.GENERATED))
def test_generated_file_is_up_to_date(path):
    text = GENERATE.text_of(GENERATE.GENERATED[path])
    assert (REPOSITORY / path).read_text(encoding="utf-8") == text, f"{path} is out of date: run make docs"
