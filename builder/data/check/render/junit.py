"""Reports as JUnit XML, which CI services show: a suite for each table, a case for each rule. Pure.

A rule that was not evaluated is an error, one that is violated a failure; a rule that is told alone, or whose severity
is not that of an error, is skipped, with what was found as its message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from builder.data.check.outcome import CheckReport, Outcome, place_of, result_text
from builder.data.check.render.words import row_text

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold in any form."""


def as_junit(reports: Sequence[CheckReport]) -> str:
    """The document. It has no times, so that the same data give the same bytes."""
    root = ET.Element("testsuites", name="envbuild data check")
    for report in reports:
        for name in dict.fromkeys(outcome.table for outcome in report.outcomes):
            root.append(_suite(report, name))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: CheckReport, table: str) -> ET.Element:
    cases = [_case(report, outcome) for outcome in report.outcomes if outcome.table == table]
    suite = ET.Element("testsuite", name=_text(f"{report.contract}.{table}"), tests=str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _case(report: CheckReport, outcome: Outcome) -> ET.Element:
    name = f"{place_of(outcome)}: {outcome.text} [{outcome.id}]"
    case = ET.Element("testcase", classname=_text(f"{report.contract}.{outcome.table}"), name=_text(name))
    if outcome.status == "passed":
        return case
    message = _text(result_text(outcome))
    if outcome.status == "told" or not outcome.counts:
        ET.SubElement(case, "skipped", message=f"{outcome.severity}: {message}" if message else "")
        return case
    tag = "failure" if outcome.status == "violated" else "error"
    body = ET.SubElement(case, tag, message=message, type=_text(outcome.kind))
    place = f"{report.file.name}:{outcome.line}" if outcome.line else report.file.name
    body.text = _text("\n".join([f"{place}: {message}", *map(row_text, outcome.samples)]))
    return case


def _text(text: str) -> str:
    """Text with what XML cannot hold as its number in hexadecimal digits."""
    return _NO_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
