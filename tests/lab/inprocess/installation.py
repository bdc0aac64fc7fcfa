"""What is on a server's disks: nothing, somebody's VMFS, or an installed ESXi."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def new_certificate() -> bytes:
    """Key and self-signed certificate, PEM, as ESXi makes them when it is installed: never the same twice."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost.localdomain")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=4200))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + certificate.public_bytes(encoding)


@dataclass
class Installation:
    """An ESXi on a disk. The password changes over its API, the rest stays as the installer wrote it."""

    version: str
    build: str
    password_hash: str  # $6$
    hostname: str  # with the domain, where there is one
    address: str
    netmask: str
    gateway: str
    mac: str  # of vmk0, lower case
    install_date: datetime | None  # by the server's own clock
    vlan: int = 0
    nameservers: tuple[str, ...] = ()
    certificate: bytes = field(default_factory=new_certificate)


@dataclass
class LabDisk:
    """A disk as `localcli storage core device list` and the API tell of it."""

    id: str
    vendor: str = "ATA"
    model: str = "LAB DISK"
    size_mib: int = 240 * 1024
    is_usb: bool = False
    is_local: bool = True
    has_vmfs: bool = False  # a datastore, with or without an installation
    installation: Installation | None = None
