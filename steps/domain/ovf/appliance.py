"""Everything an OVF descriptor says of an appliance, except for what is known only when its disks are written."""

import re
from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from steps.domain.host import Frozen
from steps.domain.ovf.guest import cim_id
from steps.domain.ovf.hardware import Hardware
from steps.domain.ovf.text import Text

PropertyType = Literal[
    "string",
    "boolean",
    "uint8",
    "sint8",
    "uint16",
    "sint16",
    "uint32",
    "sint32",
    "uint64",
    "sint64",
    "real32",
    "real64",
]

# A file's name in a manifest, a tar header and a URL, on every system
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class Setting(Frozen):
    """A key and its value for vSphere alone; others leave it out."""

    key: Annotated[Text, StringConstraints(min_length=1)]
    value: Text


class Network(Frozen):
    name: Annotated[Text, StringConstraints(min_length=1)]
    description: Text = ""


class OperatingSystem(Frozen):
    """The guest, by vSphere's id of it ("centos7_64Guest")."""

    guest_id: Annotated[str, StringConstraints(pattern=r"^\w+$", max_length=80)]
    version: Text = ""
    description: Text = ""

    @property
    def cim_id(self) -> int:
        return cim_id(self.guest_id)


class Property(Frozen):
    """A value which whoever imports the appliance may give, and the guest reads at its first boot."""

    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w-]*$", max_length=250)]  # "." and ":" are forbidden
    type: PropertyType = "string"
    default: Text = ""
    label: Text = ""
    description: Text = ""
    qualifiers: Text = ""  # ovf:qualifiers, e.g. 'MinLen(1) ValueMap{"dhcp", "static"}'
    vmware_qualifiers: Text = ""  # vmw:qualifiers, e.g. "Ip": vSphere's client asks for an address then
    category: Text = ""  # the heading it stands under
    user_configurable: bool = True
    password: bool = False

    @model_validator(mode="after")
    def _default_is_of_its_type(self) -> Self:
        if self.default and not _is_of_type(self.default, self.type):
            raise ValueError(f"property {self.key}: its default is no {self.type}")
        return self


def _is_of_type(text: str, kind: PropertyType) -> bool:
    if kind == "boolean":
        return text.lower() in ("true", "false")
    if kind.startswith("real"):
        return bool(re.fullmatch(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", text, re.ASCII))
    if "int" not in kind:
        return True
    if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII):
        return False
    bits = int(kind.partition("int")[2])
    low, high = (0, 2**bits) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return bool(low <= int(text) < high)


class Product(Frozen):
    """The product section. `class_id` and `instance_id` become part of the properties' keys in the guest."""

    name: Text = ""
    vendor: Text = ""
    version: Text = ""
    full_version: Text = ""
    product_url: Text = ""
    vendor_url: Text = ""
    app_url: Text = ""  # "http://${ip}/": shown as the appliance's page
    class_id: Annotated[str, StringConstraints(pattern=r"^[\w.-]*$", max_length=250)] = ""
    instance_id: Annotated[str, StringConstraints(pattern=r"^[\w.-]*$", max_length=250)] = ""
    properties: tuple[Property, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({each.key for each in self.properties}) != len(self.properties):
            raise ValueError("two properties have the same key")
        return self


class Appliance(Frozen):
    """One virtual machine as an OVF package. Its files are called after it: NAME.ovf, NAME.mf, NAME-disk1.vmdk."""

    name: Name
    networks: tuple[Network, ...] = ()
    hardware: Hardware
    operating_system: OperatingSystem
    product: Product | None = None
    annotation: Text = ""
    eulas: tuple[Text, ...] = ()
    transports: tuple[Literal["com.vmware.guestInfo", "iso"], ...] = ("com.vmware.guestInfo",)
    config: tuple[Setting, ...] = ()  # vmw:Config, e.g. cpuHotAddEnabled
    extra_config: tuple[Setting, ...] = ()  # vmw:ExtraConfig, e.g. guestinfo.* and disk.EnableUUID

    @property
    def descriptor_file(self) -> str:
        return f"{self.name}.ovf"

    @property
    def manifest_file(self) -> str:
        return f"{self.name}.mf"

    @property
    def disk_files(self) -> dict[str, str]:
        """The file of each disk by the disk's id, in the order of the archive."""
        return {disk.id: f"{self.name}-disk{n}.vmdk" for n, disk in enumerate(self.hardware.ordered_disks, 1)}

    @model_validator(mode="after")
    def _networks_exist(self) -> Self:
        names = [network.name for network in self.networks]
        if len(set(names)) != len(names):
            raise ValueError("two networks have the same name")
        for nic in self.hardware.nics:
            if nic.network not in names:
                raise ValueError(f"a network adapter is in {nic.network!r}, which is not among the networks")
        return self
