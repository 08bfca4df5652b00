"""What a type checker sees of the public API: mypy, strict, runs over this file; a wrong promise is an error there."""

from pathlib import Path
from typing import assert_type

import envinspect


def of_this_machine() -> str:
    here = envinspect.inspect()
    assert_type(here, envinspect.Answer)
    assert_type(here.layers, tuple[envinspect.Layer, ...])
    assert_type(here.cloud, envinspect.Mark | None)
    assert_type(here.determined, bool)
    assert_type(here.matches("docker"), bool)
    assert_type(here.evidence, tuple[envinspect.Evidence, ...])
    for layer in here.layers:
        assert_type(layer.kind, envinspect.Kind)
        assert_type(layer.confidence, envinspect.Strength)
        assert_type(layer.detail("accelerator"), str)
        assert_type(layer.hypervisor_type, int | None)
    return here.summary


def of_another_system(path: Path) -> float:
    found = envinspect.resources(capture=path)
    assert_type(found.memory_bytes, int | None)
    assert_type(envinspect.isolation(root="/mnt").namespaces.pid.initial, bool | None)
    assert_type(envinspect.abilities(capture=str(path)).capabilities, tuple[envinspect.Ability, ...])
    assert_type(envinspect.inspect(pid=1).subject, str)
    assert_type(envinspect.inspect(via=["ssh", "web1"]).determined, bool)
    return found.cpus or 0.0


def of_this_node() -> int:
    node = envinspect.census()
    assert_type(node, envinspect.Census)
    assert_type(node.complete, bool)
    assert_type(node.sets, tuple[envinspect.NamespaceSet, ...])
    assert_type(node.gaps, tuple[envinspect.Gap, ...])
    for found in node.sets:
        assert_type(found.engine, str | None)
        assert_type(found.resources, envinspect.Resources)
        assert_type(found.summary, str)
    return sum(found.processes for found in node.sets)


def of_failures() -> str:
    try:
        envinspect.inspect(capture="x.tar.gz")
    except (envinspect.CaptureError, envinspect.UsageError) as error:
        assert_type(error.remedy, str)
        return error.remedy
    except envinspect.EnvinspectError as error:
        return str(error.exit_code)
    return ""


def what_is_refused(answer: envinspect.Answer) -> None:
    answer.stack = answer.stack  # type: ignore[misc]
    answer.nonsense  # type: ignore[attr-defined]  # noqa: B018
    envinspect.inspect("x.tar.gz")  # type: ignore[call-arg]
    envinspect.nonsense  # type: ignore[attr-defined]  # noqa: B018
