"""What an instance says is read line by line, to its end, its deadline or the line that is waited for."""

import os
from collections.abc import Iterator

import pytest

from envbench.errors import BackendError, StartTimeoutError
from envbench.experiments.shared.running import Output, await_ready, finish

LONG_S, SHORT_S = 60.0, 0.05


class Pipe:
    """A speaker whose words the test writes."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def say(self, words: str, *, ends: bool = False) -> None:
        os.write(self.writer, words.encode())
        if ends:
            os.close(self.writer)
            self.writer = -1

    def output_fileno(self) -> int:
        return self.reader

    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def console_tail(self) -> str:
        return "the console's words"

    def close(self) -> None:
        for descriptor in {self.reader, self.writer} - {-1}:
            os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def output(pipe: Pipe) -> Output:
    return Output(pipe, "abc", 0)


def test_it_stops_at_the_line_and_goes_on_after_it(pipe: Pipe, output: Output) -> None:
    pipe.say("one\r\ntwo\nth")
    assert output.read_until(lambda line: line == "two", LONG_S, "two")
    pipe.say("ree\n")
    assert output.read_until(lambda line: line == "three", LONG_S, "three", after=2)
    assert output.lines == ["one", "two", "three"]


def test_a_line_that_was_read_already_is_found_without_waiting(pipe: Pipe, output: Output) -> None:
    pipe.say("one\ntwo\n")
    assert output.read_until(lambda line: line == "two", LONG_S, "two")
    assert output.read_until(lambda line: line == "one", 0, "one")
    with pytest.raises(StartTimeoutError, match="no one within"):
        output.read_until(lambda line: line == "one", SHORT_S, "one", after=1)


def test_the_end_is_told_from_the_deadline_and_its_last_line_counts(pipe: Pipe, output: Output) -> None:
    pipe.say("one\n@key=val", ends=True)
    assert not output.read_until(lambda line: line == "two", LONG_S, "two")
    assert not output.read_until(lambda line: line == "two", LONG_S, "two")
    assert output.reports() == {"key": ["val"]}
    assert output.read_until(lambda line: line == "@key=val", LONG_S, "the last line")


def test_a_deadline_says_what_was_waited_for_and_what_came(pipe: Pipe, output: Output) -> None:
    with pytest.raises(StartTimeoutError, match=r"no ready line within .* its last words: the console's words"):
        output.read_until(bool, SHORT_S, "ready line")
    pipe.say("panic\n")
    with pytest.raises(StartTimeoutError, match="its last words: panic"):
        output.read_until(lambda line: line == "ready", SHORT_S, "ready line")


def test_what_cannot_be_read_is_no_end(pipe: Pipe, output: Output) -> None:
    os.close(pipe.reader)
    pipe.reader = os.open("/", os.O_RDONLY)  # A folder: read(2) refuses it with EISDIR.
    with pytest.raises(BackendError, match="its output cannot be read: Is a directory"):
        output.read_until(bool, LONG_S, "a line")


def test_a_command_that_ends_without_its_ready_line_is_a_failure(pipe: Pipe, output: Output) -> None:
    pipe.say("sh: no such file\n", ends=True)
    with pytest.raises(BackendError, match="ended before its ready line; its last words: sh: no such file"):
        await_ready(output, LONG_S)
    assert finish(output, LONG_S) == {}, "no exit status was told"
