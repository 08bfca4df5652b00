"""Claims on how large the artefacts are, and why."""

from envbench.phases import Experiment, Unit
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Exact, V, all_of
from envreport.claims.special import Anyhow, SizeShare
from envreport.claims.verdict import Relation

Z = Experiment.SIZE
GB = 1e9
SCRIPT_BYTES = 64 * 1024
"""A start script is smaller than this; every init system and package manager is larger."""

CLAIMS = (
    Claim(
        id="size-mb-gb",
        theme=Theme.SIZE,
        wording="Container images are MBs, VM images GBs",
        stands_in=("D2", "D3", "D4"),
        rule=all_of(
            Exact(Z, "disk", C, Relation.LESS, GB, Unit.BYTES),
            Exact(Z, "disk", V, Relation.MORE, GB, Unit.BYTES),
        ),
        reference="A gigabyte is 10^9 bytes (SI); less is megabytes.",
        scope="Bytes on this disk of the artefacts of this run, minimal and full-distribution apart; "
        "transfer and virtual sizes stand beside them.",
    ),
    Claim(
        id="size-no-kernel",
        theme=Theme.SIZE,
        wording="Containers are smaller because they lack the kernel",
        stands_in=("D2",),
        rule=SizeShare(),
        reference='More than half of the difference is the least that "because" can mean.',
        scope="The artefacts of this run. Kernel, initramfs, modules and boot files count as the kernel.",
    ),
    Claim(
        id="size-app-only",
        theme=Theme.SIZE,
        wording="A container image holds only the app and its dependencies, no OS",
        stands_in=("D3", "D4"),
        rule=Anyhow(
            all_of(
                *(
                    Exact(Z, f"item.{item}", C, Relation.LESS, SCRIPT_BYTES, Unit.BYTES)
                    for item in ("kernel", "modules", "init", "package_manager")
                )
            ),
            (
                Exact(Z, "item.libraries", C, Relation.MORE, -1, Unit.BYTES),
                Exact(Z, "item.app", C, Relation.MORE, -1, Unit.BYTES),
            ),
        ),
        reference="https://github.com/opencontainers/image-spec/blob/main/spec.md (an image is a "
        "root filesystem; it says nothing of what is in it)",
        scope="The images of this run: what an image holds is its maker's choice. An image with a "
        "package manager or an init holds parts of an OS; "
        "a start script below 64 KiB is no init system.",
    ),
)
