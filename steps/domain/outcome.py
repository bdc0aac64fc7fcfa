"""What became of one host, read from its Workflow as Argo leaves it.

Nothing is taken for granted of the object: a report must come out of a half-written or foreign one as well.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from steps.domain.children import HOST_LABEL
from steps.domain.errors import ConfigError
from steps.domain.host import Frozen

HostPhase = Literal["Succeeded", "Failed", "Error", "Stopped", "Running", "not started"]

BAD = ("Failed", "Error")
EVIDENCE = ("evidence", "proof", "action")  # outputs which tell what a stage found or did, the most telling first
MAX_TEXT = 8000  # Kubernetes keeps 4096 bytes of a termination message
SEE_LOG = "see the log of this step"
HINTS: dict[int | None, str] = {  # for exit codes whose message has none of its own
    ConfigError.exit_code: "correct the lines named",
    70: "this is a defect of herasphere: report it with the log of this step",
}
EXIT_TERMINATED = (137, 143)  # killed by SIGKILL or SIGTERM

_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # nor allowed in XML 1.0
_EXIT = re.compile(
    r"(?:[\w.-]+: )?(?P<reason>[A-Z]\w*) \(exit code (?P<code>[0-9]{1,9})\)(?::\s?(?P<text>.*))?", re.DOTALL
)
_HINT = re.compile(r"(?P<what>.*) \(hint: (?P<hint>.*?)\)?", re.DOTALL)
_ATTEMPT = re.compile(r"(?P<stage>.*)\((?P<number>[0-9]{1,9})\)", re.DOTALL)
_STOPPED = re.compile(r"stopped with strategy|workflow shutdown with strategy", re.IGNORECASE)
_EMPTY_TALK = re.compile(  # Argo's own words about a node whose pod tells the cause
    r"child '.*' failed|retryStrategy\.expression evaluated to false|No more retries left|"
    r"Backoff would exceed max duration limit|Max duration limit exceeded",
    re.IGNORECASE,
)


class Failure(Frozen):
    """Why a stage failed: what happened, with which thing, and the next move.

    exit_code: of the step; None where it had none (a deleted pod)
    """

    stage: str
    what: str
    where: str = ""
    hint: str = SEE_LOG
    exit_code: int | None = None


class Stage(Frozen):
    """One step of a host's workflow.

    phase:   Argo's, or Stopped when somebody stopped the run in the middle of it
    retried: what the attempts before the last one said
    """

    name: str
    phase: str
    started: datetime | None = None
    finished: datetime | None = None
    attempts: int = 1
    message: str = ""
    retried: tuple[str, ...] = ()
    evidence: str = ""


class HostOutcome(Frozen):
    """How one host came out of the run. Failures are in the order of time: that of the clean-up comes last."""

    name: str
    phase: HostPhase
    address: str = ""
    serial: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    stages: tuple[Stage, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def proof(self) -> str:
        """Why the host counts as verified."""
        return next((stage.evidence for stage in self.stages if stage.name == "verify" and stage.evidence), "")


def outcome_of(workflow: Mapping[str, Any]) -> HostOutcome:
    """The host's outcome, read from its install-host Workflow."""
    metadata, status = mapping(workflow.get("metadata")), mapping(workflow.get("status"))
    name = text(mapping(metadata.get("labels")).get(HOST_LABEL)) or text(metadata.get("name")) or "(without a name)"
    nodes = [mapping(node) for node in mapping(status.get("nodes")).values()]
    is_stopped = bool(_STOPPED.match(text(status.get("message")))) or bool(
        mapping(workflow.get("spec")).get("shutdown")
    )
    stages = _stages(nodes, is_stopped)
    failures = tuple(failure_of(stage.name, stage.message, name) for stage in stages if stage.phase in BAD)
    phase = _phase(text(status.get("phase")), is_stopped and not failures)
    if phase in BAD and not failures:
        failures = (failure_of("workflow", text(status.get("message")), name),)
    planned = _planned(workflow)
    return HostOutcome(
        name=name,
        phase=phase,
        address=text(mapping(planned.get("network")).get("address")),
        serial=text(planned.get("serial")),
        started=time(status.get("startedAt")),
        finished=time(status.get("finishedAt")),
        stages=stages,
        failures=failures,
    )


def failure_of(stage: str, message: str, host: str = "") -> Failure:
    """Take a node's message apart: `main: Error (exit code 13): esx01, BMC 10.0.0.1: what (hint: next move)`."""
    said, code = message.strip(), None
    if found := _EXIT.fullmatch(said):
        reason, code, said = found["reason"], int(found["code"]), (found["text"] or "").strip()
        if reason != "Error":  # OOMKilled
            said = f"{reason}: {said}" if said else reason
    hint = HINTS.get(code, SEE_LOG)
    if found := _HINT.fullmatch(said):
        said, hint = found["what"], found["hint"].strip() or hint
    where, colon, what = said.partition(": ")
    if not (host and colon and (where == host or where.startswith(f"{host},"))):
        where, what = "", said
    nothing = "ended without a word" if code is None else f"ended with exit code {code} and without a word"
    return Failure(stage=stage, what=what.strip() or nothing, where=where, hint=hint, exit_code=code)


def is_empty_talk(message: str) -> bool:
    """Whether a node's message only says that something below it failed."""
    return not message.strip() or bool(_EMPTY_TALK.fullmatch(message.strip()))


def text(value: Any) -> str:
    """The value as text that every format can hold; '' for what is no text."""
    if not isinstance(value, str):
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
    clean = _NOT_TEXT.sub("\ufffd", value.replace("\r\n", "\n"))
    return clean if len(clean) <= MAX_TEXT else clean[:MAX_TEXT] + "…"


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def time(value: Any) -> datetime | None:
    """The moment an RFC 3339 text names; None for no such text, and for Go's zero time."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo and moment.year > 1 else None
    except (TypeError, ValueError, OverflowError):
        return None


def template_of(node: Mapping[str, Any]) -> str:
    """A node's template; where Argo does not say it, the step's name without item and attempt."""
    return text(node.get("templateName")) or re.sub(r"\(.*\)$", "", text(node.get("displayName"))) or "(without a name)"


def _phase(phase: str, was_stopped: bool) -> HostPhase:
    if phase == "Succeeded":
        return "Succeeded"
    if phase in BAD:
        return "Stopped" if was_stopped else "Error" if phase == "Error" else "Failed"
    return "Running"


def _stages(nodes: list[Mapping[str, Any]], is_stopped: bool) -> tuple[Stage, ...]:
    """Retry nodes with their pods as attempts, and the pods that have no Retry node, in the order they ran."""
    attempts: dict[str, dict[int, Mapping[str, Any]]] = {
        text(node.get("name")): {} for node in nodes if node.get("type") == "Retry"
    }
    stages = [node for node in nodes if node.get("type") == "Retry"]
    for pod in (node for node in nodes if node.get("type") == "Pod"):
        found = _ATTEMPT.fullmatch(text(pod.get("name")))
        if found and found["stage"] in attempts:
            attempts[found["stage"]][int(found["number"])] = pod
        else:
            stages.append(pod)
    made = (_stage(node, attempts.get(text(node.get("name")), {}), is_stopped) for node in sorted(stages, key=_order))
    return tuple(made)


def _order(node: Mapping[str, Any]) -> tuple[bool, bool, str, list[int], str]:
    """Clean-up last; then by time, which Argo counts in whole seconds, and by place in the steps."""
    name, started = text(node.get("name")), time(node.get("startedAt"))
    places = [int(place) for place in re.findall(r"\[([0-9]{1,9})\]", name)]
    return ".onExit" in name, started is None, started.isoformat() if started else "", places, name


def _stage(node: Mapping[str, Any], attempts: Mapping[int, Mapping[str, Any]], is_stopped: bool) -> Stage:
    pods = [attempts[number] for number in sorted(attempts)]
    messages = [text(pod.get("message")).strip() for pod in pods]
    own = text(node.get("message")).strip()
    phase = text(node.get("phase")) or "Pending"
    last = messages[-1] if messages else ""
    message = last or ("" if is_empty_talk(own) else own)
    if phase in BAD and is_stopped and _was_stopped(own, message):
        phase = "Stopped"
    return Stage(
        name=template_of(node),
        phase=phase,
        started=time(node.get("startedAt")),
        finished=time(node.get("finishedAt")),
        attempts=max(1, len(pods)),
        message=message,
        retried=tuple(message or "no message" for message in messages[:-1]),
        evidence=_evidence([node, *reversed(pods[-1:])]),
    )


def _was_stopped(own: str, message: str) -> bool:
    found = _EXIT.fullmatch(message)
    by_signal = found is not None and int(found["code"]) in EXIT_TERMINATED
    return by_signal or bool(_STOPPED.match(message)) or (not message and bool(_STOPPED.match(own)))


def _evidence(nodes: list[Mapping[str, Any]]) -> str:
    for node in nodes:
        parameters = mapping(node.get("outputs")).get("parameters")
        given = [mapping(entry) for entry in parameters] if isinstance(parameters, list) else []
        values = {text(entry.get("name")): text(entry.get("value")) for entry in given}
        for name in EVIDENCE:
            if values.get(name):
                return f"action: {values[name]}" if name == "action" else values[name]
    return ""


def _planned(workflow: Mapping[str, Any]) -> Mapping[str, Any]:
    """The host as the plan describes it: the workflow's argument `host`."""
    parameters = mapping(mapping(workflow.get("spec")).get("arguments")).get("parameters")
    for entry in parameters if isinstance(parameters, list) else []:
        if mapping(entry).get("name") == "host":
            try:
                return mapping(json.loads(mapping(entry).get("value", "")))
            except (TypeError, ValueError, RecursionError):
                return {}
    return {}
