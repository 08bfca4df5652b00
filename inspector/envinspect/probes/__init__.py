"""The probes: each looks at one source and says what it is evidence for. None decides anything, none touches the machine.

To add one: write a generator over `Facts` in a module here and name it in PROBES.
"""

from collections.abc import Callable, Iterator

from envinspect.facts import Facts
from envinspect.model import Evidence, Unknown
from envinspect.probes.cpuid import probe_cpuid

Probe = Callable[[Facts], Iterator[Evidence | Unknown]]

PROBES: tuple[Probe, ...] = (probe_cpuid,)
