"""What is known: tables only, and the row of the catalogue. Each cites the page, specification or source of it."""

from __future__ import annotations

from envinspect.model import Kind, Record


class Entry(Record):
    """One id, what it is, and what the peers call it.

    `refines` names the more general id that this one makes more precise ("" for none): evidence for the general id
    also supports this one.
    `systemd` and `virt_what` are the words those tools would print, "" where they have none.
    `note` holds what is debated, in a sentence.
    """

    kind: Kind
    id: str
    name: str
    hypervisor_type: int | None
    reference: str
    systemd: str = ""
    virt_what: str = ""
    refines: str = ""
    note: str = ""
