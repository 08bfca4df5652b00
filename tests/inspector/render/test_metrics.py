"""The forms that monitoring reads: what their own parsers take in is what the answer says (programs: tests/e2e)."""

from __future__ import annotations

import re

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from tests.inspector.captured_systems import answer_for, holds_for_all

from envinspect.render import render
from envinspect.render.prometheus import Family, lines

LABEL = re.compile(r"[a-z0-9-]{1,63}=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def test_both_formats_say_of_every_system_what_was_found() -> None:
    def law(name: str) -> None:
        found = answer_for(name)
        stack = found.stack
        for form, parse in (("prometheus", prometheus), ("openmetrics", open_metrics)):
            samples = [one for family in parse(render(form, found).text) for one in family.samples]
            told = [one.labels["id"] for one in samples if one.name == "envinspect_layer_info"]
            assert told == [layer.id for layer in stack.layers]
            values = {one.name: one.value for one in samples}
            assert values["envinspect_determined"] == stack.determined
            assert values.get("envinspect_bare_metal") == (stack.bare_metal if stack.determined else None)
            (info,) = (one for one in samples if one.name == "envinspect_info")
            assert info.labels["summary"] == found.summary

    holds_for_all(law)


def test_no_text_breaks_out_of_its_label() -> None:
    hostile = 'a "quoted\\ word", {curly} \n and é'
    family = Family("envinspect", "About.", (({"summary": hostile}, 1),), is_info=True)
    (parsed,) = open_metrics(lines(family, open_metrics=True) + "# EOF\n")
    assert parsed.samples[0].labels == {"summary": hostile}
    (plain,) = prometheus(lines(family, open_metrics=False))
    assert plain.samples[0].labels == {"summary": hostile}


def test_every_line_of_every_feature_file_is_a_label_that_kubernetes_takes() -> None:
    def law(name: str) -> None:
        found = answer_for(name)
        told = render("nfd", found).text.splitlines()
        assert all(LABEL.fullmatch(line) for line in told), told
        labels = dict(line.split("=") for line in told)
        assert labels["envinspect-determined"] == str(found.stack.determined).lower()
        assert labels.get("envinspect-stack", "") == ".".join(layer.id for layer in found.stack.layers)

    holds_for_all(law)
