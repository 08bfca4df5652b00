"""The door to a place behind a command that starts a shell there: ssh, docker exec -i, kubectl exec -i, sudo.

The command is the caller's own, with `sh -s` appended. The shell gets the collector and then questions, round by round,
until nothing is left to ask. What comes back is untrusted: it is bounded in bytes and time, and never evaluated.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from envinspect.model.errors import CaptureError, UnreachableError, UsageError
from envinspect.model.errors import printable as shown
from envinspect.model.facts import Observer
from envinspect.systems.answered import AnsweredFacts
from envinspect.systems.collector.answers import Answers
from envinspect.systems.collector.first_round import FirstRound, first_round
from envinspect.systems.collector.script import ask as ask_line
from envinspect.systems.collector.script import collector, new_mark
from envinspect.systems.collector.wire import FROM_ITS_NODE, Reader, Round, read_rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from envinspect.model.facts import Facts

TIME_LIMIT_S = 60.0
"""For each round; in the first one somebody may have to type a password."""
ROUNDS_LIMIT = 24
"""A process is asked for its parent, and that one for its own: one round for each of the few sandboxes around it."""
CLOSE_LIMIT_S = 5.0
WORDS_LIMIT_BYTES = 65_536
SHELL = ("sh", "-s")
ASK_AGAIN = "ask again; without a terminal on the way (no -t), nothing is mixed into the answer"
_CANNOT_RUN = frozenset({126, 127})
"""POSIX.1-2024, 2.8.2: found but not executable, not found. ssh and the engines pass these on."""
_NO_SHELL_WORDS = ("executable file not found", '"sh": no such file')
"""How kubectl and runc say it where the exit status does not."""
_OLD_SHELL_WORDS = ("bad substitution", "syntax error", "unexpected")


def remote_facts(command: Sequence[str], ask: Callable[[Facts], None]) -> Facts:
    """Return the facts of the place in which `command` starts a shell; all that `ask` asks for is in them.

    Raises UsageError for an empty command, UnreachableError where no shell answers, or not wholly.
    """
    if not command:
        raise UsageError(
            "--via takes a command that starts a shell elsewhere, such as 'ssh web1' or 'docker exec -i web'"
        )
    where = shown(" ".join(command), 80)
    try:
        with _Shell(command, where) as shell:
            shell.send(collector(new_mark()))
            facts = ask_in_rounds(shell.exchange, ask, where)
            shell.send("exit\n")
    except CaptureError as error:
        raise UnreachableError(str(error), remedy=error.remedy) from error
    facts.subject = " ".join(command)
    return facts


def facts_through(run: Callable[[str], bytes], ask: Callable[[Facts], None], subject: str) -> Facts:
    """Return the facts of a place that runs a shell program at a time: `run` takes one and returns what it printed.

    Raises CaptureError where an answer is not whole or there is none, and what `run` raises.
    """
    program = collector(new_mark())

    def exchange(number: int, questions: str) -> Round:
        rounds = read_rounds(run(f"{program}\n{questions}"), subject)
        found = next((each for each in rounds if each.number == number), None)
        if found is None:
            raise CaptureError(f"{subject}: another round was answered than was asked")
        return found

    facts = ask_in_rounds(exchange, ask, subject)
    facts.subject = subject
    return facts


def ask_in_rounds(exchange: Callable[[int, str], Round], ask: Callable[[Facts], None], where: str) -> AnsweredFacts:
    """Ask until a round brings up no question that was not asked before.

    `exchange` takes the number of a round with its questions, and returns the answer. Raises CaptureError where one is
    not whole, and what `exchange` raises.
    """
    try:
        return _in_rounds(exchange, ask, where)
    except CaptureError as error:
        error.remedy = error.remedy or ASK_AGAIN
        raise


def _in_rounds(exchange: Callable[[int, str], Round], ask: Callable[[Facts], None], where: str) -> AnsweredFacts:
    answers = Answers()
    wanted = first_round(ask)
    asked: set[object] = set()
    facts = AnsweredFacts(answers)
    for number in range(1, ROUNDS_LIMIT + 1):
        questions = ask_line(number, wanted.questions, variables=wanted.variables, leaves=wanted.leaves)
        answers.add(exchange(number, questions).payload, where)
        asked.update(wanted.questions, wanted.variables, wanted.leaves)
        facts = AnsweredFacts(answers)
        facts.observer = Observer("sh", "device" if answers.leaves else "none")
        ask(facts)
        wanted = FirstRound(
            frozenset(facts.unasked - asked),
            frozenset(facts.unasked_variables - asked),
            frozenset(facts.unasked_leaves - asked),
        )
        if not any(wanted):
            break
    return facts


class _Shell:
    """A running command: text goes in, rounds come out. On leaving, nothing of it is left running."""

    def __init__(self, command: Sequence[str], where: str) -> None:
        self._where = where
        try:
            self._process = subprocess.Popen(
                [*command, *SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise UnreachableError(
                f"{shown(command[0])}: {problem}",
                remedy="give a command that starts a shell elsewhere, such as --via 'ssh web1'",
            ) from error
        self._in, self._out, self._err = (
            stream.fileno() if stream is not None else -1
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._reader = Reader(where)
        self._rounds: list[Round] = []
        self._pending = b""
        self._words = b""
        self._spoke_last = self._err
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._err, selectors.EVENT_READ)
        os.set_blocking(self._in, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the command end by itself when its input ends, and end it where it does not."""
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def send(self, text: str) -> None:
        """Give the shell a command; what it does not take at once goes out while its answer is waited for."""
        if not self._pending:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.register(self._in, selectors.EVENT_WRITE)
        self._pending += text.encode("utf-8")
        self._write()

    def exchange(self, number: int, questions: str) -> Round:
        """Ask one round and return its answer. Raises as `answer` does."""
        self.send(questions)
        return self.answer(number)

    def answer(self, number: int) -> Round:
        """Return the round of that number. Raises UnreachableError where the command ends or stays silent before it."""
        until = time.monotonic() + TIME_LIMIT_S
        while True:
            while self._rounds:
                found = self._rounds.pop(0)
                if found.number == number:
                    return found
            ready = self._selector.select(max(0.0, until - time.monotonic()))
            if not ready or time.monotonic() > until:
                raise UnreachableError(
                    f"{self._where}: no whole answer within {TIME_LIMIT_S:.0f} s{self._said()}",
                    remedy="see that the command starts a shell and waits for nothing: COMMAND sh -c 'echo yes'",
                )
            for key, _ in ready:
                {self._in: self._write, self._out: self._read, self._err: self._listen}[key.fd]()

    def _write(self) -> None:
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._in, self._pending[:65_536]) :]
        except BlockingIOError:
            return
        except OSError:
            self._pending = b""  # it has ended, and its last words say why
        self._forget(self._in)

    def _read(self) -> None:
        piece = os.read(self._out, 65_536)
        self._spoke_last = self._out if piece.strip() else self._spoke_last
        self._rounds += self._reader.feed(piece) if piece else self._reader.close()
        if not piece and not self._rounds:
            raise self._ended()

    def _listen(self) -> None:
        piece = os.read(self._err, 65_536)
        self._spoke_last = self._err if piece.strip() else self._spoke_last
        self._words = (self._words + piece)[-WORDS_LIMIT_BYTES:]
        if not piece:
            self._forget(self._err)

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(descriptor)

    def _said(self) -> str:
        last = self._last_words()
        return f" (its last line: {shown(last, 160)})" if last else ""

    def _last_words(self) -> str:
        """Return the last line of the stream that spoke last: a banner is on one, what followed it on the other."""
        lines = [line.strip() for line in self._words.decode("utf-8", "replace").splitlines() if line.strip()]
        complaint, answer = lines[-1] if lines else "", self._reader.last_words
        return answer or complaint if self._spoke_last == self._out else complaint or answer

    def _ended(self) -> UnreachableError:
        """Say why the command ended without an answer: by its exit status where that tells, else by its last line."""
        self._process.stdin.close() if self._process.stdin is not None else None
        try:
            status = self._process.wait(CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            status = None
        with contextlib.suppress(OSError, ValueError):
            os.set_blocking(self._err, False)
            self._listen()
        last = self._last_words()
        if status in _CANNOT_RUN or any(words in last for words in _NO_SHELL_WORDS):
            return UnreachableError(f"{self._where}: no shell in there{self._said()}", remedy=FROM_ITS_NODE)
        if any(words in last for words in _OLD_SHELL_WORDS):
            return UnreachableError(f"{self._where}: the shell in there is too old{self._said()}", remedy=FROM_ITS_NODE)
        return UnreachableError(
            f"{self._where}: the command ended with status {status} and no answer{self._said()}",
            remedy="see that it starts a shell: COMMAND sh -c 'echo yes'",
        )
