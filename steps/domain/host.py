"""One host as it travels from the plan through the workflow's parameters into each step: frozen, without secrets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

DESK_SECRET = "herasphere-desk"  # holds what env: and file: references of the table meant at the desk
MAX_NAMESERVERS = 2  # ESXi's installer takes two and drops the rest without a word

BootMode = Literal["uefi", "bios"]
Proof = Literal["fingerprint", "one-time-password"]


class Frozen(BaseModel):
    """A value: no unknown keys, never changed after it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Hera's runner writes outputs with json.dumps, which knows no dates
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(), return_type=str)]


class SecretRef(Frozen):
    """Where a step finds a secret: the file `$HERASPHERE_SECRETS/<name>/<key>`; never the secret itself."""

    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"


class Bmc(Frozen):
    """How to reach a host's BMC."""

    url: str = Field(description="scheme, host and port only, e.g. https://10.0.0.11")
    username: str
    password: SecretRef
    verify_tls: bool = True
    ca: SecretRef | None = Field(None, description="PEM bundle to verify the BMC's certificate with")

    @property
    def address(self) -> str:
        """Host and port without the scheme, as people name the BMC."""
        return self.url.split("://", 1)[1]


class Iso(Frozen):
    """An ESXi ISO, known by its content."""

    sha256: str
    name: str = Field(description="file name, ends in .iso")
    size_bytes: int
    version: str = Field(description="as ESXi's API will say it, e.g. 8.0.3")
    build: str = Field(description="build number, e.g. 24022510")


class Disk(Frozen):
    """Which disk ESXi goes on: a stable id, or a rule that must match exactly one disk of the host."""

    id: str = Field("", description="naa., eui., t10. or mpx. name")
    vendor: str = Field("", description="as the disk reports it, compared whole, case and outer blanks aside")
    model: str = ""
    min_gib: int = 0
    max_gib: int = 0

    def __str__(self) -> str:
        if self.id:
            return self.id
        words = [f"{key}={value}" for key, value in self.model_dump(exclude_defaults=True).items()]
        return "the only disk with " + ", ".join(words)


class Network(Frozen):
    """The management network of the installed host (vmk0): static, on the NIC with this MAC."""

    mac: str = Field(description="lower case, colons")
    address: str
    netmask: str
    gateway: str
    vlan: int = Field(0, description="0: untagged")
    nameservers: tuple[str, ...] = ()
    hostname: str = Field(description="fully qualified where a domain is known")


class Timeouts(Frozen):
    """How long each stage of an installation may go without new evidence before it counts as stalled."""

    boot_s: int = Field(
        1200, description="from power-on until the BMC reads the ISO: POST of a big server takes minutes"
    )
    load_s: int = Field(900, description="without a new byte of the ISO being read")
    install_s: int = Field(2700, description="from the kickstart being read until the installer says it is done")
    reboot_s: int = Field(1800, description="from then until the installed ESXi answers")


class Host(Frozen):
    """One server and what is to stand on it."""

    name: str
    serial: str
    bmc: Bmc
    boot_mode: BootMode = "uefi"
    iso: Iso
    disk: Disk
    network: Network
    root_password: SecretRef
    keyboard: str = "US Default"
    protected: bool = False
    overwrite_vmfs: bool = Field(False, description="let the installer write over a VMFS found on the chosen disk")
    proof: Proof = "fingerprint"
    timeouts: Timeouts = Timeouts()
    api: str = Field("", description="host:port where ESXi's API is reached, if not at the address itself on 443")

    @property
    def api_endpoint(self) -> tuple[str, int]:
        """Host and port of the installed ESXi's API as seen from the steps."""
        if not self.api:
            return self.network.address, 443
        host, _, port = self.api.rpartition(":")
        return host, int(port)
