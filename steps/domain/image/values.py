"""What a single value of the settings must look like; text is converted, as Packer's var-files have nothing else."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from steps.domain.bootcommand.duration import go_duration_s
from steps.domain.table import SecretEntry
from steps.domain.table_values import wrong

ChecksumKind = Literal["md5", "sha1", "sha256", "sha512"]
DIGEST_LENGTHS: dict[ChecksumKind, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    seconds = go_duration_s(value.strip())
    if seconds is None:
        raise wrong(f"{value!r} is no duration", "a number with its unit: 15s, 1m30s, 500ms")
    return seconds


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _vm_name(value: str) -> str:
    if len(value) > 80 or not value.strip() or re.search(r"[/\\%\x00-\x1f]", value):
        raise wrong(f"{value!r} is no name for a VM", "at most 80 characters, without '/', '\\' and '%'")
    return value.strip()


def _hardware_version(value: str) -> str:
    number = value.lower().removeprefix("vmx-")
    if not re.fullmatch(r"\d{1,2}", number) or not 4 <= int(number) <= 30:
        raise wrong(f"{value!r} is no hardware version", "vmx-14, or 14")
    return f"vmx-{int(number):02}"


def _guest_id(value: str) -> str:
    if not re.fullmatch(r"\w{2,70}Guest(64)?", value, re.ASCII):
        hint = "as vSphere names it: centos7_64Guest, rhel9_64Guest, vmwarePhoton64Guest, otherGuest64"
        raise wrong(f"{value!r} is no guest id of vSphere", hint)
    return value


def _server(value: str) -> str:
    match = re.fullmatch(r"(?i:https://)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?/?(?:sdk/?)?", value)
    if not match or (match[2] and not 0 < int(match[2]) < 65536):
        raise wrong(f"{value!r} is no vCenter server", "its name or address: vcenter.example.com, or with :port")
    return f"{match[1]}:{match[2]}" if match[2] else match[1]


def _secret(value: Any) -> Any:
    """A reference, or the secret itself as Packer's files have it; the desk takes that out of the settings."""
    return value if isinstance(value, str) else SecretEntry.model_validate(value)


def _datastore_path(value: str) -> str:
    if not re.fullmatch(r"\[[^\[\]]+\] ?\S.*", value):
        raise wrong(f"{value!r} is no datastore path", "[datastore] folder/file.iso")
    return value


# The second argument is what an editor is told by the schema
Duration = Annotated[
    float, Field(ge=0, le=7 * 24 * 3600), BeforeValidator(_seconds, Annotated[float | str, Field(title="duration")])
]
Lines = Annotated[tuple[str, ...], BeforeValidator(_one_or_more, str | tuple[str, ...])]
VmName = Annotated[str, AfterValidator(_vm_name)]
HardwareVersion = Annotated[str, AfterValidator(_hardware_version)]
GuestId = Annotated[str, AfterValidator(_guest_id)]
ServerName = Annotated[str, AfterValidator(_server)]
SecretSetting = Annotated[SecretEntry | str, BeforeValidator(_secret)]
DatastorePath = Annotated[str, AfterValidator(_datastore_path)]
Firmware = Literal["bios", "efi", "efi-secure"]
NicKind = Literal["vmxnet3", "e1000", "e1000e"]
