"""An ESXi host over its own vSphere API, by pyvmomi: who answers, what it shows, and its root password.

pyvmomi fails on property values it does not know, so that only leaf properties are read, and each alone when reading
them together failed. Connections, certificates and errors are `esxi_line`'s.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from pyVmomi import vim, vmodl

from steps.clients.esxi_line import UNREADABLE, Line
from steps.domain.errors import HerasphereError, Unsupported
from steps.domain.esxi import EsxiFacts, EsxiSeen

HOST_ID = "ha-host"  # an ESXi's own name for itself, in every version

SERIAL_TAGS = ("ServiceTag", "SerialNumberTag")  # where hosts before 6.7, and some vendors, put the serial number
PROPERTIES = (
    "config.fileSystemVolume.mountInfo",
    "config.network.dnsConfig.domainName",
    "config.network.dnsConfig.hostName",
    "config.network.pnic",
    "config.network.vnic",
    "config.storageDevice.scsiLun",
    "configManager.imageConfigManager",
    "hardware.systemInfo.otherIdentifyingInfo",
    "hardware.systemInfo.serialNumber",
    "hardware.systemInfo.uuid",
    "runtime.bootTime",
)


def look(host: str, port: int, *, timeout_s: float = 5) -> EsxiSeen | None:
    """What an ESXi there shows to anyone; None where nothing answers as a vSphere API, or not yet.

    timeout_s: for each of connecting, the TLS handshake and the answer
    """
    line = Line(host, port, timeout_s=timeout_s)
    try:
        with line.translated():
            about = line.content().about
    except HerasphereError:
        return None
    else:
        return EsxiSeen(
            thumbprint=line.thumbprint,
            product=about.productLineId or "",
            version=about.version or "",
            build=about.build or "",
        )
    finally:
        line.close()


@contextmanager
def login(
    host: str, port: int, *, password: str, user: str = "root", thumbprint: str = "", timeout_s: float = 30
) -> Iterator["EsxiClient"]:
    """An ESXi host, logged in; logged out afterwards, whatever happened inside.

    thumbprint: SHA-256 of the one certificate accepted, lower-case hex; "" accepts any. VerifyFailed when another is
    shown, AccessDenied when the password is not accepted, Unavailable when nothing answers.
    """
    line = Line(host, port, timeout_s=timeout_s, pinned=thumbprint)
    try:
        with line.translated():
            content = line.content()
            content.sessionManager.Login(userName=user, password=password)
        try:
            yield EsxiClient(line, content)
        finally:
            with suppress(HerasphereError), line.translated():
                content.sessionManager.Logout()
    finally:
        line.close()


class EsxiClient:
    """One ESXi host, logged in; made by `login`. Not for use from several threads at once."""

    def __init__(self, line: Line, content: Any) -> None:
        self._line = line
        self._content = content

    def facts(self) -> EsxiFacts:
        """What the host shows of itself; what it does not show is "", () or None."""
        with self._line.translated():
            shown = self._read()
            installed = self._install_date(shown)
            now = self._now()  # last, so that nothing slow lies between it and what the caller compares it with
        about = self._content.about
        return EsxiFacts(
            thumbprint=self._line.thumbprint,
            version=about.version or "",
            build=about.build or "",
            serial=_serial(shown),
            uuid=(shown.get("hardware.systemInfo.uuid") or "").lower(),
            hostname=_hostname(shown),
            addresses=_addresses(shown),
            macs=_macs(shown),
            disks=_disks(shown),
            system_disks=_system_disks(shown),
            install_date=installed,
            boot_time=_utc(shown.get("runtime.bootTime")),
            now=now,
        )

    def set_root_password(self, new: str) -> None:
        """Afterwards `new` is root's password; sessions that are logged in stay so."""
        root = vim.host.LocalAccountManager.AccountSpecification(id="root", password=new)
        with self._line.translated():
            try:
                self._content.accountManager.UpdateUser(user=root)
            except (vmodl.fault.InvalidArgument, vmodl.fault.SystemError) as fault:
                raise Unsupported(
                    "ESXi does not take the new root password",
                    where=self._line.where,
                    hint="choose one that its password policy takes: 7 characters or more of 3 kinds, no word",
                ) from fault

    def _read(self) -> dict[str, Any]:
        """The values of all properties the host shows, by path."""
        try:
            return self._retrieve(PROPERTIES)
        except (*UNREADABLE, vmodl.query.InvalidProperty):
            shown: dict[str, Any] = {}
            for path in PROPERTIES:
                with suppress(*UNREADABLE, vmodl.query.InvalidProperty):
                    shown |= self._retrieve((path,))
            return shown

    def _retrieve(self, paths: tuple[str, ...]) -> dict[str, Any]:
        collector = vmodl.query.PropertyCollector
        wanted = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=vim.HostSystem(HOST_ID, self._line.stub))],
            propSet=[collector.PropertySpec(type=vim.HostSystem, pathSet=list(paths))],
        )
        result = self._content.propertyCollector.RetrievePropertiesEx(
            specSet=[wanted], options=collector.RetrieveOptions()
        )
        return {prop.name: prop.val for found in (result.objects if result else ()) for prop in found.propSet}

    def _install_date(self, shown: dict[str, Any]) -> datetime | None:
        """None where the host does not tell: before 6.5, or without the privilege Host.Config.Image."""
        image = shown.get("configManager.imageConfigManager")
        if image is None:
            return None
        try:
            return _utc(image.InstallDate())
        except (*UNREADABLE, vmodl.MethodFault):
            return None

    def _now(self) -> datetime:
        now = _utc(vim.ServiceInstance("ServiceInstance", self._line.stub).CurrentTime())
        if now is None:
            raise ValueError("no time in the answer")
        return now


def _serial(shown: dict[str, Any]) -> str:
    serial = shown.get("hardware.systemInfo.serialNumber") or ""
    if serial.strip():
        return str(serial.strip())
    tags = {
        tag.identifierType.key: tag.identifierValue
        for tag in shown.get("hardware.systemInfo.otherIdentifyingInfo") or ()
        if tag.identifierType
    }
    return next((tags[key].strip() for key in SERIAL_TAGS if (tags.get(key) or "").strip()), "")


def _hostname(shown: dict[str, Any]) -> str:
    name = shown.get("config.network.dnsConfig.hostName") or ""
    domain = shown.get("config.network.dnsConfig.domainName") or ""
    return f"{name}.{domain}" if name and domain and "." not in name else str(name)


def _addresses(shown: dict[str, Any]) -> tuple[str, ...]:
    ips = [nic.spec.ip for nic in shown.get("config.network.vnic") or () if nic.spec]
    return tuple(ip.ipAddress for ip in ips if ip and ip.ipAddress)


def _macs(shown: dict[str, Any]) -> tuple[str, ...]:
    """Each MAC once: vmk0 usually has the MAC of its physical NIC."""
    macs = [nic.spec.mac for nic in shown.get("config.network.vnic") or () if nic.spec]
    macs += [nic.mac for nic in shown.get("config.network.pnic") or ()]
    return tuple(dict.fromkeys(mac.lower() for mac in macs if mac))


def _disks(shown: dict[str, Any]) -> tuple[str, ...]:
    luns = shown.get("config.storageDevice.scsiLun") or ()
    return tuple(lun.canonicalName for lun in luns if lun.lunType == "disk" and lun.canonicalName)


def _system_disks(shown: dict[str, Any]) -> tuple[str, ...]:
    """The disks under every VMFS volume; ESX-OSData, which ESXi 7 and later boot from, is one too."""
    volumes = [mount.volume for mount in shown.get("config.fileSystemVolume.mountInfo") or ()]
    extents = [extent for volume in volumes if isinstance(volume, vim.host.VmfsVolume) for extent in volume.extent]
    return tuple(dict.fromkeys(extent.diskName for extent in extents if extent.diskName))


def _utc(moment: datetime | None) -> datetime | None:
    """ESXi means UTC also where it writes no zone."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
