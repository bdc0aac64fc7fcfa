"""What a build will do, frozen and without secrets: what `hera plan` prints and the steps are given."""

from hashlib import sha256
from typing import Literal

from steps.domain.host import Frozen, SecretRef
from steps.domain.image.values import ChecksumKind
from steps.domain.ovf import Hardware, Product

OnError = Literal["cleanup", "keep"]
Provisioning = Literal["thin", "thick", "eager"]
ANY_NETWORK = "0.0.0.0/0"
CLAIM = "pvc:"


class VCenterAt(Frozen):
    """How to reach a vCenter. server: host or host:port"""

    server: str
    username: SecretRef
    password: SecretRef
    insecure: bool = False
    ca: SecretRef | None = None


class Place(Frozen):
    """Where in the inventory. Empty: the only one there is, or the root of what is above it."""

    datacenter: str = ""
    cluster: str = ""
    host: str = ""
    resource_pool: str = ""
    folder: str = ""
    datastore: str


class SitePlan(Frozen):
    """Where builds happen, and on which networks: what `hera doctor --vcenter` looks at."""

    vcenter: VCenterAt
    place: Place
    networks: tuple[str, ...]


class Machine(Frozen):
    """The VM to be made. provisioning: of each disk, in the order of hardware.disks"""

    guest_id: str
    hardware: Hardware
    provisioning: tuple[Provisioning, ...]
    notes: str = ""
    extra_config: dict[str, str] = {}
    nested_hv: bool = False
    cpu_hot_add: bool = False
    memory_hot_add: bool = False


class IsoSource(Frozen):
    """The installer's ISO: at URLs of which the first that works is taken, or in a datastore already.

    digest: hex, in lower case; empty if its checksum is not known
    """

    urls: tuple[str, ...] = ()
    name: str
    datastore_path: str = ""
    checksum: ChecksumKind = "sha256"
    digest: str = ""

    @property
    def sum(self) -> str:
        """KIND:HEX; empty if it is not known"""
        return f"{self.checksum}:{self.digest}" if self.digest else ""


class Kickstart(Frozen):
    """What reaches the installer, and how. All names are those in the settings; their files are in the bundle."""

    bundle: str = ""  # its SHA-256
    floppy: tuple[str, ...] = ()
    floppy_label: str = ""
    cd: tuple[str, ...] = ()
    cd_label: str = ""
    http: str = ""


class Boot(Frozen):
    """What is typed. Empty: nothing, the installer finds its way by itself."""

    command: tuple[str, ...] = ()
    wait_s: float
    batch_size: int
    interval_s: float


class Login(Frozen):
    """How the guest is found and logged in to. address: static; empty: as VMware Tools tell it"""

    username: str
    password: SecretRef | None = None
    private_key: SecretRef | None = None
    port: int = 22
    timeout_s: float
    address: str = ""
    address_timeout_s: float
    settle_s: float
    network: str = ANY_NETWORK


class Upload(Frozen):
    upload: str
    to: str
    mode: str = ""


class Script(Frozen):
    """A file of the bundle, or lines."""

    script: str = ""
    inline: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    sudo: bool = True
    timeout_s: float
    allowed_codes: tuple[int, ...] = (0,)


class Shutdown(Frozen):
    """command: empty: VMware Tools are asked to"""

    command: str = ""
    timeout_s: float


class Finish(Frozen):
    """What the VM is left as. snapshot: its name; empty: none"""

    snapshot: str = ""
    template: bool = False
    tags: tuple[str, ...] = ()
    custom_attributes: dict[str, str] = {}


class Guest(Frozen):
    """What is done in the installed system. login: None if nobody logs in"""

    login: Login | None
    bundle: str = ""
    steps: tuple[Upload | Script, ...] = ()
    shrink: bool = True
    shutdown: Shutdown


class BuildPlan(Frozen):
    """A base image from an ISO."""

    name: str
    vcenter: VCenterAt
    place: Place
    machine: Machine
    iso: IsoSource
    kickstart: Kickstart
    boot: Boot
    guest: Guest
    finish: Finish
    os_name: str = ""
    on_error: OnError = "cleanup"
    force: bool = False


class Base(Frozen):
    """What an appliance is made of: exactly one of vm, library_item ("LIBRARY/ITEM") and ova."""

    vm: str = ""
    snapshot: str = ""
    library_item: str = ""
    ova: str = ""
    linked: bool = True


class Resources(Frozen):
    """What the appliance has otherwise than its base; None: as the base."""

    cpus: int | None = None
    cores_per_socket: int | None = None
    memory_mib: int | None = None
    first_disk_mib: int | None = None


class S3Target(Frozen):
    endpoint: str = ""
    bucket: str
    prefix: str = ""
    region: str
    access_key: SecretRef
    secret_key: SecretRef


class LibraryTarget(Frozen):
    name: str
    item: str


class Export(Frozen):
    """The OVA, and where it goes. folder: of this machine, or CLAIM and the name of a volume: pvc:NAME/FOLDER"""

    name: str
    product: Product
    annotation: str = ""
    eulas: tuple[str, ...] = ()
    bundle: str = ""
    folder: str = ""
    s3: S3Target | None = None
    library: LibraryTarget | None = None

    @property
    def claim(self) -> str:
        """The volume claim that the folder is on; empty: it is a folder of this machine."""
        return self.folder.removeprefix(CLAIM).partition("/")[0] if self.folder.startswith(CLAIM) else ""

    @property
    def path(self) -> str:
        """The folder on its volume."""
        return self.folder.removeprefix(CLAIM).partition("/")[2] if self.claim else self.folder


class Facts(Frozen):
    """What manifest.json tells of a build besides its artifacts."""

    name: str
    version: str
    base_version: str = ""
    built_at: str
    os_name: str = ""
    iso_checksum: str = ""


class AppliancePlan(Frozen):
    """An appliance from a base image, and its OVA. network: of a base that is an OVA; empty: as the OVA names it"""

    name: str
    vcenter: VCenterAt
    place: Place
    base: Base
    network: str = ""
    resources: Resources
    property_values: dict[str, str] = {}
    guest: Guest
    finish: Finish
    export: Export | None
    facts: Facts
    on_error: OnError = "cleanup"
    force: bool = False


def digest_of(plan: BuildPlan | AppliancePlan) -> str:
    """Names the plan's content: what a person confirmed is what runs."""
    return sha256(plan.model_dump_json().encode()).hexdigest()[:16]
