"""envinspect: says where this code runs (machine, VM, WSL, container, sandbox), and why it believes so.

    from envinspect import inspect
    answer = inspect()
    print(answer.summary, answer.stack.layers)

The names below are imported when first used, so that `import envinspect` costs nothing.
"""

from envinspect.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envinspect.inspection import Answer, inspect
    from envinspect.model import Evidence, Kind, Layer, Mark, Stack, Strength

__all__ = ["Answer", "Evidence", "Kind", "Layer", "Mark", "Stack", "Strength", "__version__", "inspect"]


def __getattr__(name):  # type: (str) -> object  # noqa: ANN001, ANN202 - as in __main__
    if name not in __all__:
        raise AttributeError("module 'envinspect' has no attribute " + repr(name))
    if name in {"Answer", "inspect"}:
        from envinspect import inspection  # noqa: PLC0415 - paid for by whoever uses it

        return getattr(inspection, name)
    from envinspect import model  # noqa: PLC0415

    return getattr(model, name)
