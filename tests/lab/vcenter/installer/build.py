"""Builds the stand-in for a Linux installer's ISO into the cache folder, once for each state of its sources.

isolinux with a menu, Debian's kernel, an installer that obeys a kickstart, and the disk that it writes. Nothing of it
is installed on this machine. What it is not stands in ../LIMITS.md.
"""

import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.build import BuildFailed, cache_folder
from tests.lab.cached import keep_newest, locked, run

HERE = Path(__file__).parent
NAME = "standin-linux-7.iso"
LABEL = "STANDIN-7-x86_64"
KEPT_BUILDS = 2

KERNEL = "linux-image-amd64"  # the cloud kernel has no floppy, no AHCI and no e1000
PACKAGES = ("dropbear-bin", "libtomcrypt1", "libtommath1", "openssh-sftp-server", "openssh-client", "bash", "syslinux")
COMMANDS = ("go", "apt-get", "busybox", "cpio", "depmod", "genisoimage", "ldd", "mcopy", "mformat", "mke2fs")
MODULES = (  # with their dependencies; the installed system gets them from the initramfs too
    "ata_piix", "ahci", "nvme", "sd_mod", "sr_mod", "floppy", "vmw_pvscsi", "sym53c8xx", "mptspi", "virtio_pci",
    "virtio_blk", "virtio_scsi", "vmxnet3", "e1000", "e1000e", "virtio_net", "crc32c_generic", "ext4", "isofs", "vfat",
    "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8", "af_packet", "qemu_fw_cfg",
)  # fmt: skip
PROGRAMS = {  # where it comes from in its package -> where it is looked for
    "usr/sbin/dropbear": "usr/sbin/dropbear",
    "usr/bin/dropbearkey": "usr/bin/dropbearkey",
    "usr/lib/openssh/sftp-server": "usr/lib/sftp-server",
    "usr/bin/scp": "usr/bin/scp",
    "bin/bash": "bin/bash",
}
LIBRARIES = "usr/lib/x86_64-linux-gnu"
FOLDERS = (
    "bin", "sbin", "etc/sudoers.d", "root", "home", "tmp", "proc", "sys", "dev", "run", "mnt", "var/log", "var/tmp",
    "usr/sbin", "usr/bin", "usr/lib", "lib64", LIBRARIES, "lib/x86_64-linux-gnu",
)  # fmt: skip

MIB = 1 << 20
BOOT_AT_MIB, BOOT_MIB, ROOT_MIB = 1, 32, 62  # together below 100 MiB, the smallest disk in the tests
SYSTEM = "SERIAL 0 115200\nPROMPT 0\nDEFAULT linux\nLABEL linux\n KERNEL /vmlinuz\n INITRD /initrd.img\n APPEND {}\n"


def installer_iso() -> Path:
    """The ISO, out of the cache or built now, which takes half a minute."""
    if missing := [name for name in COMMANDS if shutil.which(name) is None]:
        raise BuildFailed(f"the installer's ISO cannot be built here, missing: {', '.join(missing)}")
    root = cache_folder()
    kernel = _kernel_package()
    folder = root / f"installer-{_key(kernel)}"
    with locked(root / "installer.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
                made = Path(work) / "made"
                made.mkdir()
                _Build(Path(work), kernel).iso(made / NAME)
                made.rename(folder)
            keep_newest(root, "installer-*/", KEPT_BUILDS)
        os.utime(folder)
    return folder / NAME


def _key(kernel: str) -> str:
    digest = hashlib.sha256(kernel.encode())
    for path in sorted(path for path in HERE.rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts and not path.name.endswith("_test.go"):
            digest.update(str(path.relative_to(HERE)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _kernel_package() -> str:
    for line in run(["apt-cache", "depends", KERNEL]).splitlines():
        if "Depends: linux-image-" in line:
            return line.split()[-1]
    raise BuildFailed(f"apt knows no package {KERNEL}: run apt-get update (Debian on x86-64 is needed)")


@dataclass(frozen=True)
class _Build:
    """One build in a folder of its own."""

    work: Path
    kernel: str

    def iso(self, result: Path) -> None:
        self._unpack()
        guest = self._compile()
        vmlinuz = next((self._unpacked / "boot").glob("vmlinuz-*"))
        initrd = self._initramfs(guest)
        disk = self._disk(vmlinuz, initrd, self._root(guest))
        tree = self.work / "iso"
        (tree / "isolinux").mkdir(parents=True)
        _zip(disk, tree / "disk.gz")
        shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
        for name in ("ldlinux", "vesamenu", "libcom32", "libutil"):
            shutil.copy(f"/usr/lib/syslinux/modules/bios/{name}.c32", tree / "isolinux")
        shutil.copy(vmlinuz, tree / "isolinux" / "vmlinuz")
        shutil.copy(initrd, tree / "isolinux" / "initrd.img")
        shutil.copy(HERE / "isolinux.cfg", tree / "isolinux")
        boot = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4"]
        command = ["genisoimage", "-quiet", "-J", "-R", "-V", LABEL, *boot, "-boot-info-table"]
        run([*command, "-o", str(result), str(tree)])

    @property
    def _unpacked(self) -> Path:
        return self.work / "unpacked"

    def _unpack(self) -> None:
        debs = self.work / "debs"
        debs.mkdir()
        run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES, self.kernel], cwd=debs)
        for deb in sorted(debs.glob("*.deb")):
            run(["dpkg", "-x", str(deb), str(self._unpacked)])

    def _compile(self) -> Path:
        program = self.work / "guest"
        settings = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        build = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", str(program), "."]
        run(build, cwd=HERE / "program", env=settings)
        return program

    def _initramfs(self, guest: Path) -> Path:
        root = self.work / "initramfs"
        for name in ("bin", "etc"):
            (root / name).mkdir(parents=True)
        shutil.copy(HERE / "init", root / "init")
        shutil.copy(HERE / "installer.sh", root / "etc")
        shutil.copy(HERE / "rootfs/etc/udhcpc.sh", root / "etc")
        (root / "etc/modules").write_text("\n".join(MODULES) + "\n")
        shutil.copy("/bin/busybox", root / "bin")
        shutil.copy(guest, root / "bin")
        self._copy_modules(root)
        names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*")))
        pack = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
        archive = subprocess.run(pack, cwd=root, input=names.encode(), stdout=subprocess.PIPE, check=True).stdout
        initrd = self.work / "initrd.img"
        initrd.write_bytes(gzip.compress(archive, 6, mtime=0))
        return initrd

    def _copy_modules(self, root: Path) -> None:
        source = next((self._unpacked / "lib/modules").iterdir())
        target = root / "lib/modules" / source.name
        run(["depmod", "-b", str(self._unpacked), source.name])
        shown = ["modprobe", "-d", str(self._unpacked), "-S", source.name, "--show-depends", "--all", *MODULES]
        for line in run(shown).splitlines():
            if line.startswith("insmod "):
                module = Path(line.split()[1])
                copy = target / module.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(module, copy)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(source / name, target)
        run(["depmod", "-b", str(root), source.name])

    def _root(self, guest: Path) -> Path:
        """The installed system's file system; what a kickstart decides is not in it yet."""
        root = self.work / "root"
        for name in FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/busybox", root / "bin")
        for applet in run(["busybox", "--list"]).split():
            if applet not in ("busybox", "bash"):
                (root / "bin" / applet).symlink_to("busybox")
        for name in ("init", "getty", "poweroff", "reboot", "halt", "shutdown"):
            (root / "sbin" / name).symlink_to("../bin/busybox")
        shutil.copytree(HERE / "rootfs", root, dirs_exist_ok=True)
        for source, place in PROGRAMS.items():
            shutil.copy(self._unpacked / source, root / place)
            self._copy_libraries(self._unpacked / source, root)
        shutil.copy(guest, root / "usr/bin/sudo")
        (root / "usr/bin/sudo").chmod(0o4755)
        (root / "usr/bin/vmware-rpctool").symlink_to("vmtoolsd")
        (root / "etc/sudoers").write_text("root ALL=(ALL) ALL\n%wheel ALL=(ALL) ALL\n")
        (root / "etc/shells").write_text("/bin/sh\n/bin/bash\n")
        (root / "etc/os-release").write_text('NAME="Stand-in Linux"\nID=standin\nVERSION_ID="7"\n')
        (root / "tmp").chmod(0o1777)
        (root / "root").chmod(0o700)
        image = self.work / "root.img"
        _make_empty(image, ROOT_MIB)
        run(["mke2fs", "-q", "-t", "ext4", "-L", "STANDINROOT", "-E", "root_owner=0:0", "-d", str(root), str(image)])
        return image

    def _copy_libraries(self, program: Path, root: Path) -> None:
        found = run(["ldd", str(program)], env={"LD_LIBRARY_PATH": str(self._unpacked / LIBRARIES)})
        for word in found.split():
            if word.startswith("/") and ".so" in word:
                place = "lib64" if "ld-linux" in word else "lib/x86_64-linux-gnu"
                shutil.copy(word, root / place / Path(word).name)

    def _disk(self, vmlinuz: Path, initrd: Path, root: Path) -> Path:
        """What is written to the machine's disk: a boot partition that syslinux starts from, and the system."""
        disk, boot = self.work / "disk.img", self.work / "boot.img"
        _make_empty(boot, BOOT_MIB)
        hidden = str(BOOT_AT_MIB * 2048)
        geometry = ["-T", str(BOOT_MIB * 2048), "-h", "64", "-s", "32", "-H", hidden]
        run(["mformat", "-i", str(boot), *geometry, "-v", "BOOT", "::"])
        config = self.work / "syslinux.cfg"
        config.write_text(SYSTEM.format("console=tty0 console=ttyS0 quiet standin.role=system"))
        for source, name in ((vmlinuz, "vmlinuz"), (initrd, "initrd.img"), (config, "syslinux.cfg")):
            run(["mcopy", "-i", str(boot), str(source), f"::/{name}"])
        run([str(self._unpacked / "usr/bin/syslinux"), "--install", str(boot)])
        _make_empty(disk, BOOT_AT_MIB + BOOT_MIB + ROOT_MIB)
        _put(Path("/usr/lib/syslinux/mbr/mbr.bin"), disk, 0)
        _write_table(disk, [(0x80, 0x06, BOOT_AT_MIB, BOOT_MIB), (0, 0x83, BOOT_AT_MIB + BOOT_MIB, ROOT_MIB)])
        _put(boot, disk, BOOT_AT_MIB * MIB)
        _put(root, disk, (BOOT_AT_MIB + BOOT_MIB) * MIB)
        return disk


def _make_empty(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        file.truncate(mib * MIB)


def _write_table(disk: Path, partitions: Sequence[tuple[int, int, int, int]]) -> None:
    """An MBR's partitions: flag, type, and place and size in MiB. Nobody reads the cylinders."""
    entries = b"".join(
        struct.pack("<B3sB3sII", flag, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", at * 2048, size * 2048)
        for flag, kind, at, size in partitions
    )
    with disk.open("r+b") as file:
        file.seek(446)
        file.write(entries.ljust(64, b"\0") + b"\x55\xaa")


def _put(source: Path, image: Path, offset: int) -> None:
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(source.read_bytes())


def _zip(source: Path, target: Path) -> None:
    with source.open("rb") as file, gzip.open(target, "wb", compresslevel=1) as zipped:
        shutil.copyfileobj(file, zipped, MIB)
