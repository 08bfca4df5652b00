"""Each question is asked once."""

from __future__ import annotations

from envinspect.capture.every_question import ask_everything
from envinspect.systems.live import live_facts


def test_no_file_is_read_twice() -> None:
    """Whatever is asked, by all parts of the answer and the reports together, goes to the machine once."""
    facts = live_facts()
    asked: list[tuple[str, str]] = []
    root = facts.root

    class Counting:
        def __getattr__(self, name: str) -> object:
            def ask(path: str) -> object:
                asked.append((name, path))
                return getattr(root, name)(path)

            return ask

    facts.root = Counting()
    ask_everything(facts)
    ask_everything(facts)
    assert asked
    assert len(asked) == len(set(asked))
