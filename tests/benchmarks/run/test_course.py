"""How far a run says it is: parts, steps, and a time left that its own pace bears out."""

import random

import pytest

from envbench.experiments import EXPECTED_S, EXPERIMENTS
from envbench.records.phases import Experiment
from envbench.run.bench import Bench
from envbench.run.course import Course, Position, about
from envbench.surroundings.clock import NS_PER_S


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> int:
        return int(self.now_s * NS_PER_S)


def test_every_experiment_that_takes_time_has_an_expectation():
    assert set(EXPECTED_S) == set(EXPERIMENTS) - {"wsl"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (9.9, "a few seconds"),
        (10, "about 10 s"),
        (61, "about 70 s"),
        (95, "about 2 min"),
        (840, "about 14 min"),
    ],
)
def test_a_time_is_said_as_roughly_as_it_is_known(seconds, words):
    assert about(seconds) == words


@pytest.mark.parametrize("count", [1, 11])
def test_a_position_says_part_steps_and_time(count):
    said = str(Position("memory", 4, count, 7, 20, 360))
    assert said == ("4 of 11, " if count > 1 else "") + "memory: 7 of 20, about 6 min left"
    assert str(Position("startup", 1, 1, 37, None, None, "starts")) == "startup: 37 starts"


def run_of(steps: dict[str, list[float]], expected_s: dict[str, float]) -> list[tuple[float, Position]]:
    """Take a run whose steps last so long; return each position with the seconds that were really left."""
    clock, seen = Clock(), []
    course = Course(lambda position: seen.append((clock.now_s, position)), clock)
    course.plan(expected_s)
    for part, lengths in steps.items():
        course.begin(part)
        course.expect(len(lengths))
        for length in lengths:
            clock.now_s += length
            course.step()
    return [(clock.now_s - at_s, position) for at_s, position in seen]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("pace", [0.3, 1.0, 4.0])
def test_from_half_of_a_run_on_the_time_left_is_about_right(seed, pace):
    drawn = random.Random(seed)
    steps = {}
    for part, expected_s in EXPECTED_S.items():
        count = drawn.randint(10, 60)
        each_s = expected_s * pace * drawn.uniform(0.85, 1.15) / count
        steps[part] = [each_s * drawn.uniform(0.7, 1.3) for _ in range(count)]
    seen = run_of(steps, dict(EXPECTED_S))
    whole_s = seen[0][0]
    for left_s, position in seen:
        if left_s < 0.5 * whole_s:
            assert position.left_s is not None
            assert position.left_s == pytest.approx(left_s, rel=0.3, abs=0.02 * whole_s)


def test_nothing_is_said_of_the_time_before_the_pace_is_known():
    seen = run_of({"kernel": [1, 1], "size": [1], "memory": [5, 5], "speed": [9]}, dict(EXPECTED_S))
    first = [position.left_s for _, position in seen if position.part in {"kernel", "size"}]
    assert first == [None] * len(first)
    assert all(position.left_s is not None for _, position in seen if position.part == "speed")


def test_it_is_never_nothing_while_minutes_follow():
    seen = run_of({"startup": [], "kernel": [20, 20], "size": [30], "speed": [60] * 4}, {"startup": 0, **EXPECTED_S})
    assert all(position.left_s is None or position.left_s > 0.5 * left_s for left_s, position in seen if left_s > 60)


def test_a_part_without_expectation_tells_from_its_own_pace():
    clock, seen = Clock(), []
    course = Course(seen.append, clock)
    course.begin("memory")
    course.expect(20)
    for _ in range(10):
        clock.now_s += 3
        course.step()
    assert seen[1].left_s is None, "one step of twenty tells nothing yet"
    assert seen[-1].left_s == pytest.approx(30)
    assert (seen[-1].number, seen[-1].count, seen[-1].done, seen[-1].total) == (1, 1, 10, 20)


def test_no_part_begins_after_the_end_of_a_quick_run():
    clock = Clock()
    course = Course(now_ns=clock, until_ns=int(150 * NS_PER_S), after_s=5)
    course.plan({"kernel": 10, "size": 10, "speed": 80})
    course.begin("kernel")
    clock.now_s += 20
    course.begin("size")
    left_s = course.position().left_s
    assert left_s is not None
    half_s = 100 / 3 / 2 * 2
    assert left_s == pytest.approx(30 + half_s + 10), "by its pace 180 s; 30 until nothing more begins"
    course.begin("speed")
    clock.now_s += 40
    assert course.position().left_s == pytest.approx(80 - 40 + 5), "what has begun is brought to its end"
    course.expect(1)
    course.step()
    assert course.position().left_s == pytest.approx(5), "the reports are still to be written"


def test_more_steps_than_were_expected_are_told_without_a_total():
    course = Course(now_ns=Clock())
    course.begin("kernel")
    course.expect(1)
    course.step()
    course.step()
    assert (course.position().done, course.position().total) == (2, None)


def test_an_attempt_is_one_step_whatever_it_tries_inside_and_however_it_ends():
    bench = Bench(None, None, None, (), say=lambda _line: None)  # type: ignore[arg-type]
    bench.course.begin("kernel")
    with bench.attempt(Experiment.KERNEL, "outer"):
        with bench.attempt(Experiment.KERNEL, "inner"):
            pass
        raise ValueError("it failed")
    assert bench.course.position().done == 1


def test_what_each_part_took_is_kept_when_the_next_begins_and_at_the_end():
    clock = Clock()
    course = Course(now_ns=clock)
    course.plan({"kernel": 10.0, "memory": 20.0})
    for part, seconds in (("kernel", 3.5), ("memory", 4.0), ("kernel", 1.0)):
        course.begin(part)
        clock.now_s += seconds
    course.end()
    course.end()
    assert course.took_s == {"kernel": 4.5, "memory": 4.0}
