"""A floppy's image of 1.44 MB: FAT12 with long names, as installers read it. The same files make the same bytes.

Layout after Microsoft's "FAT: General Overview of On-Disk Format": boot sector, two FATs of nine sectors, a root
directory of 224 entries, and 2847 clusters of one sector.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from steps.domain.errors import Unsupported

SECTOR = 512
SECTORS, FATS, FAT_SECTORS, ROOT_ENTRIES = 2880, 2, 9, 224
ROOT_SECTORS = ROOT_ENTRIES * 32 // SECTOR
FIRST_DATA_SECTOR = 1 + FATS * FAT_SECTORS + ROOT_SECTORS
CLUSTERS = SECTORS - FIRST_DATA_SECTOR
MEDIA, END_OF_CHAIN = 0xF0, 0xFFF
LABEL, FOLDER, FILE, LONG_NAME = 0x08, 0x10, 0x20, 0x0F
DATE = (2020 - 1980) << 9 | 1 << 5 | 1  # the first day of 2020: no clock in reproducible bytes
PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
SHORT = re.compile(r"([A-Za-z0-9_~-]{1,8})(?:\.([A-Za-z0-9_~-]{1,3}))?")
NO_LABEL = "NO NAME"
CHARACTERS_OF_AN_ENTRY = 13

BOOT_SECTOR = struct.Struct("<3s8sHBHBHHBHHHIIBBBI11s8s")


@dataclass
class _Folder:
    folders: dict[str, "_Folder"] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [*self.files, *self.folders]


class _Clusters:
    """Data, and the FAT that says which cluster follows which."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.next = [MEDIA | 0xF00, END_OF_CHAIN]

    def add(self, content: bytes) -> int:
        """The number of the first cluster of this content; 0 for none."""
        count = -(-len(content) // SECTOR)
        if not count:
            return 0
        first = len(self.next)
        if first - 2 + count > CLUSTERS:
            what = f"the files do not fit on a floppy of {CLUSTERS * SECTOR} bytes"
            raise Unsupported(what, where="floppy", hint="cd_files or http_directory has room for them")
        self.next += [*range(first + 1, first + count), END_OF_CHAIN]
        self.data += content.ljust(count * SECTOR, b"\0")
        return first

    def table(self) -> bytes:
        """The FAT: two entries of twelve bits in three bytes."""
        entries = [*self.next, *([0] * (len(self.next) % 2))]
        pairs = zip(entries[::2], entries[1::2], strict=True)
        packed = b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
        return packed.ljust(FAT_SECTORS * SECTOR, b"\0")


def floppy(files: Mapping[str, bytes], label: str = "") -> bytes:
    """An image with these files, by their path with '/'; Unsupported if they do not fit.

    label: in capitals on the floppy, "_" for what none can have
    """
    volume = "".join(each if each in PLAIN or each == " " else "_" for each in label.strip().upper())[:11]
    clusters = _Clusters()
    root = _directory(_tree(files), clusters, parent=None)
    if volume:
        root = _entry(volume.encode().ljust(11), LABEL, 0, 0) + root
    if len(root) > ROOT_ENTRIES * 32:
        hint = "put them in a folder: floppy_dirs"
        raise Unsupported("too many files for a floppy's root", where="floppy", hint=hint)
    boot = BOOT_SECTOR.pack(
        b"\xeb\x3c\x90", b"MSDOS5.0", SECTOR, 1, 1, FATS, ROOT_ENTRIES, SECTORS, MEDIA, FAT_SECTORS, 18, 2, 0, 0, 0, 0,
        0x29, 0x20200101, (volume or NO_LABEL).encode().ljust(11), b"FAT12   ",
    )  # fmt: skip
    boot = boot.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"
    image = boot + clusters.table() * FATS + root.ljust(ROOT_ENTRIES * 32, b"\0") + bytes(clusters.data)
    return image.ljust(SECTORS * SECTOR, b"\0")


def _tree(files: Mapping[str, bytes]) -> _Folder:
    root = _Folder()
    for path in sorted(files):
        *above, name = path.strip("/").split("/")
        folder = root
        for each in above:
            folder = folder.folders.setdefault(each, _Folder())
        folder.files[name] = files[path]
    _check_names(root)
    return root


def _check_names(folder: _Folder) -> None:
    """Raise Unsupported for two names that readers take for one, and find the first of them only."""
    known: dict[str, str] = {}
    for name in folder.names:
        if name.upper() in known:
            what = f"a folder of a floppy cannot have both {known[name.upper()]!r} and {name!r}"
            raise Unsupported(what, where="floppy", hint="another name for one of them; capitals do not count")
        known[name.upper()] = name
    for below in folder.folders.values():
        _check_names(below)


def _directory(folder: _Folder, clusters: _Clusters, *, parent: int | None) -> bytes:
    """The entries of a folder, all below it written. parent: the cluster of the folder above; None for the root"""
    taken = {short for name in folder.names if (short := _as_short(name))}
    made = b""
    for name, content in folder.files.items():
        made += _named(name, taken, FILE, clusters.add(content), len(content))
    for name, below in folder.folders.items():
        made += _named(name, taken, FOLDER, _subfolder(below, clusters, parent or 0), 0)
    return made


def _subfolder(folder: _Folder, clusters: _Clusters, parent: int) -> int:
    """Written with its first cluster known before: its own entry "." and those below it point there."""
    slots = 2 + sum(1 + len(_pieces(name)) for name in folder.names)
    first = clusters.add(bytes(slots * 32))
    entries = _directory(folder, clusters, parent=first)
    whole = _entry(b".".ljust(11), FOLDER, first, 0) + _entry(b"..".ljust(11), FOLDER, parent, 0) + entries
    start = (first - 2) * SECTOR
    clusters.data[start : start + len(whole)] = whole
    return first


def _named(name: str, taken: set[bytes], kind: int, cluster: int, size: int) -> bytes:
    """The entries of a file or folder: those of its long name, then the short one."""
    short = _short_name(name, taken)
    taken.add(short)
    return b"".join(_long_name(name, short)) + _entry(short, kind, cluster, size)


def _as_short(name: str) -> bytes | None:
    """The name as eight characters and three, if it is one of those."""
    match = SHORT.fullmatch(name)
    return match and f"{match[1]:8}{match[2] or '':3}".upper().encode()


def _short_name(name: str, taken: set[bytes]) -> bytes:
    """Eight characters and three, as old readers want them. Made up with "~", it is no other name of the folder."""
    if short := _as_short(name):
        return short
    stem, _, extension = name.upper().rpartition(".") if "." in name.strip(".") else (name.upper(), "", "")
    plain = "".join(each if each in PLAIN else "_" for each in stem)
    end = "".join(each if each in PLAIN else "_" for each in extension)[:3].ljust(3)
    for number in range(1, 10_000):
        tail = f"~{number}"
        made = ((plain[: 8 - len(tail)] + tail).ljust(8) + end).encode()
        if made not in taken:
            return made
    raise Unsupported(f"there are too many names like {name!r}", where="floppy", hint="shorter names")


def _long_name(name: str, short: bytes) -> Iterator[bytes]:
    """Thirteen UTF-16 characters an entry, the last ones first."""
    sum_of_short = 0
    for byte in short:
        sum_of_short = ((sum_of_short & 1) << 7 | sum_of_short >> 1) + byte & 0xFF
    size, pieces = CHARACTERS_OF_AN_ENTRY * 2, _pieces(name)
    for number in range(len(pieces), 0, -1):
        piece = pieces[number - 1]
        padded = (piece + b"\0\0" if len(piece) < size else piece).ljust(size, b"\xff")
        order = number | (0x40 if number == len(pieces) else 0)
        yield struct.pack(
            "<B10sBBB12sH4s", order, padded[:10], LONG_NAME, 0, sum_of_short, padded[10:22], 0, padded[22:]
        )


def _pieces(name: str) -> list[bytes]:
    """What each entry of a long name holds; a character outside of the first plane is two of UTF-16."""
    units, size = name.encode("utf-16-le"), CHARACTERS_OF_AN_ENTRY * 2
    return [units[start : start + size] for start in range(0, len(units), size)]


def _entry(short: bytes, kind: int, cluster: int, size: int) -> bytes:
    return struct.pack("<11sBBBHHHHHHHI", short, kind, 0, 0, 0, DATE, DATE, 0, 0, DATE, cluster, size)
