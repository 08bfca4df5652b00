"""Records: frozen, hashable, equal only to their own kind, no tuples; the three answers stay apart."""

from __future__ import annotations

import copy
import enum
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinspect.model import (
    ABSENT,
    NOT_RECORDED,
    Absent,
    Denied,
    Found,
    Kind,
    Layer,
    Origin,
    Record,
    Strength,
    Trait,
)


class Sample(Record):
    """Fields with and without defaults."""

    first: int
    second: str = "b"
    third: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        return self.first * 2


class Twin(Record):
    first: int
    second: str = "b"
    third: tuple[str, ...] = ()


VALUES = (st.integers(), st.text(), st.lists(st.text()).map(tuple))


@given(*VALUES)
def test_a_record_holds_what_it_was_given(first, second, third):
    sample = Sample(first, second, third=third)
    assert (sample.first, sample.second, sample.third, sample.twice) == (first, second, third, first * 2)
    assert sample == Sample(first=first, third=third, second=second)
    assert hash(sample) == hash(Sample(first=first, third=third, second=second))
    assert sample.to_dict() == {"first": first, "second": second, "third": list(third)}
    assert sample.replace(first=1) == Sample(1, second, third)
    assert eval(repr(sample)) == sample  # noqa: S307 - our own repr


@given(*VALUES)
def test_records_are_equal_only_to_their_own_kind(first, second, third):
    assert Sample(first, second, third) != Twin(first, second, third)
    assert Sample(first, second, third) != (first, second, third)
    assert not isinstance(Sample(first), tuple)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301
def test_copies_are_equal(again):
    layer = Layer(Kind.VM, "kvm", "KVM", 1, Strength.PROOF, (("a", "b"),), ())
    assert again(layer) == layer


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, "b", (), 4), {}), ((1,), {"no": 1}), ((1,), {"first": 2})]
)
def test_wrong_fields_are_refused(values, named):
    with pytest.raises(TypeError, match="Sample: "):
        Sample(*values, **named)


def test_nothing_can_be_changed():
    sample = Sample(1)
    with pytest.raises(AttributeError, match="frozen"):
        sample.first = 2
    with pytest.raises(AttributeError, match="frozen"):
        sample.other = 2
    with pytest.raises(AttributeError, match="frozen"):
        del sample.first


@given(st.text())
def test_the_three_answers_are_never_equal_to_each_other(value):
    answers = (Found(value), Denied(value), ABSENT)
    assert len(set(answers)) == len(answers)
    assert Found(value) != Denied(value)


def test_absent_is_neither_empty_nor_false():
    assert Absent() == ABSENT
    assert ABSENT != ()
    assert Found(()) != ABSENT
    assert ABSENT != NOT_RECORDED
    assert bool(ABSENT)
    assert bool(Found(""))


@pytest.mark.parametrize("ours", [Strength, Kind, Origin, Trait])
def test_members_are_what_the_standard_library_would_make_of_them(ours):
    theirs = enum.IntEnum(ours.__name__, {member.name: member.value for member in ours})
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)
    assert list(ours.__members__) == list(theirs.__members__)
    for member, twin in zip(ours, theirs):
        assert (member.name, member.value, repr(member)) == (twin.name, twin.value, repr(twin))
        assert (str(member), f"{member}", hash(member)) == (str(int(twin)), str(int(twin)), hash(twin))
        assert ours(twin.value) is ours[twin.name] is getattr(ours, twin.name) is member
        assert copy.deepcopy(member) is member
        assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301
        with pytest.raises(AttributeError):
            member.name = "other"
    with pytest.raises(ValueError, match=f"99 is not a valid {ours.__name__}"):
        ours(99)
    with pytest.raises(KeyError):
        ours["other"]
