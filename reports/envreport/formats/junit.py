"""junit.xml: failed starts as failures, open verdicts as skipped tests, for CI systems that read nothing else.

A contradicted claim is a finding about the world, not a defect of a build, so it passes and says so.
"""

from xml.etree import ElementTree as ET

from envreport.claims.verdict import Verdict
from envreport.document.model import ReportDocument

SKIPPED = (Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED, Verdict.NOT_TESTABLE)


def render(document: ReportDocument) -> dict[str, str]:
    """Return the file."""
    root = ET.Element("testsuites", {"name": "envbench"})
    root.append(_starts(document))
    root.append(_claims(document))
    ET.indent(root)
    return {"junit.xml": f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'}


def _starts(document: ReportDocument) -> ET.Element:
    ready = [row for row in document.summary if row.phase == "ready"]
    suite = ET.Element(
        "testsuite", {"name": "starts", "tests": str(len(ready)), "failures": str(len(document.failures))}
    )
    properties = ET.SubElement(suite, "properties")
    for warning in document.warnings:
        ET.SubElement(
            properties, "property", {"name": clean(f"warning.{warning.code}"), "value": clean(warning.message)}
        )
    failed = {name: (reason, count, total) for name, reason, count, total in document.failures}
    for row in ready:
        name = " ".join(part for part in (row.backend, row.variant, row.profile) if part)
        case = ET.SubElement(
            suite, "testcase", {"classname": "envbench.startup", "name": clean(name), "time": _seconds(row.median)}
        )
        if row.failed:
            ET.SubElement(case, "failure", {"message": f"{row.failed} of {row.n + row.failed} starts failed"})
    for name, (reason, count, total) in failed.items():
        ET.SubElement(
            properties, "property", {"name": clean(f"failed.{name}"), "value": clean(f"{count} of {total}: {reason}")}
        )
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return suite


def _claims(document: ReportDocument) -> ET.Element:
    skipped = sum(each.verdict in SKIPPED for each in document.judgements)
    total = str(len(document.judgements))
    suite = ET.Element("testsuite", {"name": "claims", "tests": total, "failures": "0", "skipped": str(skipped)})
    for each in document.judgements:
        case = ET.SubElement(
            suite, "testcase", {"classname": "envbench.claims", "name": clean(each.claim.id), "time": "0"}
        )
        figure = f"{each.figure}. " if each.figure else ""
        text = clean(f"{each.label}: {each.claim.wording}. {figure}{each.why}")
        if each.verdict in SKIPPED:
            ET.SubElement(case, "skipped", {"message": text})
        else:
            ET.SubElement(case, "system-out").text = text
    return suite


def _seconds(value_ns: float | None) -> str:
    return "0" if value_ns is None else f"{value_ns / 1e9:.6f}"


def clean(text: str) -> str:
    """Return text without the characters that XML 1.0 does not allow (W3C XML 1.0, 2.2)."""
    return "".join(
        each if each >= " " and each not in "\ufffe\uffff" and not "\ud800" <= each <= "\udfff" else " "
        for each in text
    )
