"""The report as JUnit XML: a test case for each host, since a host is what passes or fails.

Class and case names are the same in every run, so that a CI server shows a host's history.
"""

from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from steps.domain.outcome import Failure, HostOutcome
from steps.domain.report import Report

HOST_CLASS = "herasphere.install-host"
RUN_CLASS = "herasphere.install-hosts"


def to_junit(report: Report) -> str:
    """Failed and stopped hosts fail, hosts not started are skipped; a run that failed by itself has its own case."""
    suite = Element("testsuite", name=report.run)
    properties = SubElement(suite, "properties")
    SubElement(properties, "property", name="herasphere.version", value=report.herasphere_version)
    for failure in report.failures:
        _fail(SubElement(suite, "testcase", classname=RUN_CLASS, name=failure.stage, time="0"), "error", [failure])
    for host in report.hosts:
        _case(suite, host)
    if report.status != "Succeeded" and not suite.findall("testcase/failure") + suite.findall("testcase/error"):
        ended = Failure(stage="run", what=f"the run ended as {report.status or 'unknown'}")
        _fail(SubElement(suite, "testcase", classname=RUN_CLASS, name="run", time="0"), "error", [ended])
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
        "time": f"{report.duration_s or 0:.3f}",
    }
    root = Element("testsuites", name="herasphere")
    root.append(suite)
    for name, value in counts.items():
        suite.set(name, str(value))
        root.set(name, str(value))
    if report.started:
        suite.set("timestamp", report.started.strftime("%Y-%m-%dT%H:%M:%S"))  # UTC; the schema has no place for a zone
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, host: HostOutcome) -> None:
    seconds = _seconds(host.started, host.finished)
    case = SubElement(suite, "testcase", classname=HOST_CLASS, name=host.name, time=f"{seconds:.3f}")
    if host.phase == "not started":
        SubElement(case, "skipped", message="not started")
    elif host.phase == "Stopped":
        stopped = Failure(stage="Stopped", what="stopped before it was verified", hint="run it again with --only")
        _fail(case, "error", [stopped])
    elif host.phase == "Running":
        running = Failure(stage="Running", what="had not come to an end when the report was written")
        _fail(case, "error", [running])
    elif host.phase != "Succeeded":
        _fail(case, "error" if host.phase == "Error" else "failure", host.failures)
    if host.stages:
        SubElement(case, "system-out").text = "\n".join(_lines(host))


def _fail(case: Element, kind: str, failures: tuple[Failure, ...] | list[Failure]) -> None:
    """One element, however many failures: of several, common readers show the first alone."""
    first = failures[0]
    element = SubElement(case, kind, message=f"{first.stage}: {first.what} (hint: {first.hint})", type=first.stage)
    blocks = [(f.stage, f.where, f.what, f"hint: {f.hint}") for f in failures]
    element.text = "\n\n".join("\n".join(line for line in block if line) for block in blocks)


def _lines(host: HostOutcome) -> list[str]:
    lines = []
    for stage in host.stages:
        seconds = f"{_seconds(stage.started, stage.finished):.0f} s"
        tries = f", {stage.attempts} attempts" if stage.attempts > 1 else ""
        evidence = f": {stage.evidence}" if stage.evidence else ""
        lines.append(f"{stage.name}: {stage.phase}, {seconds}{tries}{evidence}")
    return lines


def _seconds(started: datetime | None, finished: datetime | None) -> float:
    return max(0.0, (finished - started).total_seconds()) if started and finished else 0.0
