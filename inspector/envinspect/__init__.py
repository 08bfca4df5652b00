"""envinspect: says where this code runs (machine, VM, WSL, container, sandbox), and why it believes so.

    import envinspect

    here = envinspect.inspect()
    print(here.summary, here.layers, here.matches("docker"))

What `__all__` names is the promise; all else is internal. The names are imported when first used, so that
`import envinspect` costs next to nothing. This file holds nothing that an old Python could not parse.
"""

from envinspect.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.api import Answer, abilities, census, inspect, isolation, resources
    from envinspect.facets.records import Abilities, Ability, Host, Isolation, Resources
    from envinspect.fleet.node_census import Census, Gap, NamespaceSet
    from envinspect.model import Evidence, Kind, Layer, Mark, Overruled, Strength, Unknown
    from envinspect.model.errors import CaptureError, EnvinspectError, UnreachableError, UsageError

__all__ = [
    "Abilities",
    "Ability",
    "Answer",
    "CaptureError",
    "Census",
    "EnvinspectError",
    "Evidence",
    "Gap",
    "Host",
    "Isolation",
    "Kind",
    "Layer",
    "Mark",
    "NamespaceSet",
    "Overruled",
    "Resources",
    "Strength",
    "Unknown",
    "UnreachableError",
    "UsageError",
    "__version__",
    "abilities",
    "census",
    "inspect",
    "isolation",
    "resources",
]


if not TYPE_CHECKING:

    def __getattr__(name):  # noqa: ANN001, ANN202 - as in __main__
        if name in __all__:
            from envinspect import api, model  # noqa: PLC0415 - paid for by whoever uses it
            from envinspect.facets import records  # noqa: PLC0415
            from envinspect.fleet import node_census  # noqa: PLC0415
            from envinspect.model import errors  # noqa: PLC0415

            for module in (api, errors, records, model, node_census):
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError("module 'envinspect' has no attribute " + repr(name))
