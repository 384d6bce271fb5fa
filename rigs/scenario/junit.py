"""The result of scenarios as JUnit XML: a suite each, a test case each step. All times are those of the rig."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rigs.driver import SECOND

if TYPE_CHECKING:
    from rigs.scenario.runner import Result, StepResult

_UNSAID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to say."""


def document(results: Iterable[Result]) -> bytes:
    """The XML, UTF-8. Results of the same seeds are the same to the octet."""
    root = ET.Element("testsuites")
    for result in results:
        root.append(_suite(result))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _suite(result: Result) -> ET.Element:
    suite = ET.Element("testsuite", name=_said(result.title), tests=str(len(result.steps)))
    suite.set("failures", str(sum(bool(step.failure) and not step.broken for step in result.steps)))
    suite.set("errors", str(sum(step.broken for step in result.steps)))
    suite.set("time", _seconds(result.ended - result.began))
    suite.set("timestamp", _instant(result.began))
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="seed", value=str(result.seed))
    suite.extend(_case(step, result) for step in result.steps)
    return suite


def _case(step: StepResult, result: Result) -> ET.Element:
    case = ET.Element("testcase", classname=_said(result.scenario.removesuffix(".toml").replace(".", "_")))
    case.set("name", _said(f"{step.number:03} {_instant(step.began)} {step.name}"))
    case.set("time", _seconds(step.ended - step.began))
    if step.failure:
        kind = "error" if step.broken else "failure"
        ET.SubElement(case, kind, message=_said(step.failure)).text = _said(step.failure)
    return case


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, SECOND)
    return f"{whole}.{rest * 1000 // SECOND:03}"


def _instant(utc: int) -> str:
    return f"{datetime.fromtimestamp(utc // SECOND, UTC):%Y-%m-%dT%H:%M:%S}"


def _said(text: str) -> str:
    return _UNSAID.sub("?", text)
