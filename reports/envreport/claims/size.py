"""Claims on how large the artefacts are, and why."""

from envbench.phases import Experiment, Unit
from envreport.claims.combine import Anyhow, all_of
from envreport.claims.model import Claim, Theme
from envreport.claims.rules import C, Exact, V
from envreport.claims.special import ImageContents, SizeShare
from envreport.claims.verdict import Relation

Z = Experiment.SIZE
GB = 1e9

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
        "transfer and virtual sizes stand beside them. One VM below a gigabyte is enough against a general statement.",
    ),
    Claim(
        id="size-no-kernel",
        theme=Theme.SIZE,
        wording="Containers are smaller because they lack the kernel",
        stands_in=("D2",),
        rule=SizeShare(),
        reference='More than half of the difference is the least that "because" can mean.',
        scope="The files in the artefacts of this run, by length. Kernel, initramfs, modules and boot files count as "
        "the kernel. What a disk's own filesystem takes is shown beside and not counted: a container's files lie in one"
        " too, the host's.",
    ),
    Claim(
        id="size-app-only",
        theme=Theme.SIZE,
        wording="A container image holds only the app and its dependencies, no OS",
        stands_in=("D3", "D4"),
        rule=Anyhow(
            ImageContents(),
            (
                Exact(Z, "item.libraries", C, Relation.MORE, -1, Unit.BYTES),
                Exact(Z, "item.app", C, Relation.MORE, -1, Unit.BYTES),
            ),
        ),
        reference="https://github.com/opencontainers/image-spec/blob/main/spec.md (an image is a "
        "root filesystem; it says nothing of what is in it)",
        scope="Images with a userland, such as the distribution profile's. The minimal payload is app-only by "
        "construction and decides nothing. An image with a kernel, an init system or a package manager holds parts "
        "of an OS; what is smaller than 64 KiB is a start script.",
        remedy="`envbench size --profile distro` measures an image with a whole Debian userland.",
    ),
)
