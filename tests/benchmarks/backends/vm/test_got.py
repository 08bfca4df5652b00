"""What QEMU says that a machine got, in the words of QEMU 7.2, against what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from envbench.backends.vm.got import differences
from envbench.backends.vm.guest import Guest

ANSWERS: dict[str, Any] = {
    "query-memory-size-summary": {"base-memory": 268435456, "plugged-memory": 0},
    "query-cpus-fast": [{"cpu-index": 0}],
    "query-kvm": {"enabled": False, "present": True},
    "qom-get": "pc-q35-7.2-machine",
    "query-machines": [{"name": "pc-q35-7.2", "alias": "q35"}, {"name": "pc-i440fx-7.2", "alias": "pc"}],
}
ASKED = Guest("one", "q35", "tcg", Path("serial"))


def ask(command: str, **_arguments: Any) -> Any:
    return ANSWERS[command]


@pytest.mark.parametrize("machine", ["q35", "pc-q35-7.2"])
def test_a_machine_type_has_its_own_name_and_its_alias(machine: str) -> None:
    assert differences(Guest("one", machine, "tcg", Path("serial")), None, ask) == ()


@pytest.mark.parametrize(
    ("command", "answer", "words"),
    [
        ("query-memory-size-summary", {"base-memory": 1 << 27}, "the machine has 134217728"),
        ("query-memory-size-summary", {"base-memory": (1 << 28) + (1 << 20)}, "the machine has 269484032"),
        ("query-cpus-fast", [{}, {}], "the machine has 2"),
        ("query-kvm", {"enabled": True, "present": True}, "the machine runs on kvm"),
        ("qom-get", "pc-i440fx-7.2-machine", "the machine is a pc-i440fx-7.2"),
        ("qom-get", "pc-q35-6.0-machine", "the machine is a pc-q35-6.0"),
    ],
)
def test_what_differs_is_named(command: str, answer: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, command, answer)
    (said,) = differences(ASKED, None, ask)
    assert said.endswith(words)


def test_part_of_a_cpu_is_something_else_than_a_whole_one() -> None:
    assert differences(ASKED, 0.5, ask) == ("0.5 CPUs asked for, and the machine has 1",)
    assert differences(ASKED, 1.0, ask) == ()
