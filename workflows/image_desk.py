"""The desk's side of image settings: their files, the environment, the secrets, and the files they refer to."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import yaml

from steps.domain.errors import ConfigError, Fault, NotFound
from steps.domain.host import DESK_SECRET
from steps.domain.image.bundle import Member, Reference, pack
from steps.domain.image.checks import Surroundings
from steps.domain.image.layers import Layers, Note
from steps.domain.image.plan import AppliancePlan, BuildPlan, SitePlan
from steps.domain.image.planning import Choices, plan_appliance, plan_build, plan_site
from steps.domain.image.reading import SettingsFile, read_settings
from steps.domain.image.references import references
from steps.domain.image.settings import Settings
from steps.domain.image.template import Around
from steps.domain.source import MAX_BYTES
from steps.domain.table import SecretEntry
from workflows.desk_secrets import DeskSecrets, Engine, opened
from workflows.image_paths import located

MOST_FILES = 10_000
GIT_WITHIN_S = 10.0


@dataclass
class ImageDesk:
    """Settings files on this machine, in the order given, and what they refer to.

    part:    which of a run's settings these are, where it has several: each has its own secrets
    members: the files of each name, found when they were planned
    notes:   what is to be known of the settings and is no fault
    """

    files: Sequence[Path]
    environment: Mapping[str, str]
    engine: Engine = "local"
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    part: str = ""
    members: dict[Reference, tuple[Member, ...]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @cached_property
    def secrets(self) -> DeskSecrets:
        """Those met so far; a file is looked for beside the settings, the last file first, then in this folder."""
        return DeskSecrets(self.folders, self.environment, self.engine)

    @cached_property
    def folders(self) -> list[Path]:
        """Where names in the settings are looked for."""
        return list(dict.fromkeys([*(file.parent for file in reversed(self.files)), Path()]))

    def plan_build(self, choices: Choices) -> BuildPlan:
        """The plan of a base image; ConfigError with every fault of the settings."""
        settings, layers = self._located("iso_url")
        plan, notes = plan_build(settings, layers, self._around, choices)
        self.notes = layers.notes + notes
        return plan

    def plan_appliance(self, choices: Choices, *, base: str = "") -> AppliancePlan:
        """The plan of an appliance; ConfigError with every fault of the settings. base: of settings that name none"""
        settings, layers = self._located("base_ova", "output_dir")
        if base and not (settings.base or settings.base_library_item or settings.base_ova):
            layers.data["base"] = base
            settings = settings.model_copy(update={"base": base})
        plan, notes = plan_appliance(settings, layers, self._around, self._described(choices))
        self.notes = layers.notes + notes
        return plan

    def plan_site(self) -> SitePlan:
        """Where they say that builds happen; ConfigError with the faults of that."""
        return plan_site(*self._settings, self._around)

    @property
    def text(self) -> str:
        """The settings as a workflow's parameter, once they were planned: filled in, secrets by reference."""
        data = {key: value for key, value in self._settings[1].data.items() if key != "variables"}
        kept = {
            key: self._kept(key).model_dump(exclude_none=True)
            for key in data
            if self._kept(key).ref in self.secrets.texts
        }
        dumped: str = yaml.dump(data | kept, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        return dumped.replace("{{", "{\\x7B")

    def write_bundle(self, target: BinaryIO | None = None) -> str:
        """Write all files that the settings refer to, and return the bundle's SHA-256; "" if there are none."""
        members = [member for found in self.members.values() for member in found]
        return pack(members, target) if members else ""

    @cached_property
    def _settings(self) -> tuple[Settings, Layers]:
        contents = [SettingsFile(str(file), _content(file)) for file in self.files]
        settings, layers = read_settings(contents, Around(self.now, self.environment, str(Path.cwd())))
        if settings.files:
            raise ConfigError([layers.fault(("files",), "files is set by hera alone", "leave it out", key=True)])
        for reference in references(settings):
            if found := tuple(self._found(reference)):
                self.members[reference] = found
        try:
            bundle = self.write_bundle()
        except OSError as error:
            hint = "let whoever runs this read it"
            raise ConfigError([Fault(str(error.filename), 0, 0, f"cannot be read: {error.strerror}", hint)]) from error
        if bundle:
            layers.data["files"] = bundle
            settings = settings.model_copy(update={"files": bundle})
        return settings, layers

    def _located(self, *keys: str) -> tuple[Settings, Layers]:
        """The settings with these paths as the run finds them."""
        settings, layers = self._settings
        return located(settings, layers, keys, folders=self.folders, engine=self.engine), layers

    @property
    def _around(self) -> Surroundings:
        return Surroundings(read_secret=self.secrets.read, keep_secret=self._keep_secret, check_files=self._check_files)

    def _keep_secret(self, key: str, text: str) -> SecretEntry:
        entry = self._kept(key)
        self.secrets.keep(entry, text)
        return entry

    def _kept(self, key: str) -> SecretEntry:
        """How a secret is referred to that stood in a file."""
        return SecretEntry(secret=DESK_SECRET, key=".".join(["setting", *filter(None, [self.part]), key]))

    def _check_files(self, name: str) -> None:
        if not any(reference.name == name for reference in self.members):
            places = ", ".join(str(folder) for folder in self.folders)
            raise NotFound(f"there is no {name!r}", hint=f"it is looked for in {places}")

    def _found(self, reference: Reference) -> Iterator[Member]:
        """Every file that the name means, in the first folder that has any."""
        for folder in self.folders:
            paths = sorted(folder.glob(reference.name)) if _is_pattern(reference.name) else [folder / reference.name]
            members = [member for path in paths for member in _members(path, reference)]
            if members:
                yield from members[:MOST_FILES]
                return

    def _described(self, choices: Choices) -> Choices:
        return choices if choices.version else Choices(choices.on_error, choices.force, git_describe(self.folders[0]))


class _Dumper(yaml.SafeDumper):
    """Texts with two braces in double quotes, where one can be written as an escape: Argo takes them for its own."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "{{" in text else None)


_Dumper.add_representer(str, _text_node)


def git_describe(folder: Path) -> str:
    """The version of what lies in this folder, as `git describe` tells it; "" outside of a repository."""
    command = ["git", "-C", str(folder), "describe", "--tags", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _members(path: Path, reference: Reference) -> Iterator[Member]:
    """The file, or those below the folder; none of a device or a pipe."""
    if path.is_file():
        yield Member(reference, path.name, path)
        return
    root = path if reference.inside or reference.name.endswith("/") else path.parent
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield Member(reference, file.relative_to(root).as_posix(), file)


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[") and not Path(name).is_absolute()


def _content(file: Path) -> bytes:
    try:
        with opened(file) as content:
            return content.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "give the path of a settings file; see docs/image-settings.md"
        raise ConfigError([Fault(str(file), 0, 0, f"cannot be read: {error.strerror}", hint)]) from error
