"""What the report's words mean, and the documents whose claims it judges."""

from collections.abc import Sequence

from envreport.claims import DOCUMENTS, Judgement
from envreport.document.model import Cell, Fact, Table

GLOSSARY: tuple[Fact, ...] = (
    Fact("start, ready", "from the request to the engine until the payload's first line was read on this machine"),
    Fact("payload", "what is started; the same in a container and in a virtual machine where they are compared"),
    Fact("minimal, distro, service", "payloads: one small program, a whole Debian, a web server (nginx) on Debian"),
    Fact("backend", "what starts the payload: a bare process, a container runtime or engine, a virtual machine"),
    Fact("runc, crun", "programs that start containers; Docker and Podman call them"),
    Fact("virtual machine, VM", "a computer made by software, with a kernel of its own"),
    Fact(
        "emulated",
        "a VM whose every instruction is worked out in software (QEMU's TCG); far slower than one on KVM, so that "
        "nothing follows from its speed for a VM on KVM",
    ),
    Fact("KVM", "the part of Linux that lets a VM run on the processor itself: hardware virtualisation"),
    Fact("q35, pc, microvm", "kinds of machine that QEMU makes"),
    Fact("nested", "measured inside a virtual machine: its own starts may be slower than on bare metal"),
    Fact("noisy", "other work took CPU, storage or memory while the run measured"),
    Fact("median", "the value in the middle: half of the starts were faster"),
    Fact("95 % interval, [low, high]", "where the true value lies, wrong once in twenty at most"),
    Fact("n", "how many measurements a figure rests on"),
    Fact("p95", "19 of 20 starts were at least as fast"),
    Fact("warm-up", "a start before the ones that count, which fills caches"),
    Fact("PSS", "memory of a process, with what it shares counted in equal parts for all who share it"),
    Fact("cgroup", "a group of processes that Linux counts and limits together; a container is in one of its own"),
    Fact("within the noise", "other work changed the figure as much: it cannot be told from 0"),
)


def documents_table(judgements: Sequence[Judgement]) -> Table:
    """Return the documents by title, with the claims that stand in each."""
    rows = []
    for key, title in DOCUMENTS.items():
        claims = [each.claim.id for each in judgements if key in each.claim.stands_in]
        rows.append((Cell(key), Cell(title), Cell(", ".join(claims))))
    return Table("documents-table", "The documents whose claims are judged", ("name", "title", "claims"), tuple(rows))
