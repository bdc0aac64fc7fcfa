"""Packer's provisioners as steps of ours: `file` and `shell` are taken over, of all others it is said."""

from typing import Any

Step = dict[str, Any]
LEFT_OUT = ("only", "except", "override", "pause_before", "max_retries", "timeout", "type")
SHELL = (
    "inline",
    "script",
    "scripts",
    "environment_vars",
    "env",
    "execute_command",
    "valid_exit_codes",
    "inline_shebang",
)
FILE = ("source", "sources", "destination", "direction")


def provisioning(provisioner: Any) -> tuple[list[Step], list[str]]:
    """The steps that do what a provisioner does, and what is to be said of it."""
    kind = provisioner.get("type") if isinstance(provisioner, dict) else None
    if kind == "file":
        return _file(provisioner)
    if kind == "shell":
        return _shell(provisioner)
    return [], [f"provisioner {kind or 'without type'} is not run: `file` and `shell` are"]


def _file(given: Step) -> tuple[list[Step], list[str]]:
    if given.get("direction") == "download":
        return [], ["nothing is downloaded from the guest: direction download is left out"]
    sources = [*_listed(given.get("sources")), *_listed(given.get("source"))]
    remarks = _remarks(given, FILE)
    return [{"upload": source, "to": given.get("destination", "")} for source in sources], remarks


def _shell(given: Step) -> tuple[list[Step], list[str]]:
    environment = dict(given.get("env") or {}) if isinstance(given.get("env"), dict) else {}
    for each in _listed(given.get("environment_vars")):
        name, _, value = str(each).partition("=")
        environment[name] = value
    common: Step = {"sudo": "true" if "sudo" in str(given.get("execute_command", "")) else "false"}
    if environment:
        common["environment"] = environment
    if given.get("valid_exit_codes"):
        common["allowed_codes"] = given["valid_exit_codes"]
    steps: list[Step] = []
    if given.get("inline"):
        steps.append({"inline": _listed(given["inline"]), **common})
    for script in [*_listed(given.get("script")), *_listed(given.get("scripts"))]:
        steps.append({"script": script, **common})
    remarks = _remarks(given, SHELL)
    if "inline_shebang" in given:
        remarks.append("inline_shebang is left out: lines run in /bin/sh -e")
    return steps, remarks


def _remarks(given: Step, known: tuple[str, ...]) -> list[str]:
    remarks = [f"{key} of a provisioner has no meaning here" for key in given if key not in (*known, *LEFT_OUT)]
    return remarks + [f"{key} of a provisioner is left out" for key in ("only", "except", "override") if key in given]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
