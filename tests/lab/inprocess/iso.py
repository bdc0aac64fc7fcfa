"""A small ISO with ESXi's layout: two BOOT.CFG, both El Torito entries, Joliet and Rock Ridge, modules of noise."""

import random
from io import BytesIO
from pathlib import Path

import pycdlib

from tests.lab.inprocess.cd import BOOT_CONFIG
from tests.lab.machine import FirmwareMode

VERSION, BUILD = "8.0.3", "24022510"
MODULES = ("S.V00", "SB.V00", "ATA.V00", "NET.V00")
MIB = 1024 * 1024


def make_iso(
    path: Path,
    *,
    version: str = VERSION,
    build: str = BUILD,
    size_mib: int = 4,
    seed: int = 0,
    kickstart: str = "",
    kickstart_modes: tuple[FirmwareMode, ...] = ("UEFI", "Legacy"),
) -> Path:
    """Write the ISO, about `size_mib` large; the same arguments give the same files in it.

    kickstart: put into it as KS.CFG, and named in the BOOT.CFG of these firmware modes
    """
    noise = random.Random(f"{seed} {version} {build}")
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=f"ESXI-{version}"[:16])
    for folder in ("/EFI", "/EFI/BOOT"):
        iso.add_directory(folder, rr_name=folder.rsplit("/", 1)[1].lower(), joliet_path=folder.lower())
    files = _files(version, build, size_mib, noise)
    if kickstart:
        files["/KS.CFG"] = kickstart.encode("ascii")
        for mode in kickstart_modes:
            options = b"kernelopt=runweasel cdromBoot"
            files[BOOT_CONFIG[mode]] = files[BOOT_CONFIG[mode]].replace(options, options + b" ks=cdrom:/KS.CFG")
    for name, content in files.items():
        low = name.lower()
        iso.add_fp(BytesIO(content), len(content), iso_path=f"{name};1", rr_name=low.rsplit("/", 1)[1], joliet_path=low)
    iso.add_eltorito(
        "/ISOLINUX.BIN;1", bootcatfile="/BOOT.CAT;1", rr_bootcatname="boot.cat", joliet_bootcatfile="/boot.cat",
        boot_load_size=4, platform_id=0, boot_info_table=True,
    )  # fmt: skip
    iso.add_eltorito("/EFIBOOT.IMG;1", platform_id=0xEF, efi=True, boot_load_size=1)
    iso.write(str(path))
    iso.close()
    return path


def boot_config(version: str, build: str) -> str:
    modules = " --- ".join(f"/{name.lower()}" for name in MODULES)
    return (
        "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\n"
        f"modules={modules}\nbuild={version}-0.0.{build}\nupdated=0\n"
    )


def _files(version: str, build: str, size_mib: int, noise: random.Random) -> dict[str, bytes]:
    config = boot_config(version, build).encode()
    share = size_mib * MIB // len(MODULES)
    return {
        "/.DISCINFO": f"1718841600.000000\nVMware ESXi {version}-{build}\nx86_64\n".encode(),
        "/BOOT.CFG": config,
        "/EFI/BOOT/BOOT.CFG": config,
        "/EFI/BOOT/BOOTX64.EFI": noise.randbytes(64 * 1024),
        "/EFIBOOT.IMG": noise.randbytes(64 * 1024),
        "/ISOLINUX.BIN": noise.randbytes(24 * 1024),
        "/MBOOT.C32": noise.randbytes(32 * 1024),
        "/B.B00": noise.randbytes(100_003),
        **{f"/{name}": noise.randbytes(share) for name in MODULES},
    }
