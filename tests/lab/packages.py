"""The one list of Debian packages that the lab needs, beside Go and Python."""

import shutil

PACKAGES = (
    "qemu-system-x86",
    "qemu-utils",
    "qemu-block-extra",  # QEMU's curl driver: virtual media are read by HTTP ranges, as BMCs do
    "ovmf",
    "seabios",
    "isolinux",
    "syslinux-common",
    "xorriso",
    "genisoimage",
    "grub-efi-amd64-bin",
    "grub-common",
    "mtools",
    "dosfstools",
    "busybox-static",
    "kmod",
    "cpio",
    "iproute2",
)

# Unpacked into the cache, never installed: a kernel package would change how this machine boots.
UNPACKED = ("linux-image-cloud-amd64", "syslinux")

COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "genisoimage": "genisoimage",
    "xorriso": "xorriso",
    "grub-mkimage": "grub-common",
    "mformat": "mtools",
    "modprobe": "kmod",
    "cpio": "cpio",
    "busybox": "busybox-static",
    "ip": "iproute2",
    "setpriv": "util-linux",
    "apt-get": "apt (a Debian or Ubuntu machine)",
    "go": "golang-go, 1.24 or newer",
}


def missing_commands() -> list[str]:
    """Each command that is not there, with the package that has it."""
    return [f"{command} (package {package})" for command, package in COMMANDS.items() if shutil.which(command) is None]
