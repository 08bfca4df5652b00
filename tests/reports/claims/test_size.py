"""The verdicts of the claims on artefacts."""

from typing import Any

import pytest
from tests.reports.claims.known import cases, check_known_answer
from tests.reports.claims.known.rows import MIB, E, seen
from tests.reports.claims.known.size import ITEMS, KNOWN

from envreport.claims import BY_ID, Verdict, judge


@pytest.mark.parametrize(("claim_id", "side"), cases(KNOWN))
def test_known_answer(claim_id: str, side: str, rows: Any) -> None:
    check_known_answer(claim_id, side, rows)


@pytest.mark.parametrize("init_bytes", [0, 1100, 5 * MIB])
def test_the_minimal_payload_says_nothing_about_what_images_hold(init_bytes: int, rows: Any) -> None:
    seen(E.SIZE, "docker", disk=6 * MIB, item__init=init_bytes, item__package_manager=0)(rows)
    found = judge(BY_ID["size-app-only"], rows.results())
    assert found.verdict is Verdict.NOT_MEASURED
    assert "fetch service" in found.remedy
    seen(E.SIZE, "docker", profile="distro", disk=90 * MIB, item__init=5 * MIB)(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.NOT_MEASURED, "we put the init system there"
    seen(E.SIZE, "docker", profile="service", disk=90 * MIB, item__package_manager=5 * MIB)(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.CONTRADICTED


def test_a_disks_own_filesystem_is_shown_and_is_no_part_of_what_the_files_add(rows: Any) -> None:
    for profile in ("distro", "service"):
        seen(E.SIZE, "docker", profile=profile, item__kernel=0, item__app=90 * MIB, item__filesystem=10 * MIB)(rows)
        machine = {"item__kernel": 14 * MIB, "item__app": 90 * MIB, "item__filesystem": 60 * MIB}
        seen(E.SIZE, "qemu", profile=profile, **machine)(rows)
    found = judge(BY_ID["size-no-kernel"], rows.results())
    assert found.verdict is Verdict.SUPPORTED
    assert found.findings[0].figure.startswith("14 MiB of 14 MiB more in files (100 %)")
    assert "filesystem takes another 50 MiB" in found.findings[0].figure
    assert [key.profile for each in found.findings if each.decides for key in each.keys] == ["service", "service"]


def test_a_users_own_image_is_told_what_it_holds(rows: Any) -> None:
    seen(E.SIZE, "docker", profile="own", disk=90 * MIB, **dict.fromkeys(ITEMS, 5 * MIB))(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.CONTRADICTED


def test_what_was_not_looked_for_in_an_image_is_not_absent(rows: Any) -> None:
    seen(E.SIZE, "docker", profile="service", disk=90 * MIB, item__kernel=0)(rows)
    found = judge(BY_ID["size-app-only"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "not known: modules" in found.why
    seen(E.SIZE, "docker", profile="service", item__package_manager=5 * MIB)(rows)
    assert judge(BY_ID["size-app-only"], rows.results()).verdict is Verdict.CONTRADICTED, "one part is enough"


def test_sizes_are_those_of_this_runs_artefacts(rows: Any) -> None:
    for claim_id in KNOWN:
        rows.samples.clear()
        KNOWN[claim_id].supports(rows)  # type: ignore[misc]
        assert judge(BY_ID[claim_id], rows.results()).label == "supported by the artefacts of this run"


def test_a_disk_that_was_read_in_part_settles_nothing(rows: Any) -> None:
    """Its modules may lie in the part that could not be read, and so may everything else."""
    seen(E.SIZE, "docker", profile="own", item__kernel=0, item__other=60 * MIB)(rows)
    seen(E.SIZE, "qemu", profile="own", item__kernel=14 * MIB, item__libraries=70 * MIB)(rows)
    found = judge(BY_ID["size-no-kernel"], rows.results())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "could not be read" in found.why
