"""The Debian packages that the lab needs, beside Go and Python."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

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

# The runner image, built on a base of Debian's packages and looked at from inside (tests/contract).
RUNNER_PACKAGES = ("buildah", "debootstrap", "runc")

# The lab's Kubernetes cluster (tests/lab/kube), beside what Go builds for it.
CLUSTER_PACKAGES = (
    "containerd",
    "runc",
    "containernetworking-plugins",
    "conntrack",
    "iptables",
    "buildah",
    "debootstrap",
    "busybox-static",
    "iproute2",
    "kmod",
    "ca-certificates",
)

SITE_PACKAGES = (*PACKAGES, *RUNNER_PACKAGES)

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


def missing_packages(wanted: Sequence[str] = SITE_PACKAGES) -> list[str]:
    """Those of these packages that are not installed."""
    wanted = list(dict.fromkeys(wanted))
    if shutil.which("dpkg-query") is None:
        return wanted
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted]
    shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def install(wanted: Sequence[str] = SITE_PACKAGES, *, say: Callable[[str], None], ask: bool) -> bool:
    """Install what is missing; True if nothing is missing afterwards.

    ask: let sudo ask for a password; without, it is done only where no password is needed
    """
    missing = missing_packages(wanted)
    if not missing:
        return True
    names = " ".join(missing)
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if shutil.which("apt-get") is None or (sudo and not ask and not _sudo_is_silent()):
        say(f"what needs these Debian packages is left out: {names}")
        return False
    say(f"installing Debian packages: {names}")
    quiet = [*sudo, "apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*quiet, "update"], stdout=subprocess.DEVNULL, check=False)
    subprocess.run(
        [*quiet, "install", "--no-install-recommends", *missing],
        stdout=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    return not missing_packages(wanted)


def _sudo_is_silent() -> bool:
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
