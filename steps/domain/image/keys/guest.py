"""The installed system: how it is found and logged in to, and what is done in it."""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from steps.domain.image.values import Duration, Lines, SecretSetting
from steps.domain.table import Entry
from steps.domain.table_values import wrong


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise wrong(f"{value!r} is no network", "10.0.0.0/8; 0.0.0.0/0 for any IPv4 address") from None


def _variables(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise wrong(f"{name!r} is no name of a variable", "letters, digits and '_', with no digit first")
    return value


class UploadEntry(Entry):
    """A file or a folder into the guest."""

    upload: str = Field(description="file or folder; 'x/' is what x holds")
    to: str = Field(description="path in the guest")
    mode: Annotated[str, Field(pattern=r"^0?[0-7]{3}$")] = Field("", description='its mode, "0644"; default: as here')


class ScriptEntry(Entry):
    """A script, or lines of one, run in the guest."""

    script: str | None = Field(None, description="file")
    inline: Lines = Field((), description="lines; the first that fails ends it")
    environment: Annotated[dict[str, str], AfterValidator(_variables)] = Field({}, description="variables for it")
    sudo: bool = Field(True, description="as root")
    timeout: Duration = Field(3600.0, description="after which it counts as failed")
    allowed_codes: tuple[int, ...] = Field((0,), description="exit codes that count as success")

    @model_validator(mode="after")
    def _is_one(self) -> "ScriptEntry":
        if bool(self.script) == bool(self.inline):
            raise wrong("not a step of provisioning", "{upload: FILE, to: PATH}, {script: FILE} or {inline: [LINE]}")
        return self


def _kind(value: Any) -> str:
    return "an upload" if isinstance(value, dict) and "upload" in value else "a script"


Step = Annotated[
    Annotated[UploadEntry, Tag("an upload")] | Annotated[ScriptEntry, Tag("a script")], Discriminator(_kind)
]


class GuestKeys(Entry):
    communicator: Literal["ssh", "none"] = Field("ssh", description="none: nobody logs in, and nothing is provisioned")
    ssh_username: str | None = Field(None, description="who logs in")
    ssh_password: SecretSetting | None = Field(None, description="and with what; sudo is given it too")
    ssh_private_key: SecretSetting | None = Field(None, description="in OpenSSH's or PEM format")
    ssh_port: Annotated[int, Field(ge=1, le=65535)] = Field(22, description="of the guest")
    ssh_host: str | None = Field(None, description="static address; none is waited for then")
    ssh_timeout: Duration = Field(1800.0, description="from the last key typed until somebody can log in")
    ip_wait_timeout: Duration = Field(1800.0, description="for VMware Tools to tell an address")
    ip_settle_timeout: Duration = Field(5.0, description="for which it must stay the same")
    ip_wait_address: Annotated[str, AfterValidator(_network)] = Field("0.0.0.0/0", description="network it must be of")
    provision: tuple[Step, ...] = Field((), description="uploads and scripts, in their order")
    shrink: bool = Field(True, description="make free space of the disks free for the export too")
    shutdown_command: str | None = Field(None, description="default: through VMware Tools")
    shutdown_timeout: Duration = Field(300.0, description="until the VM is off")
