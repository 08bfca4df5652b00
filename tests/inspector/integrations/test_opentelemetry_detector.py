"""OpenTelemetry's own SDK finds the detector, and takes what it detects."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.inspector.captured_systems import NAMES, SYSTEMS, answer_for, holds_for_all

from envinspect.inspection import inspect
from envinspect.systems.captured import read_capture

resources = pytest.importorskip("opentelemetry.sdk.resources", reason="opentelemetry-sdk is not installed: make venv")


def attributes(name: str) -> dict[str, object]:
    from envinspect.integrations.opentelemetry_detector import attributes_of

    facts = read_capture(str(SYSTEMS / name))
    return dict(attributes_of(inspect(facts).stack, facts))


def test_the_sdk_finds_it_by_its_name() -> None:
    code = (
        "import json; from opentelemetry.sdk.resources import Resource; "
        "print(json.dumps({k: v for k, v in Resource.create().attributes.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "envinspect"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Failed" not in done.stderr
    told = json.loads(done.stdout)
    here = inspect()
    assert told["envinspect.summary"].split(";")[0] == here.summary.split(";")[0]  # the roles come and go
    assert told["envinspect.layers"] == [layer.id for layer in here.stack.layers]


def test_the_sdk_takes_every_attribute_of_every_system() -> None:
    """It drops, with a warning, what is of a type that it does not know."""

    def law(name: str) -> None:
        told = attributes(name)
        taken = dict(resources.Resource(told).attributes)
        assert {key: list(value) if isinstance(value, tuple) else value for key, value in taken.items()} == told
        assert told["envinspect.determined"] is answer_for(name).stack.determined
        assert None not in told.values()

    assert NAMES
    holds_for_all(law)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("azure", {"cloud.provider": "azure", "cloud.platform": "azure.vm", "host.arch": "amd64"}),
        ("bare-metal-server", {"cloud.provider": None, "cloud.platform": None, "container.id": None}),
    ],
)
def test_the_names_and_values_are_those_of_the_conventions(system: str, expected: dict[str, str | None]) -> None:
    told = attributes(system)
    assert {key: told.get(key) for key in expected} == expected


def test_no_value_that_the_conventions_know_is_spelt_otherwise() -> None:
    cloud = pytest.importorskip("opentelemetry.semconv._incubating.attributes.cloud_attributes")
    from envinspect.integrations import opentelemetry_detector as detector

    def values(enumeration: str) -> set[str]:
        return {value.value for value in getattr(cloud, enumeration, ())}

    assert set(detector._PROVIDERS.values()) <= values("CloudProviderValues")
    assert set(detector._MACHINES.values()) <= values("CloudPlatformValues")
