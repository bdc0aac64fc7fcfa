"""Grain tables and directories against the grains that were really there, in memory that does not grow with the disk.

A stream written in one go has each grain table right behind its grains, and the directory last: what must be remembered
is the grains since the last table, and each table's place. qemu-img, which can seek, writes directory and tables in
front: then they are kept until the grains came.
"""

import sys
from array import array
from collections.abc import Iterator
from itertools import islice

from steps.domain.vmdk.header import SECTOR, TABLE_ENTRIES, Header

MOST_OPEN_GRAINS = 1 << 20  # grains whose table did not come yet: 64 GiB of them
ZEROED = 1  # an entry that says: all zeros, stored nowhere


def entries_of(data: bytes) -> "array[int]":
    entries = array("I", data)
    if sys.byteorder == "big":
        entries.byteswap()
    return entries


class TablesBehind:
    """Tables and a directory that come behind the grains they tell of."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.open: dict[int, int] = {}  # sector -> number of a grain that is in no table yet
        self.tables: dict[int, int] = {}  # sector -> number of a table that has grains
        self.empty: set[int] = set()
        self.used: set[int] = set()  # tables' numbers which must be in the directory
        self.directory = 0  # its sector, when it came

    def grain(self, number: int, sector: int) -> str | None:
        if len(self.open) >= MOST_OPEN_GRAINS:
            return f"{MOST_OPEN_GRAINS} grains, and no grain table yet"
        self.open[sector] = number
        return None

    def table(self, data: bytes, sector: int) -> Iterator[str]:
        """Faults of a grain table."""
        entries = {place: entry for place, entry in enumerate(entries_of(data)) if entry > ZEROED}
        if not entries:
            self.empty.add(sector)
            return
        numbers = {place: self.open.pop(entry, None) for place, entry in entries.items()}
        known = {number // TABLE_ENTRIES for number in numbers.values() if number is not None}
        strangers = sum(number is None for number in numbers.values())
        if strangers:
            yield f"{strangers} entries of the grain table name sectors where no grain begins"
        if len(known) > 1 or any(n is not None and n % TABLE_ENTRIES != place for place, n in numbers.items()):
            yield "the grain table has grains at wrong places"
        if known:
            self.tables[sector] = min(known)
            self.used |= known

    def directory_faults(self, data: bytes, sector: int) -> Iterator[str]:
        """Faults of the directory, and of it all: nothing but the footer may follow."""
        self.directory = sector
        entries = entries_of(data)
        if self.open:
            yield f"{len(self.open)} grains are in no grain table"
        for number, entry in enumerate(islice(entries, self.header.tables)):
            if entry in self.tables and self.tables[entry] != number:
                yield f"entry {number} of the grain directory names the table of entry {self.tables[entry]}"
            elif entry and entry not in self.tables and entry not in self.empty:
                yield f"entry {number} of the grain directory names sector {entry}, where no grain table is"
            elif not entry and number in self.used:
                yield f"entry {number} of the grain directory is empty, but the table is there"

    def end_faults(self) -> Iterator[str]:
        if not self.directory:
            yield "it has no grain directory"


class TablesInFront:
    """Directory and tables that were read before the first grain."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.tables: dict[int, array[int]] = {}  # by number; an empty one is not kept
        self.seen = 0

    def read(self, front: bytes) -> Iterator[str]:
        """Take them out of what stands in front of the grains, `front`, which begins with the header."""
        directory = self._at(front, self.header.directory, self.header.tables * 4)
        if directory is None:
            yield "its grain directory lies outside of what stands in front of the grains"
            return
        places: set[int] = set()
        for number, sector in enumerate(entries_of(directory)):
            if not sector:
                continue
            table = self._at(front, sector, TABLE_ENTRIES * 4)
            if table is None or sector in places:
                yield f"entry {number} of the grain directory names sector {sector}, where no table of its own is"
                return
            places.add(sector)
            self.tables[number] = entries_of(table)

    def _at(self, front: bytes, sector: int, length: int) -> bytes | None:
        data = front[sector * SECTOR : sector * SECTOR + length]
        return data if len(data) == length else None

    def grain(self, number: int, sector: int) -> str | None:
        self.seen += 1
        table = self.tables.get(number // TABLE_ENTRIES)
        entry = table[number % TABLE_ENTRIES] if table else 0
        if entry == sector:
            return None
        return f"its grain table has grain {number} at sector {entry}, it is at {sector}"

    def end_faults(self) -> Iterator[str]:
        told = sum(entry > ZEROED for table in self.tables.values() for entry in table)
        if told > self.seen:
            yield f"its grain tables have {told} grains, {self.seen} are there: it is cut short"
