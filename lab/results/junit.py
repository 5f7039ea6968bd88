"""Check results in, junit.xml out: a testcase per check, FAIL is a failure and UNKNOWN an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from lab.check import CheckResult, Verdict

__all__ = ["junit_xml"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAGS = {Verdict.FAIL: "failure", Verdict.UNKNOWN: "error"}


def junit_xml(
    *,
    scenario: str,
    title: str,
    checks: Sequence[CheckResult],
    verdict: Verdict,
    timestamp: str,
    seconds: float,
) -> str:
    """A run without any check is one error, so that no reader takes an empty suite for a green one."""
    if not checks:
        checks = [CheckResult(name="verdict", verdict=verdict, expected="a check", observed="no check ran")]
    counts = {
        "tests": len(checks),
        "failures": sum(check.verdict is Verdict.FAIL for check in checks),
        "errors": sum(check.verdict is Verdict.UNKNOWN for check in checks),
    }
    shared = {name: str(count) for name, count in counts.items()}
    suites = ElementTree.Element("testsuites", {"name": "tailgate", **shared})
    attributes = {
        "name": scenario,
        **shared,
        "skipped": "0",
        "time": f"{seconds:.3f}",
        "timestamp": timestamp,
    }
    suite = ElementTree.SubElement(suites, "testsuite", attributes)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("title", title), ("verdict", verdict.value)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for check in checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"tailgate.{scenario}", "name": _clean(check.name), "time": "0"}
        )
        text = f"expected: {check.expected}\nobserved: {check.observed}\nevidence: {check.evidence}"
        if check.verdict in TAGS:
            message = f"expected {check.expected}, observed {check.observed}"
            found = ElementTree.SubElement(
                case, TAGS[check.verdict], {"type": check.verdict.value, "message": _clean(message)}
            )
            found.text = _clean(text)
        else:
            ElementTree.SubElement(case, "system-out").text = _clean(text)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
