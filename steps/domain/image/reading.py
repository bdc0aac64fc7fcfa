"""Settings files read: YAML of ours, and Packer's var-files and templates, each as what it is.

JSON is read as YAML, whose flow style it is.
"""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steps.domain.errors import ConfigError, Fault
from steps.domain.image.layers import Layers
from steps.domain.image.packer import Imported, import_template, import_var_file, unused
from steps.domain.image.settings import Settings
from steps.domain.image.template import Around, Filler
from steps.domain.model_faults import Form, check_values, nearest
from steps.domain.source import Place, Source, read

KNOWN = frozenset(Settings.model_fields)
SECRETS = ("username", "password", "ssh_password", "ssh_private_key")
FORM = Form(Settings, "a settings file", see="docs/image-settings.md", keys="it is a list of keys with their values")
ENVIRONMENT = {"VCENTER_SERVER": "vcenter_server", "VCENTER_USERNAME": "username", "VCENTER_PASSWORD": "password"}


@dataclass(frozen=True)
class SettingsFile:
    """A file's name, as faults are to name it, and what it holds."""

    name: str
    content: bytes


def read_settings(files: Sequence[SettingsFile], around: Around) -> tuple[Settings, Layers]:
    """What the files say together, later ones over earlier ones; values of the environment over them all.

    In the layers are the notes and the faults of single values, which are left out of the settings; ConfigError only
    for what cannot be read at all.
    """
    layers, var_files = _merged(files)
    layers.add(_environment(around.environment))
    filler = Filler(layers, around)
    for key in SECRETS:  # {{env `X`}} of Packer's files is a reference, so that its value gets into no settings
        if variable := filler.variable_of(layers.data.get(key)):
            layers.data[key] = {"env": variable}
    layers.data = {
        key: filler.fill(value, (key,), layers.faults) if key != "variables" else value
        for key, value in layers.data.items()
        if value != ""  # as Packer's files say that a key is not given
    }
    settings, wrong, layers.removed = check_values(layers, FORM)
    layers.faults += wrong
    for source in var_files:
        for name in unused(source.data, filler.used, KNOWN):
            near = nearest(name, sorted(KNOWN))
            meant = f" (did you mean {near}?)" if near else ""
            layers.note(source, (name,), f"{name} has no meaning here, and no {{{{user}}}} asks for it{meant}")
    if settings is None:
        raise ConfigError(sorted(set(layers.faults)))
    return settings, layers


def _merged(files: Sequence[SettingsFile]) -> tuple[Layers, list[Source]]:
    """The files over each other, and those that are var-files.

    A template's builder lies over them all, as var-files are only what it refers to.
    """
    layers = Layers()
    var_files: list[Source] = []
    imported: list[Imported] = []
    defaults: dict[str, str] = {}
    for file in files:
        source = _read(file)
        layers.file = file.name  # where what is missing is told
        if not isinstance(source.data, dict):
            layers.add(source)
            continue
        is_template = "builders" in source.data
        if not is_template and not _is_json(file.content):
            layers.variables |= _texts(source.data.get("variables")) | _texts(source.data)
            layers.add(source)
            continue
        made = (import_template if is_template else import_var_file)(source, KNOWN)
        for path, remark in made.remarks:
            layers.note(source, path, remark)
        if made.settings is not None:
            layers.variables |= made.variables
            layers.add(made.settings)
            var_files.append(source)
        else:
            defaults |= made.variables
        imported.append(made)
    layers.variables = defaults | layers.variables
    for made in imported:
        if made.builder is not None:
            layers.add(made.builder)
    return layers, var_files


def _read(file: SettingsFile) -> Source:
    if file.name.endswith((".hcl", ".hcl.json")):
        hint = "write its values as YAML (docs/image-settings.md), or give the JSON template it was made of"
        raise ConfigError([Fault(file.name, 1, 1, "Packer's HCL is not read", hint)])
    content = file.content
    return read(content.replace(b"\t", b" ") if _is_json(content) else content, file.name)  # YAML forbids tabs there


def _is_json(content: bytes) -> bool:
    return content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _texts(data: object) -> dict[str, str]:
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _environment(environment: Mapping[str, str]) -> Source:
    """The variables that win over the files. The user name and the password are taken by reference."""
    given = {key: name for name, key in ENVIRONMENT.items() if environment.get(name)}
    data = {key: environment[name] if key == "vcenter_server" else {"env": name} for key, name in given.items()}
    return Source("environment", data, values={(key,): Place(0, 0) for key in data})
