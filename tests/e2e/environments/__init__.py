"""The matrix: real environments, how each is started, and what is true inside. See `case.py` for what a row says."""

from environments.case import Environment
from environments.containers import CONTAINERS
from environments.engines import ENGINES
from environments.guests import GUESTS
from environments.namespaces import NAMESPACES
from environments.roots import ROOTS
from environments.sandboxes import SANDBOXES

ENVIRONMENTS: tuple[Environment, ...] = (*NAMESPACES, *ROOTS, *SANDBOXES, *CONTAINERS, *ENGINES, *GUESTS)
