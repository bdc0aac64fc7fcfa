"""What the values of the settings mean together: each part of a plan, with every fault at its place."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from steps.domain import bootcommand
from steps.domain.errors import ConfigError, Fault, HerasphereError
from steps.domain.host import SecretRef
from steps.domain.image.layers import Layers, Note
from steps.domain.image.plan import IsoSource, Place, VCenterAt
from steps.domain.image.settings import Settings
from steps.domain.image.values import DIGEST_LENGTHS, ChecksumKind
from steps.domain.source import Path
from steps.domain.table import SecretEntry

RUN_VARIABLES = ("HTTPIP", "HTTPPort", "Name")  # what only a run knows


@dataclass(frozen=True)
class Surroundings:
    """What settings refer to outside themselves. All raise HerasphereError for what they cannot find.

    read_secret: gives None for what cannot be read here but will be where the run happens
    keep_secret: keeps a secret that stood in the file of a key, and tells how it is referred to from now on
    check_files: looks whether the files of a name are there
    """

    read_secret: Callable[[SecretEntry], str | None]
    keep_secret: Callable[[str, str], SecretEntry]
    check_files: Callable[[str], None]


@dataclass
class Checks:
    """The settings with what is wrong with them."""

    settings: Settings
    layers: Layers
    around: Surroundings
    notes: list[Note] = field(default_factory=list)

    @property
    def faults(self) -> list[Fault]:
        """Those of single values, and those found since."""
        return self.layers.faults

    def fault(self, key: str | Path, message: str, hint: str) -> None:
        """A fault of the value at this key, unless the value was faulty by itself."""
        path: Path = (key,) if isinstance(key, str) else key
        if path[:1] not in self.layers.removed:
            self.faults.append(self.layers.fault(path, message, hint))

    def need(self, key: str, why: str) -> None:
        """A fault unless the key is given."""
        if not getattr(self.settings, key):
            self.fault(key, f"{key} is missing", why)

    def secret(self, key: str) -> SecretRef | None:
        """Where the secret of this key is found; None if it is not given."""
        given = getattr(self.settings, key)
        if given is None:
            return None
        if isinstance(given, str):
            self.note(key, f"{key} stands in a file: {{env: NAME}} or {{file: PATH}} keeps it out")
            try:
                given = self.around.keep_secret(key, given)
            except HerasphereError as error:
                self.fault(key, f"{key}: {error.what}", error.hint)
                return None
        return self.reference((key,), given)

    def reference(self, path: Path, entry: SecretEntry) -> SecretRef | None:
        """Where steps find what this refers to; None if that is a fault."""
        try:
            if self.around.read_secret(entry) == "":
                self.fault(path, f"{path[-1]}: {entry} is empty", "give the secret")
        except HerasphereError as error:
            self.fault(path, f"{path[-1]}: {error.what}", error.hint)
            return None
        return entry.ref

    def files(self, key: str | Path, names: Iterable[str]) -> tuple[str, ...]:
        """The names, each of which is looked for."""
        given = tuple(names)
        for name in given:
            try:
                self.around.check_files(name)
            except HerasphereError as error:
                self.fault(key, error.what, error.hint)
        return given

    def note(self, key: str, message: str) -> None:
        """Something to know of the value at this key."""
        source = self.layers.origin((key,))
        if source is not None:
            self.notes.append(Note(source.file, source.place((key,)).line, message))


def vcenter(check: Checks) -> VCenterAt:
    """Which vCenter."""
    settings = check.settings
    check.need("vcenter_server", "in a file, or as $VCENTER_SERVER")
    check.need("username", "in a file, or as $VCENTER_USERNAME")
    check.need("password", "by {env: NAME} or {file: PATH}, or as $VCENTER_PASSWORD")
    none = SecretRef(name="", key="")
    return VCenterAt(
        server=settings.vcenter_server or "",
        username=check.secret("username") or none,
        password=check.secret("password") or none,
        insecure=settings.insecure_connection,
        ca=check.secret("ca"),
    )


def place(check: Checks) -> Place:
    """Where in it."""
    settings = check.settings
    check.need("datastore", "the datastore that the VM's disks go to")
    if not (settings.cluster or settings.host or settings.resource_pool):
        check.fault("cluster", "it is not said where the VM runs", "give cluster, host or resource_pool")
    return Place(
        datacenter=settings.datacenter or "",
        cluster=settings.cluster or "",
        host=settings.host or "",
        resource_pool=settings.resource_pool or "",
        folder=(settings.folder or "").strip("/"),
        datastore=settings.datastore or "",
    )


def iso(check: Checks) -> IsoSource:
    """The installer's ISO, and the checksum that proves it."""
    settings = check.settings
    if bool(settings.iso_url) == bool(settings.iso_path):
        check.fault("iso_url", "not one ISO", "give iso_url, or iso_path for one that is in a datastore already")
    for index, url in enumerate(settings.iso_url):
        if "://" in url and urlsplit(url).scheme not in ("http", "https", "file"):
            check.fault(("iso_url", index), f"{url} cannot be fetched", "http://, https://, or a path")
        if urlsplit(url).password:
            check.fault(("iso_url", index), "a password stands in the URL", "serve the ISO where none is needed")
    named = settings.iso_path or next(iter(settings.iso_url), "")
    name = PurePosixPath(unquote(urlsplit(named).path if "://" in named else named)).name
    if named and not name.lower().endswith(".iso"):
        check.fault("iso_path" if settings.iso_path else "iso_url", f"{name!r} is no ISO", "a name ending in .iso")
    kind, digest = _checksum(check)
    return IsoSource(
        urls=settings.iso_url,
        name=name,
        datastore_path=settings.iso_path or "",
        checksum=kind,
        digest=digest,
    )


def _checksum(check: Checks) -> tuple[ChecksumKind, str]:
    settings = check.settings
    given = (settings.iso_checksum or "").strip().lower()
    kind: ChecksumKind = settings.iso_checksum_type or "sha256"
    if given in ("", "none"):
        if settings.iso_url and not given:
            check.fault("iso_checksum", "iso_checksum is missing", "its sha256, or none to build from whatever comes")
        return kind, ""
    prefix, colon, digest = given.rpartition(":")
    lengths = {length: name for name, length in DIGEST_LENGTHS.items()}
    if not re.fullmatch(r"[0-9a-f]+", digest) or len(digest) not in lengths:
        check.fault("iso_checksum", f"{given[:80]!r} is no checksum", "hex: 64 digits for sha256; or sha256:HEX")
        return kind, ""
    found = lengths[len(digest)]
    said = prefix if colon else settings.iso_checksum_type or found
    if said != found:
        check.fault("iso_checksum", f"a checksum of {len(digest)} digits is no {said}", f"{found} has that many")
    return found, digest


def boot_command(check: Checks) -> tuple[str, ...]:
    """What is typed: boot_command, or its three parts of the old settings."""
    settings = check.settings
    parts = [settings.boot_command_prefix, settings.boot_media_path, settings.boot_command_suffix]
    if settings.boot_command and any(parts):
        check.fault("boot_command", "the boot command is given twice", "boot_command, or its prefix, path and suffix")
    lines = settings.boot_command or (("".join(part or "" for part in parts),) if any(parts) else ())
    key = "boot_command" if settings.boot_command else "boot_command_prefix"
    for index, line in enumerate(lines):
        path: Path = (key, index) if key == "boot_command" and len(lines) > 1 else (key,)
        try:
            bootcommand.fill(line, dict.fromkeys(RUN_VARIABLES, "0"))
        except ConfigError as error:
            for fault in error.faults:
                check.fault(path, fault.message, fault.hint)
    try:
        bootcommand.parse(lines)
    except ConfigError as error:
        for fault in error.faults:
            check.fault(key, f"column {fault.column}: {fault.message}", fault.hint)
    return lines
