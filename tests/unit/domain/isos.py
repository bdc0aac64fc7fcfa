"""Small images with ESXi's layout, made by the tool that VMware documents for making one."""

import shutil
import subprocess
from pathlib import Path

import pytest

BOOT_CFG = (
    "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\n"
    "modules=/jumpstrt.gz --- /s.v00\nbuild=8.0.3-0.0.24022510\nupdated=0\n"
)


def esxi_tree(folder: Path, *, files: int = 5, boot_cfg: str = BOOT_CFG) -> None:
    """Files and folders as on an ESXi ISO, with contents that differ from each other."""
    (folder / "EFI" / "BOOT").mkdir(parents=True)
    (folder / "UPGRADE").mkdir()
    for path in ("BOOT.CFG", "EFI/BOOT/BOOT.CFG"):
        (folder / path).write_text(boot_cfg)
    for number in range(files):
        (folder / f"M{number:03}.V00").write_bytes(bytes([number % 256]) * (3000 + number))
    (folder / "ISOLINUX.BIN").write_bytes(b"\xfa" * 6000)
    (folder / "EFIBOOT.IMG").write_bytes(b"\xeb" * 8192)
    (folder / "EFI" / "BOOT" / "BOOTX64.EFI").write_bytes(b"MZ" * 2000)
    (folder / "UPGRADE" / "METADATA.XML").write_text("<esxi/>")


def genisoimage(tree: Path, out: Path, *options: str) -> Path:
    """An image of the tree that boots BIOS and UEFI."""
    if shutil.which("genisoimage") is None:
        pytest.skip("genisoimage is not installed (package genisoimage)")
    boot = "-b ISOLINUX.BIN -c BOOT.CAT -no-emul-boot -boot-load-size 4 -boot-info-table"
    uefi = "-eltorito-alt-boot -e EFIBOOT.IMG -no-emul-boot"
    command = ["genisoimage", "-quiet", "-relaxed-filenames", *options, *boot.split(), *uefi.split()]
    subprocess.run([*command, "-o", str(out), str(tree)], check=True, capture_output=True)
    return out
