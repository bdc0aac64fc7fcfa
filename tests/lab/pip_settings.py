"""What pip on this machine is told about its index, as build secrets: a build has it, no layer and no argument does."""

import ast
import subprocess
import sys
from pathlib import Path

PASSED_ON = ("index-url", "extra-index-url", "no-index", "proxy", "trusted-host", "timeout", "retries")


def build_secrets(folder: Path) -> list[str]:
    """Write them into this folder, which only its owner reads, and return the options of docker, podman or buildah."""
    settings = listed_settings()
    options = []
    if chosen := {name: settings[name] for name in PASSED_ON if name in settings}:
        path = folder / "pip.conf"
        lines = (f"{name} = {value}\n" for name, value in chosen.items())
        path.write_text("[global]\n" + "".join(lines))
        options += ["--secret", f"id=pip.conf,src={path}"]
    if "cert" in settings:
        options += ["--secret", f"id=ca.crt,src={settings['cert']}"]
    return options


def listed_settings() -> dict[str, str]:
    """Option to value, as pip itself reads its files and the environment."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    return settings_of(listed.stdout)


def settings_of(listed: str) -> dict[str, str]:
    """Option to value, out of what `pip config list` prints; a value of the environment is stronger than a file's."""
    lines = sorted(listed.splitlines(), key=lambda line: line.startswith(":env:"))
    settings: dict[str, str] = {}
    for line in lines:
        key, separator, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if separator and section in ("global", "install", ":env:"):
            settings[name.removeprefix("default-")] = str(ast.literal_eval(value)).replace("\n", " ")
    return settings
