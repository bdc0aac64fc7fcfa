"""Check an OVA: the tar, the order of its files, the manifest, the descriptor against the files, each disk.

One pass over the archive, in bounded memory, whatever is in it. All faults are told, each with its place.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from steps.domain.ova import tar
from steps.domain.ova.against import Contents, SeenFile, against
from steps.domain.ova.archive import Archive, Readable
from steps.domain.ova.manifest import Line, read_manifest
from steps.domain.ovf.checks import descriptor_faults
from steps.domain.ovf.reading import ReadDescriptor, read_descriptor
from steps.domain.ovf.xml import MAX_BYTES, BadXml
from steps.domain.vmdk import VmdkStream

MOST_FAULTS = 200
SMALL = {".ovf": MAX_BYTES, ".mf": 2**20}
AGAIN = "copy or export it again, and compare its checksum with the one at its source"
REBUILD = "build it again; importers may refuse it"


@dataclass(frozen=True)
class OvaFault:
    place: str  # "box.ovf:12", "box-disk1.vmdk, byte 65536", "byte 1024"; "" for the whole
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message} ({self.hint})" if self.place else f"{self.message} ({self.hint})"


@dataclass
class Verdict:
    """What was found; it is sound if there are no faults."""

    faults: list[OvaFault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[SeenFile] = field(default_factory=list)
    descriptor: ReadDescriptor | None = None
    size_bytes: int = 0

    def fault(self, place: str, message: str, hint: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(OvaFault(place, message, hint))


def verify(file: Readable, *, seen: Callable[[int], None] = lambda _: None) -> Verdict:
    """Read the archive once, from its first byte to its end, and tell everything that is wrong with it.

    seen: called now and then with how many bytes were read.
    """
    return _Check(file, seen).run()


class _Check:
    def __init__(self, file: Readable, seen: Callable[[int], None]) -> None:
        self.archive = Archive(file)
        self.seen = seen
        self.verdict = Verdict()
        self.manifest: list[Line] | None = None
        self.manifest_name = ""

    def run(self) -> Verdict:
        verdict = self.verdict
        for member, offset in self.archive.members():
            verdict.files.append(self._file(member, offset))
        for fault in self.archive.faults:
            verdict.fault(f"byte {fault.offset}", fault.message, AGAIN)
        if not verdict.files:
            verdict.fault("", "it is no OVA: the tar holds no files", "give an .ova; for an .ovf look at its folder")
        elif self.manifest is None:
            verdict.notes.append("it has no manifest (.mf): nobody can tell whether it is what was built")
        contents = Contents(verdict.files, verdict.descriptor, self.manifest, self.manifest_name)
        for place, message, damaged in against(contents):
            verdict.fault(place, message, AGAIN if damaged else REBUILD)
        verdict.size_bytes = self.archive.offset
        return verdict

    def _file(self, member: tar.Member, offset: int) -> SeenFile:
        """Read one file: all its sums, and what kind of file it is decides what else."""
        if member.format != "ustar":
            self.verdict.notes.append(f"{member.name[:80]}: tar's format is {member.format}, importers want ustar")
        if member.size_bytes >= tar.MOST_OCTAL:
            self.verdict.notes.append(f"{member.name[:80]}: 8 GiB or more, which plain ustar cannot hold")
        suffix = "." + member.name.rpartition(".")[2].lower()
        sums = {name: hashlib.new(name) for name in self._algorithms(member.name)}
        disk = VmdkStream(inflate=True) if suffix == ".vmdk" else None
        kept, small = bytearray(), SMALL.get(suffix, 0)
        for chunk in self.archive.content():
            for each in sums.values():
                each.update(chunk)
            if disk:
                disk.feed(chunk)
            if len(kept) <= small:
                kept += chunk[: small + 1 - len(kept)]
            self.seen(self.archive.offset)
        if not self.archive.cut:
            self._understand(member.name, suffix, bytes(kept))
        facts = disk.finish() if disk else None
        for fault in disk.faults if disk else ():
            self.verdict.fault(f"{member.name[:80]}, byte {fault.offset}", fault.message, AGAIN)
        self.verdict.notes += [f"{member.name[:80]}: {note}" for note in (facts.notes if facts else ())]
        digests = {name: each.hexdigest() for name, each in sums.items()}
        return SeenFile(member.name, member.size_bytes, offset, digests, facts, cut=self.archive.cut)

    def _algorithms(self, name: str) -> set[str]:
        """What the manifest says the file's sum is; what it may say, as long as it was not read."""
        if self.manifest is None:
            return {"sha1", "sha256", "sha512"} if name.lower().endswith((".ovf", ".mf")) else {"sha1", "sha256"}
        return {"sha256", *(line.algorithm for line in self.manifest if line.file == name)}

    def _understand(self, name: str, suffix: str, data: bytes) -> None:
        """Read the descriptor or the manifest; only the first of each counts."""
        if suffix in SMALL and len(data) > SMALL[suffix]:
            self.verdict.fault(name[:80], f"larger than {SMALL[suffix] // 2**20} MiB", REBUILD)
        elif suffix == ".ovf" and self.verdict.descriptor is None:
            try:
                self.verdict.descriptor = read_descriptor(data)
            except BadXml as error:
                self.verdict.fault(f"{name[:80]}:{error.line}", str(error), REBUILD)
                return
            for fault in descriptor_faults(self.verdict.descriptor):
                self.verdict.fault(f"{name[:80]}:{fault.line}", fault.message, REBUILD)
        elif suffix == ".mf" and self.manifest is None:
            self.manifest, faults = read_manifest(data.decode("utf-8", "replace"))
            self.manifest_name = name
            for message in faults:
                self.verdict.fault(name[:80], message, REBUILD)
