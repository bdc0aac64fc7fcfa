"""Workflow objects of hosts, in the shape a real Argo 4 leaves them in (Retry nodes above pods, times in seconds)."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

RUN = "install-hosts-x7k2p"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TAKES_S = {
    "check-identity": 4,
    "prepare-config": 2,
    "mount-iso": 11,
    "set-boot": 16,
    "install": 640,
    "verify": 25,
}
PROOF = "ESXi 8.0.3 build 24280767: installed after the run began; certificate differs from the one before"


def at(seconds: int) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Seen:
    """One host's Workflow as it grows; stages follow each other."""

    host: str
    now_s: int = 0
    phase: str = "Succeeded"
    message: str = ""
    shutdown: str = ""
    begun_s: int = field(init=False)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begun_s = self.now_s
        self._node(self.workflow, "Steps", "install-host", "Succeeded", self.now_s, 0)

    @property
    def workflow(self) -> str:
        return f"{RUN}-{self.host}"

    def up_to(self, last: str) -> "Seen":
        """The stages up to and with this one went well."""
        for stage in TAKES_S:
            said = PROOF if stage == "verify" else f"{stage} saw what it wanted" if stage != "set-boot" else ""
            self.stage(stage, evidence=said)
            if stage == last:
                break
        return self

    def stage(self, name: str, *messages: str, phase: str = "Succeeded", evidence: str = "", own: str = "") -> "Seen":
        """messages: of the attempts; "" for one that went well. own: of the Retry node above them."""
        place = self.workflow + (".onExit[0]" if name == "eject-iso" else f"[{list(TAKES_S).index(name)}]")
        self._node(place, "StepGroup", "", phase, self.now_s, 0)
        begun_s, attempts = self.now_s, messages or ("",)
        for number, message in enumerate(attempts):
            ends = phase if number == len(attempts) - 1 else "Failed"
            pod = self._node(f"{place}.{name}({number})", "Pod", name, ends, self.now_s, TAKES_S.get(name, 8), message)
            pod["nodeFlag"] = {"retried": True}
            self.now_s += TAKES_S.get(name, 8) + 1
        retry = self._node(f"{place}.{name}", "Retry", name, phase, begun_s, self.now_s - begun_s, own)
        if evidence:
            outputs = {"parameters": [{"name": "before", "value": "{}"}, {"name": "evidence", "value": evidence}]}
            retry["outputs"] = pod["outputs"] = {**outputs, "exitCode": "0"}
        if phase != "Succeeded":
            self.phase = phase
        return self

    def ejected(self) -> "Seen":
        return self.stage("eject-iso", evidence="ISO ejected")

    def to_dict(self) -> dict[str, Any]:
        host = {"serial": "7XK2P13", "network": {"address": "10.0.1.11"}}
        return {
            "metadata": {"name": self.workflow, "labels": {"herasphere/run": RUN, "herasphere/host": self.host}},
            "spec": {
                "shutdown": self.shutdown,
                "arguments": {"parameters": [{"name": "host", "value": json.dumps(host)}]},
            },
            "status": {
                "phase": self.phase,
                "message": self.message,
                "startedAt": at(self.begun_s),
                "finishedAt": at(self.now_s),
                "nodes": dict(reversed(self.nodes.items())),  # a map: no order to rely on
            },
        }

    def _node(
        self, name: str, kind: str, template: str, phase: str, begun_s: int, takes_s: int, message: str = ""
    ) -> dict[str, Any]:
        node: dict[str, Any] = {
            "name": name,
            "displayName": name.removeprefix(self.workflow).rpartition(".")[2],
            "type": kind,
            "phase": phase,
            "startedAt": at(begun_s),
            "finishedAt": at(begun_s + takes_s),
        }
        node |= {"templateName": template} if template else {}
        node |= {"message": message} if message else {}
        self.nodes[name] = node
        return node


NOT_MOUNTED = (
    "main: Error (exit code 13): esx02, BMC 10.0.0.12: nothing is inserted after 120 s "
    "(hint: let the BMC reach http://10.0.0.2:8080 (its media port))\n"
)
BUSY = "main: Error (exit code 75): esx01, BMC 10.0.0.11: 503 Service Unavailable (hint: it passes by itself)\n"


def verified(host: str, now_s: int = 0) -> dict[str, Any]:
    return Seen(host, now_s).up_to("verify").ejected().to_dict()


def retried_twice(host: str) -> dict[str, Any]:
    seen = Seen(host).up_to("prepare-config").stage("mount-iso", BUSY, BUSY, "", evidence="inserted")
    return seen.stage("verify", evidence=PROOF).ejected().to_dict()


def failed_at_mount(host: str) -> dict[str, Any]:
    seen = Seen(host).up_to("prepare-config")
    seen.stage("mount-iso", NOT_MOUNTED, phase="Failed", own="retryStrategy.expression evaluated to false")
    return Seen.to_dict(seen.ejected())


def stalled(host: str) -> dict[str, Any]:
    said = (
        f"main: Error (exit code 13): {host}: stalled: no byte of the ISO read for 15 min (hint: look at its console)"
    )
    return Seen(host).up_to("set-boot").stage("install", said, phase="Failed").ejected().to_dict()


def stopped(host: str) -> dict[str, Any]:
    seen = Seen(host, message="Stopped with strategy 'Stop'", shutdown="Stop").up_to("set-boot")
    seen.stage("install", "workflow shutdown with strategy:  Stop", phase="Failed", own="Stopped with strategy 'Stop'")
    return seen.ejected().to_dict()
