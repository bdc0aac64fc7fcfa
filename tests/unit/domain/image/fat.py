"""FAT12 read back as its specification says, long names among it: mtools knows no names outside of the first plane."""

import struct

SECTOR, ROOT, DATA = 512, 19, 33  # the sectors of a floppy of 1.44 MB where its root and its first cluster are
FOLDER, LABEL, LONG_NAME = 0x10, 0x08, 0x0F


def read(image: bytes) -> dict[str, bytes]:
    """The content of each file, by its path."""
    return dict(_files(image, image[ROOT * SECTOR : DATA * SECTOR], ""))


def _files(image: bytes, entries: bytes, above: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    name = b""
    for start in range(0, len(entries), 32):
        entry = entries[start : start + 32]
        if entry[0] == 0:
            break
        kind, cluster, size = entry[11], *struct.unpack("<HI", entry[26:])
        if kind == LONG_NAME:
            name = entry[1:11] + entry[14:26] + entry[28:32] + name
            continue
        path = above + name.decode("utf-16-le").partition("\0")[0].rstrip("\uffff")
        name = b""
        if kind & FOLDER and entry[:1] != b".":
            found += _files(image, _chain(image, cluster), f"{path}/")
        elif not kind & (FOLDER | LABEL):
            found.append((path, _chain(image, cluster)[:size]))
    return found


def _chain(image: bytes, cluster: int) -> bytes:
    """What these clusters hold, as the first FAT has them follow each other."""
    made = b""
    while 2 <= cluster < 0xFF0:
        start = (DATA + cluster - 2) * SECTOR
        made += image[start : start + SECTOR]
        (pair,) = struct.unpack_from("<H", image, SECTOR + cluster * 3 // 2)
        cluster = pair >> 4 if cluster % 2 else pair & 0xFFF
    return made
