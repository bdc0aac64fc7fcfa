"""Builds the ESXi stand-in's ISO into a cache folder, once for each state of its sources and packages.

The folder is ~/.cache/herasphere/lab/<key>; the key is a hash of everything that goes in. Nothing is installed.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.packages import PACKAGES, UNPACKED, missing_commands

SOURCES = Path(__file__).parent / "esxi"
BUSYBOX = Path("/bin/busybox")
GRUB_MODULES = (
    "part_gpt", "fat", "iso9660", "normal", "linux", "search", "search_fs_file", "serial", "echo", "configfile",
)  # fmt: skip
KERNEL_MODULES = (  # with their dependencies; standin/boot.go loads them
    "virtio_pci", "virtio_scsi", "sd_mod", "sr_mod", "virtio_net", "isofs", "vfat", "nls_cp437", "nls_ascii",
    "nls_utf8", "8021q", "af_packet", "button", "evdev",
)  # fmt: skip
KERNEL_OPTIONS = "console=ttyS0 quiet mitigations=off nokaslr"
BOOT_PARTITION_MIB = 64  # must equal bootBytes of standin/installer.go
VERSION, BUILD = "8.0.3", "24022510"

Say = Callable[[str], None]


class BuildFailed(Exception):
    """A program of the build failed, or something it needs is missing; the text says which and what to do."""


@dataclass(frozen=True)
class Built:
    """What a build left in the cache."""

    folder: Path

    @property
    def iso(self) -> Path:
        """The installer ISO."""
        return self.folder / f"VMware-VMvisor-Installer-{VERSION}-{BUILD}.standin.iso"

    @property
    def program(self) -> Path:
        """The stand-in's program, which outside of the stand-in lays out disks."""
        return self.folder / "standin"


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "herasphere" / "lab"


def build(say: Say = lambda text: print(text, file=sys.stderr)) -> Built:
    """Return the built ISO, out of the cache or made now."""
    if missing := missing_commands():
        raise BuildFailed(f"the lab cannot be built here, missing: {', '.join(missing)}")
    kernel, versions = _kernel_package(), _package_versions()
    key = _key(kernel, *versions)
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    built = Built(root / key)
    if built.iso.exists():
        return built
    with _locked(root / "lock"):
        if built.iso.exists():  # another process was faster
            return built
        say(f"building the ESXi stand-in into {built.folder} (once; takes about a minute)")
        with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
            _build_iso(Path(work), kernel, say)
            built.folder.mkdir(exist_ok=True)
            (Path(work) / "standin").rename(built.program)
            (Path(work) / "result.iso").rename(built.iso)  # last: it says that all is there
    say(f"built {built.iso} ({built.iso.stat().st_size >> 20} MiB)")
    return built


def _build_iso(work: Path, kernel: str, say: Say) -> None:
    say("  1/5 the stand-in's program (Go)")
    program = _compile(work)
    say(f"  2/5 Debian packages, unpacked only: {kernel}, syslinux")
    unpacked = _unpack(work, (kernel, "syslinux"))
    vmlinuz = next((unpacked / "boot").glob("vmlinuz-*"))
    say("  3/5 initramfs")
    initrd = _initramfs(work, unpacked, program)
    say("  4/5 boot partition of the installed disk")
    boot_partition = _boot_partition(work, unpacked)
    say("  5/5 ISO")
    _assemble(work, vmlinuz, initrd, boot_partition)


def _key(*parts: str) -> str:
    digest = hashlib.sha256("\n".join(parts).encode())
    program = (SOURCES / "standin").iterdir()
    sources = sorted(path for path in program if path.suffix in (".go", ".mod", ".sum") and "_test." not in path.name)
    for path in [Path(__file__), *sources]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _package_versions() -> list[str]:
    """Name and version of each installed package which the ISO is made of."""
    return _run(["dpkg-query", "--show", *(name for name in PACKAGES if not name.startswith("qemu"))]).splitlines()


def _kernel_package() -> str:
    """name=version of the package with the kernel itself."""
    for line in _run(["apt-cache", "depends", UNPACKED[0]]).splitlines():
        if "Depends: linux-image-" in line:
            name = line.split()[-1]
            policy = _run(["apt-cache", "policy", name])
            version = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
            return f"{name}={version}"
    raise BuildFailed(f"apt knows no package {UNPACKED[0]}: run apt-get update (Debian on x86-64 is needed)")


def _compile(work: Path) -> Path:
    program = work / "standin"
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(program), "."]
    _run(command, cwd=SOURCES / "standin", env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"})
    return program


def _unpack(work: Path, packages: Sequence[str]) -> Path:
    debs, target = work / "debs", work / "unpacked"
    debs.mkdir()
    _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        _run(["dpkg", "-x", str(deb), str(target)])
    return target


def _initramfs(work: Path, unpacked: Path, program: Path) -> Path:
    root = work / "initramfs"
    release = next((unpacked / "lib" / "modules").iterdir()).name
    modules = root / "lib" / "modules" / release
    modules.mkdir(parents=True)
    (root / "bin").mkdir()
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    shutil.copy(program, root / "init")
    _run(["depmod", "-b", str(unpacked), release])
    wanted = ["modprobe", "-d", str(unpacked), "-S", release, "--show-depends", "--all", *KERNEL_MODULES]
    for line in _run(wanted).splitlines():
        if line.startswith("insmod "):
            source = Path(line.split()[1])
            target = modules / source.relative_to(unpacked / "lib" / "modules" / release)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(unpacked / "lib" / "modules" / release / name, modules / name)
    _run(["depmod", "-b", str(root), release])
    initrd = work / "initrd"
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
    pack = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
    archive = subprocess.run(pack, cwd=root, input=names.encode(), stdout=subprocess.PIPE, check=True).stdout
    initrd.write_bytes(gzip.compress(archive, 6))
    return initrd


def _grub(output: Path, probe: str, kernel: str, initrd: str, role: str) -> None:
    """An EFI program which starts the kernel from the file system that holds `probe`."""
    config = output.with_suffix(".cfg")
    config.write_text(
        f"search --set=root --file {probe}\n"
        f"linux {kernel} {KERNEL_OPTIONS} standin.role={role}\ninitrd {initrd}\nboot\n"
    )
    command = ["grub-mkimage", "-O", "x86_64-efi", "-o", str(output), "-p", "/EFI/BOOT", "-c", str(config)]
    _run([*command, *GRUB_MODULES])


def _syslinux_config(kernel: str, initrd: str, role: str) -> str:
    options = f"{KERNEL_OPTIONS} standin.role={role}"
    return f"SERIAL 0 115200\nPROMPT 0\nDEFAULT go\nLABEL go\n KERNEL {kernel}\n INITRD {initrd}\n APPEND {options}\n"


def _boot_partition(work: Path, unpacked: Path) -> bytes:
    """A FAT file system that starts under UEFI and BIOS; the installer adds kernel and initramfs from the CD."""
    image, grub = work / "bootpart", work / "host.efi"
    with image.open("wb") as file:
        file.truncate(BOOT_PARTITION_MIB << 20)
    sectors = BOOT_PARTITION_MIB << 11
    _run(["mformat", "-i", str(image), "-T", str(sectors), "-h", "64", "-s", "32", "-H", "2048", "-v", "BOOT", "::"])
    _grub(grub, "/vmlinuz", "/vmlinuz", "/initrd", "host")
    config = work / "syslinux.cfg"
    config.write_text(_syslinux_config("/vmlinuz", "/initrd", "host"))
    _run(["mmd", "-i", str(image), "::/EFI", "::/EFI/BOOT"])
    _run(["mcopy", "-i", str(image), str(grub), "::/EFI/BOOT/BOOTX64.EFI"])
    _run(["mcopy", "-i", str(image), str(config), "::/syslinux.cfg"])
    _run([str(unpacked / "usr/bin/syslinux"), "--install", str(image)])
    return gzip.compress(image.read_bytes(), 6)


def _boot_config() -> str:
    return (
        "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nprefix=\nkernel=/b.b00\nkernelopt=runweasel cdromBoot\n"
        f"modules=/s.v00 --- /bootpart.v00 --- /mbr.v00\nbuild={VERSION}-0.0.{BUILD}\nupdated=0\n"
    )


def _assemble(work: Path, vmlinuz: Path, initrd: Path, boot_partition: bytes) -> None:
    """The ISO with ESXi's layout: both El Torito entries, Joliet and Rock Ridge, BOOT.CFG twice."""
    root, grub = work / "iso", work / "installer.efi"
    (root / "EFI" / "BOOT").mkdir(parents=True)
    shutil.copy(vmlinuz, root / "B.B00")
    shutil.copy(initrd, root / "S.V00")
    (root / "BOOTPART.V00").write_bytes(boot_partition)
    shutil.copy("/usr/lib/syslinux/mbr/gptmbr.bin", root / "MBR.V00")
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", root / "ISOLINUX.BIN")
    # isolinux looks these up by their Rock Ridge names, which know upper and lower case
    for name in ("ldlinux.c32", "mboot.c32"):
        shutil.copy(f"/usr/lib/syslinux/modules/bios/{name}", root / name)
    (root / "isolinux.cfg").write_text(_syslinux_config("/B.B00", "/S.V00", "installer"))
    (root / "BOOT.CFG").write_text(_boot_config())
    (root / "EFI" / "BOOT" / "BOOT.CFG").write_text(_boot_config())
    (root / ".DISCINFO").write_text(f"1718841600.000000\nVMware ESXi {VERSION}-{BUILD}\nx86_64\n")
    _grub(grub, "/B.B00", "/B.B00", "/S.V00", "installer")
    shutil.copy(grub, root / "EFI" / "BOOT" / "BOOTX64.EFI")
    _efi_boot_image(root / "EFIBOOT.IMG", grub)
    command = ["genisoimage", "-quiet", "-relaxed-filenames", "-J", "-R", "-V", f"ESXI-8.0U3-{BUILD}-STANDIN"]
    bios = ["-b", "ISOLINUX.BIN", "-c", "BOOT.CAT", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    uefi = ["-eltorito-alt-boot", "-e", "EFIBOOT.IMG", "-no-emul-boot"]
    _run([*command, *bios, *uefi, "-o", str(work / "result.iso"), str(root)])


def _efi_boot_image(image: Path, grub: Path) -> None:
    with image.open("wb") as file:
        file.truncate(4 << 20)
    _run(["mformat", "-i", str(image), "-T", str(4 << 11), "-h", "64", "-s", "32", "::"])
    _run(["mmd", "-i", str(image), "::/EFI", "::/EFI/BOOT"])
    _run(["mcopy", "-i", str(image), str(grub), "::/EFI/BOOT/BOOTX64.EFI"])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that succeeded."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"{' '.join(command[:6])} failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
    return done.stdout
