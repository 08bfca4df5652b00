"""Runs that support, contradict or leave open each claim on artefacts."""

from collections.abc import Mapping

from tests.reports.claims.known.rows import GB, MIB, Build, E, Known, both, seen


def sizes(container: float, vm: float, kernel: float, profile: str = "service") -> Build:
    return both(
        seen(E.SIZE, "docker", profile=profile, disk=int(container), item__kernel=0, item__app=int(container)),
        seen(E.SIZE, "qemu", profile=profile, disk=int(vm), item__kernel=int(kernel), item__other=int(vm - kernel)),
    )


ITEMS = ("item__kernel", "item__modules", "item__init", "item__package_manager")
KNOWN: Mapping[str, Known] = {
    "size-mb-gb": Known(
        sizes(2 * MIB, 3 * GB, MIB),
        sizes(2 * MIB, 20 * MIB, MIB),
        both(sizes(2 * MIB, 3 * GB, MIB), seen(E.SIZE, "docker", profile="service", disk=2 * GB)),
    ),
    "size-no-kernel": Known(
        sizes(2 * MIB, 17 * MIB, 14 * MIB),
        sizes(2 * MIB, 400 * MIB, 14 * MIB),
        both(
            sizes(2 * MIB, 17 * MIB, 14 * MIB),
            seen(E.SIZE, "libvirt", profile="service", disk=400 * MIB, item__kernel=14 * MIB, item__other=386 * MIB),
        ),
    ),
    "size-app-only": Known(
        seen(E.SIZE, "docker", profile="service", disk=90 * MIB, **dict.fromkeys(ITEMS, 0)),
        seen(E.SIZE, "docker", profile="service", disk=90 * MIB, **dict.fromkeys(ITEMS, 5 * MIB)),
        None,
    ),
}
