"""What an installed ESXi shows over its API: the objects and properties, made of the disk's record and the hardware."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyVmomi import vim, vmodl

from tests.lab.inprocess.installation import Installation, LabDisk


@dataclass(frozen=True)
class Hardware:
    """What ESXi finds in the server it runs on."""

    serial: str
    uuid: str
    manufacturer: str
    model: str
    macs: tuple[str, ...]
    disks: tuple[LabDisk, ...]


def about(installation: Installation) -> Any:
    version, build = installation.version, installation.build
    return vim.AboutInfo(
        name="VMware ESXi",
        fullName=f"VMware ESXi {version} build-{build}",
        vendor="VMware, Inc.",
        version=version,
        build=build,
        localeVersion="INTL",
        localeBuild="000",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion=f"{version}.0" if int(version.split(".")[0]) >= 7 else ".".join(version.split(".")[:2]),
        licenseProductName="VMware ESX Server",
        licenseProductVersion=f"{version.split('.')[0]}.0",
    )


def service_content(installation: Installation) -> Any:
    return vim.ServiceInstanceContent(
        rootFolder=vim.Folder("ha-folder-root"),
        propertyCollector=vmodl.query.PropertyCollector("ha-property-collector"),
        viewManager=vim.view.ViewManager("ViewManager"),
        about=about(installation),
        sessionManager=vim.SessionManager("ha-sessionmgr"),
        accountManager=vim.host.LocalAccountManager("ha-localacctmgr"),
    )


def host_properties(installation: Installation, hardware: Hardware, boot_time: datetime) -> dict[str, Any]:
    """The host's properties by path; those a real ESXi leaves unset are missing."""
    short, _, domain = installation.hostname.partition(".")
    product = about(installation)
    return {
        "name": installation.hostname,
        "summary.config.product.version": product.version,
        "summary.config.product.build": product.build,
        "config.product.version": product.version,
        "config.product.build": product.build,
        "config.network.dnsConfig.hostName": short,
        "config.network.dnsConfig.domainName": domain,
        "config.network.vnic": vim.host.VirtualNic.Array([_vmk0(installation)]),
        "config.network.pnic": vim.host.PhysicalNic.Array([_pnic(n, mac) for n, mac in enumerate(hardware.macs)]),
        "config.storageDevice.scsiLun": vim.host.ScsiLun.Array([_lun(disk) for disk in hardware.disks] + [_cdrom()]),
        "config.fileSystemVolume.mountInfo": vim.host.FileSystemMountInfo.Array(_mounts(hardware.disks)),
        "configManager.imageConfigManager": vim.host.ImageConfigManager("ha-image-config-manager"),
        "hardware.systemInfo.vendor": hardware.manufacturer,
        "hardware.systemInfo.model": hardware.model,
        "hardware.systemInfo.uuid": hardware.uuid,
        "hardware.systemInfo.serialNumber": hardware.serial,
        "hardware.systemInfo.otherIdentifyingInfo": vim.host.SystemIdentificationInfo.Array(
            [_tag("AssetTag", "unknown"), _tag("ServiceTag", hardware.serial)]
        ),
        "runtime.bootTime": boot_time,
    }


def _tag(key: str, value: str) -> Any:
    kind = vim.ElementDescription(key=key, label=key, summary=key)
    return vim.host.SystemIdentificationInfo(identifierValue=value, identifierType=kind)


def _vmk0(installation: Installation) -> Any:
    ip = vim.host.IpConfig(dhcp=False, ipAddress=installation.address, subnetMask=installation.netmask)
    return vim.host.VirtualNic(
        device="vmk0",
        key="key-vim.host.VirtualNic-vmk0",
        portgroup="Management Network",
        spec=vim.host.VirtualNic.Specification(ip=ip, mac=installation.mac, mtu=1500),
    )


def _pnic(number: int, mac: str) -> Any:
    return vim.host.PhysicalNic(
        key=f"key-vim.host.PhysicalNic-vmnic{number}",
        device=f"vmnic{number}",
        pci=f"0000:00:{number + 2:02x}.0",
        driver="ixgben",
        spec=vim.host.PhysicalNic.Specification(),
        wakeOnLanSupported=False,
        mac=mac,
    )


def _lun(disk: LabDisk) -> Any:
    return vim.host.ScsiDisk(
        deviceName=f"/vmfs/devices/disks/{disk.id}",
        deviceType="disk",
        key=f"key-vim.host.ScsiDisk-{disk.id}",
        uuid=f"0200000000{disk.id.encode().hex()}",
        canonicalName=disk.id,
        lunType="disk",
        vendor=f"{disk.vendor:8}",
        model=f"{disk.model:16}",
        operationalState=["ok"],
        capacity=vim.host.DiskDimensions.Lba(blockSize=512, block=disk.size_mib * 2048),
        devicePath=f"/vmfs/devices/disks/{disk.id}",
    )


def _cdrom() -> Any:
    """The virtual CD is a LUN too; it is no disk."""
    name = "mpx.vmhba33:C0:T0:L0"
    return vim.host.ScsiLun(
        deviceName=f"/vmfs/devices/cdrom/{name}",
        deviceType="cdrom",
        key=f"key-vim.host.ScsiLun-{name}",
        uuid="0005000000",
        canonicalName=name,
        lunType="cdrom",
        operationalState=["ok"],
    )


def _mounts(disks: tuple[LabDisk, ...]) -> list[Any]:
    """ESX-OSData of each installation, each datastore, and a boot bank, which is no VMFS."""
    mounts = []
    for disk in disks:
        if disk.installation:
            mounts.append(_mount(_vmfs(f"OSDATA-{disk.id}", "VMFS-L", disk.id, 7)))
            bank = vim.host.FileSystemVolume(type="OTHER", name="BOOTBANK1", capacity=4 * 1024**3)
            mounts.append(_mount(bank))
        if disk.has_vmfs:
            mounts.append(_mount(_vmfs(f"datastore-{disk.id}", "VMFS", disk.id, 8)))
    return mounts


def _mount(volume: Any) -> Any:
    info = vim.host.MountInfo(
        path=f"/vmfs/volumes/{volume.name}", accessMode="readWrite", mounted=True, accessible=True
    )
    return vim.host.FileSystemMountInfo(mountInfo=info, volume=volume, vStorageSupport="vStorageUnsupported")


def _vmfs(name: str, kind: str, disk: str, partition: int) -> Any:
    return vim.host.VmfsVolume(
        type=kind,
        name=name,
        capacity=100 * 1024**3,
        blockSizeMb=1,
        maxBlocks=63 * 1024 * 1024,
        majorVersion=6,
        version="6.82",
        uuid=f"65000000-0000000{partition}-0000-000000000000",
        extent=[vim.host.ScsiDisk.Partition(diskName=disk, partition=partition)],
        vmfsUpgradable=False,
    )
