"""The verdicts of the claims on moving, keeping and managing."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.management import KNOWN, SERVICE, exported, ran_here
from tests.reports.claims.known.rows import MIB, E, S, around, both, seen, series

from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


def test_portable_has_aspects_and_each_is_named(rows: Any) -> None:
    both(exported(40, 2), ran_here((1, 0, 1), (1, 1, 1)))(rows)
    found = judge(BY_ID["portable"], rows.results())
    assert "holds by size, time; does not by where it runs" in found.why
    places = next(each for each in found.findings if each.about == "made for something else and run here")
    assert places.figure.startswith("containers 2 of 3 (another distribution, another CPU architecture); VMs 3 of 3")


def test_portable_is_no_answer_of_size_and_time_alone(rows: Any) -> None:
    exported(40, 2)(rows)
    found = judge(BY_ID["portable"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "kernel experiment" in found.reason


def test_what_loses_data_and_what_keeps_them_is_told(rows: Any) -> None:
    kept = {"kept_over_restart": 1, "gone_after_remove": 1, "kept_with_volume": 1}
    seen(E.PORTABILITY, "docker", **kept)(rows)
    seen(E.PORTABILITY, "qemu", kept_over_restart=1, vm_disk_keeps=1, vm_gone_with_disk=1)(rows)
    found = judge(BY_ID["storage-ephemeral"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert [each.figure for each in found.findings] == [
        "lost by removal; kept over stop and start, removal with a volume",
        "lost by removal with its disk deleted; kept over stop and start, removal with its disk kept",
    ]
    assert [each.note for each in found.findings] == ["", ""]


def test_a_machine_that_loses_its_data_by_a_stop_is_told_so(rows: Any) -> None:
    seen(E.PORTABILITY, "docker", gone_after_remove=1)(rows)
    seen(E.PORTABILITY, "qemu", kept_over_restart=0, vm_disk_keeps=1, vm_gone_with_disk=0)(rows)
    figures = [each.figure for each in judge(BY_ID["storage-ephemeral"], rows.results()).findings]
    assert figures[1] == "lost by stop and start; kept over removal with its disk kept, removal with its disk deleted"


def test_managers_that_are_found_are_named_and_were_not_tried(rows: Any) -> None:
    rows.add(E.KERNEL, "host", "managers.vm", [1], detail="libvirt (virsh)")
    rows.add(E.KERNEL, "host", "managers.container", [2], detail="Kubernetes (kubectl), swarm (built in, inactive)")
    found = judge(BY_ID["managers"], rows.results())
    assert found.label == "supported by 3 examples, found and not tried"
    assert "libvirt (virsh)" in found.figure


def test_a_manager_that_was_tried_is_told_from_those_that_were_found(rows: Any) -> None:
    both(SERVICE, seen(E.KERNEL, "host", managers__vm=1, managers__container=2))(rows)
    found = judge(BY_ID["managers"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.label == "supported by 1 example tried, 2 found and not tried"
    figure = found.findings[0].figure
    assert figure.startswith("start by a manager: median 300 ms ")
    assert "against plain start without a manager: median 100 ms" in figure


def test_a_machine_of_libvirts_is_a_manager_that_was_tried(rows: Any) -> None:
    counts = seen(E.KERNEL, "host", managers__vm=1, managers__container=1)
    both(SERVICE, counts, seen(E.KERNEL, "libvirt", kernel_equals_host=0))(rows)
    assert judge(BY_ID["managers"], rows.results()).label == "supported by 2 examples tried"


def test_a_machine_by_vagrant_stands_beside_the_same_disk_without_it(rows: Any) -> None:
    machine = both(
        series(E.KERNEL, "managed_ready", libvirt=around(9 * S)), series(E.KERNEL, "plain_ready", libvirt=around(3 * S))
    )
    both(SERVICE, machine, seen(E.KERNEL, "host", managers__vm=3, managers__container=1))(rows)
    found = judge(BY_ID["managers"], rows.results())
    assert found.label == "supported by 2 examples tried, 2 found and not tried"
    figure = found.findings[1].figure
    assert figure.startswith("start by a manager: median 9 s ")
    assert "against plain start without a manager: median 3 s" in figure


def test_a_machine_that_no_manager_keeps_is_none(rows: Any) -> None:
    counts = seen(E.KERNEL, "host", managers__vm=1, managers__container=1)
    both(counts, seen(E.KERNEL, "qemu", kernel_equals_host=0))(rows)
    assert judge(BY_ID["managers"], rows.results()).label == "supported by 2 examples, found and not tried"


def test_a_service_alone_says_nothing_of_machines(rows: Any) -> None:
    both(SERVICE, seen(E.KERNEL, "host", managers__vm=0, managers__container=1))(rows)
    found = judge(BY_ID["managers"], rows.results())
    assert found.verdict is Verdict.RIGHT
    assert "managers of VMs found" in found.reason


def test_what_was_not_done_to_an_instance_is_told(rows: Any) -> None:
    seen(E.PORTABILITY, "docker", gone_after_remove=1)(rows)
    seen(E.PORTABILITY, "qemu", vm_disk_keeps=1)(rows)
    notes = [each.note for each in judge(BY_ID["storage-ephemeral"], rows.results()).findings]
    assert notes == [
        "not tried: stop and start, removal with a volume",
        "not tried: stop and start, removal with its disk deleted",
    ]


def test_sizes_that_read_the_same_are_told_once(rows: Any) -> None:
    both(exported(11.8, 2), ran_here((1, 1, 1), (1, 0, 1)))(rows)
    seen(E.PORTABILITY, "qemu", export_bytes=int(11.8 * MIB) + 1)(rows)
    figures = [each.figure for each in judge(BY_ID["portable"], rows.results()).findings]
    assert "exported size: 11.8 MiB against 2 MiB" in figures


def test_a_machine_that_loses_its_data_says_nothing_of_containers(rows: Any) -> None:
    seen(E.PORTABILITY, "qemu", vm_disk_keeps=0)(rows)
    assert judge(BY_ID["storage-ephemeral"], rows.results()).verdict is Verdict.NOT_MEASURED
    seen(E.PORTABILITY, "docker", gone_after_remove=1)(rows)
    assert judge(BY_ID["storage-ephemeral"], rows.results()).verdict is Verdict.INCONCLUSIVE
