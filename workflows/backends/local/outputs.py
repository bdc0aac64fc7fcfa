"""What a script leaves behind: output parameters, its result, its last words."""

from pathlib import Path
from typing import Any

from workflows.backends.local.nodes import Node
from workflows.backends.local.reading import outputs_of, outputs_root
from workflows.backends.local.templating import text_of

LONGEST_TERMINATION = 4096  # bytes, as Kubernetes keeps of a termination message
IMAGE_FILES = "/var/run/argo/outputs/parameters"  # where Argo's executor finds what the image's own folders hold
VOLUME_FILES = "/mainctrfs"  # and volumes
NO_OUTPUT = "wait: Error (exit code 64): open {path}: no such file or directory"


def take_outputs(template: dict[str, Any], node: Node, folder: Path, *, wants_result: bool) -> str:
    """Fill in the node's outputs; what Argo says of one that was not written and has no default, or ''."""
    script, missing = template["script"], ""
    for output in outputs_of(template):
        source = output["valueFrom"]
        file = folder / "outputs" / source["path"].removeprefix(outputs_root(script) + "/")
        if file.is_file():
            node.outputs[output["name"]] = _text(file).removesuffix("\n")
        elif "default" in source:
            node.outputs[output["name"]] = text_of(source["default"])
        else:
            missing = missing or NO_OUTPUT.format(path=_looked_for(script, source["path"]))
    stdout = folder / "stdout"
    if wants_result and stdout.exists():
        node.result = _text(stdout).rstrip("\n")
    return missing


def termination_message(folder: Path) -> str:
    try:
        return (folder / "termination-log").read_bytes()[-LONGEST_TERMINATION:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _looked_for(script: dict[str, Any], path: str) -> str:
    mounts = [str(mount["mountPath"]).rstrip("/") for mount in script.get("volumeMounts") or []]
    in_volume = any(path == mount or path.startswith(f"{mount}/") for mount in mounts)
    return (VOLUME_FILES if in_volume else IMAGE_FILES) + path


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="backslashreplace")
