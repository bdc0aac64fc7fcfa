"""What an ESXi host shows of itself over the vSphere API."""

from steps.domain.host import Frozen, Moment


class EsxiSeen(Frozen):
    """What an ESXi API shows to anyone, without a login."""

    thumbprint: str  # SHA-256 of the TLS certificate (DER), lower-case hex
    product: str  # about.productLineId: "embeddedEsx" for ESXi
    version: str  # 8.0.3
    build: str  # 24022510


class EsxiFacts(Frozen):
    """What a logged-in client reads; times are the host's own clock, in UTC."""

    thumbprint: str
    version: str
    build: str
    serial: str
    uuid: str
    hostname: str
    addresses: tuple[str, ...]  # of all vmkernel NICs
    macs: tuple[str, ...]  # of all vmkernel NICs and physical NICs, lower case
    disks: tuple[str, ...]  # canonical names of the disks ESXi sees
    system_disks: tuple[str, ...]  # those that hold a VMFS or OSDATA volume; empty where the API names none
    install_date: Moment | None
    boot_time: Moment | None
    now: Moment  # the host's clock at the moment of reading
