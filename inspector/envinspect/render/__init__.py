"""The forms an answer can take: FORMATS names one module each, imported only when it is asked for.

To add one: write a module here with `render(answer, palette) -> Rendered` and name it in FORMATS.
"""

from __future__ import annotations

from envinspect.model import Record
from envinspect.render.terminal import PLAIN, Palette

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from envinspect.inspection import Inspection

    class _Form(Protocol):
        def render(self, answer: Inspection, palette: Palette) -> Rendered: ...


FORMATS = {
    "text": "text",
    "brief": "brief",
    "json": "json",
    "explain": "explain",
    "systemd-detect-virt": "systemd_detect_virt",
    "virt-what": "virt_what",
    "ansible": "ansible",
    "facter": "facter",
    "prometheus": "prometheus",
    "openmetrics": "openmetrics",
    "nfd": "nfd",
}
DROP_IN = ("systemd-detect-virt", "virt-what", "ansible", "facter", "prometheus", "openmetrics", "nfd")
"""Forms that stand in for another tool, with that tool's exit codes, or that another tool reads."""


NOT_DETERMINED = (
    "not determined: too little could be read to rule a virtual machine or a container out; see `envinspect --explain`"
)


class Rendered(Record):
    """What goes to standard output (ends in a line break, or is empty), and the exit code of contract 2.

    `warning` is a line for standard error: what the form cannot say in its own words. `data` is a whole file that is
    no text; then `text` is empty.
    """

    text: str
    exit_code: int
    warning: str = ""
    data: bytes = b""


def render(name: str, answer: Inspection, palette: Palette = PLAIN) -> Rendered:
    """Return the answer in the form `name`, a key of FORMATS."""
    module = f"envinspect.render.{FORMATS[name]}"
    form: _Form = __import__(module, fromlist=["render"])  # importlib would cost a plain call more than the form
    rendered = form.render(answer, palette)
    undetermined = name in DROP_IN and not answer.stack.determined
    return rendered.replace(warning=NOT_DETERMINED) if undetermined else rendered


def answered(answer: Inspection) -> int:
    """Return the exit code of a plain answer: 0, or 3 where too little could be read to tell."""
    return 0 if answer.stack.determined else 3
