"""The facts of a place that was asked through a shell: what it answered, and what it was not asked yet."""

from __future__ import annotations

from typing import TypeVar

from envinspect.model import NOT_RECORDED, Found, Reading
from envinspect.model.facts import Cpuid, Facts, Observer, Registers, Stat
from envinspect.systems.collector.answers import Answers
from envinspect.systems.collector.script import Question
from envinspect.systems.collector.wire import read_rounds
from envinspect.systems.cpuid import NoCpuid

V = TypeVar("V")


class AnsweredRoot:
    """Files as a place told of them. `unasked` collects the questions that nothing was answered to."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.unasked: set[Question] = set()

    def read(self, path: str) -> Reading[bytes]:
        """Return a file's bytes."""
        return self._answered("R", path, self._answers.files)

    def link(self, path: str) -> Reading[str]:
        """Return a link's text."""
        return self._answered("L", path, self._answers.links)

    def listing(self, path: str) -> Reading[tuple[str, ...]]:
        """Return a folder's names."""
        return self._answered("D", path, self._answers.listings)

    def stat(self, path: str) -> Reading[Stat]:
        """Return what is at a path."""
        return self._answered("S", path, self._answers.stats)

    def _answered(self, kind: str, path: str, table: dict[str, Reading[V]]) -> Reading[V]:
        found = table.get(path)
        if found is None:
            self.unasked.add(Question(kind, path))
            return NOT_RECORDED
        return found


class AnsweredCpuid:
    """CPUID as a place told of it. `unasked` collects the leaves that nothing was answered to."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.unasked: set[tuple[int, int]] = set()

    def leaf(self, leaf: int, subleaf: int) -> Reading[Registers]:
        """Return a leaf's registers."""
        found = self._answers.leaves.get((leaf, subleaf))
        if found is None:
            self.unasked.add((leaf, subleaf))
            return NOT_RECORDED
        return Found(found)


class AnsweredFacts(Facts):
    """Facts that know what they could not tell yet: `unasked`, `unasked_variables`, `unasked_leaves`."""

    def __init__(self, answers: Answers) -> None:
        files, cpu = AnsweredRoot(answers), _cpuid_of(answers)
        self.unasked = files.unasked
        self.unasked_leaves: set[tuple[int, int]] = getattr(cpu, "unasked", set())
        self.unasked_variables: set[str] = set()
        self._answers = answers
        super().__init__(files, cpu, uname=answers.uname, euid=answers.euid, environ=self._variable)

    def _variable(self, name: str) -> Reading[str]:
        found = self._answers.variables.get(name)
        if found is None:
            self.unasked_variables.add(name)
            return NOT_RECORDED
        return found


def _cpuid_of(answers: Answers) -> Cpuid:
    """Return the door to the place's CPU; on architectures other than x86 there is no CPUID."""
    known = answers.uname.machine
    return AnsweredCpuid(answers) if not known or known in {"x86_64", "amd64", "i686", "i386"} else NoCpuid()


def recorded_answers(data: bytes, where: str) -> AnsweredFacts:
    """Return the facts in a recorded wire, as `sh collect.sh > web1.wire` writes it. Raises CaptureError."""
    answers = Answers()
    for found in read_rounds(data, where):
        answers.add(found.payload, where)
    facts = AnsweredFacts(answers)
    facts.subject, facts.observer = where, Observer("sh", "device" if answers.leaves else "none")
    return facts
