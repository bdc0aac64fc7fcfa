"""An OVA's files against what its descriptor and its manifest say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from steps.domain.ova.manifest import Line
from steps.domain.ovf.reading import ReadDescriptor
from steps.domain.vmdk import VmdkFacts


@dataclass(frozen=True)
class SeenFile:
    """A file of the archive as it is."""

    name: str
    size_bytes: int
    offset: int
    digests: dict[str, str]  # by algorithm, as hashlib calls it
    disk: VmdkFacts | None
    cut: bool  # the archive ends in it


@dataclass(frozen=True)
class Contents:
    files: list[SeenFile]
    descriptor: ReadDescriptor | None  # None: there is none that can be read
    manifest: list[Line] | None
    manifest_name: str


Finding = tuple[str, str, bool]  # place, what is wrong, whether damage made it so


def against(contents: Contents) -> Iterator[Finding]:
    """Everything that does not fit together."""
    if not contents.files:
        return
    yield from _names(contents)
    yield from _manifest(contents)
    if contents.descriptor is not None:
        yield from _files(contents, contents.descriptor)
        yield from _disks(contents, contents.descriptor)


def _names(contents: Contents) -> Iterator[Finding]:
    names = [file.name for file in contents.files]
    descriptors = [name for name in names if name.lower().endswith(".ovf")]
    if not descriptors:
        yield "", "it has no descriptor (.ovf)", False
    elif names[0] != descriptors[0]:
        yield names[0][:80], f"it stands before the descriptor {descriptors[0][:80]}, which must be first", False
    for name in descriptors[1:]:
        yield name[:80], "a second descriptor", False
    last = len(names) - (2 if names[-1].lower().endswith(".cert") else 1)  # the certificate stands behind it
    if contents.manifest_name and names.index(contents.manifest_name) not in (1, last):
        yield contents.manifest_name[:80], "the manifest must stand right behind the descriptor, or last", False
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield name[:80], "it is there more than once", False


def _manifest(contents: Contents) -> Iterator[Finding]:
    files = {file.name: file for file in contents.files} if contents.manifest is not None else {}
    for line in contents.manifest or ():
        file = files.pop(line.file, None)
        if file is None:
            yield contents.manifest_name[:80], f"it names {line.file[:80]}, which is not there", True
        elif line.algorithm not in file.digests:
            yield contents.manifest_name[:80], f"the {line.algorithm} of {file.name[:80]} was not checked", False
        elif file.digests[line.algorithm] != line.digest and not file.cut:
            told = f"its {line.algorithm} is {file.digests[line.algorithm]}, the manifest says {line.digest}"
            yield file.name[:80], told, True
    for name in files:
        if not name.lower().endswith((".mf", ".cert")):
            yield contents.manifest_name[:80], f"it does not name {name[:80]}", False


def _files(contents: Contents, descriptor: ReadDescriptor) -> Iterator[Finding]:
    """Each referred file is there, of its size, in the order of the references."""
    place = contents.files[0].name[:80]
    files = {file.name: file for file in contents.files}
    for each in descriptor.files:
        file = files.get(each.name)
        if not each.plain:
            yield f"{place}:{each.line}", f"{each.name[:80]} is compressed or cut into chunks: not checked", False
        elif file is None:
            yield f"{place}:{each.line}", f"{each.name[:80]} is not in the archive", True
        elif each.size_bytes is not None and each.size_bytes != file.size_bytes:
            told = f"{each.name[:80]} has {file.size_bytes} bytes, the descriptor says {each.size_bytes}"
            yield f"{place}:{each.line}", told, False
    referred = [each.name for each in descriptor.files if each.name in files]
    others = [name for name in files if name not in set(referred)]
    for name in others:
        if not name.lower().endswith((".ovf", ".mf", ".cert")):
            yield name[:80], "the descriptor does not refer to it", False
    present = [file.name for file in contents.files if file.name in set(referred)]
    for is_there, wanted in zip_longest(present, referred):
        if is_there != wanted:
            yield (is_there or "")[:80], f"{(wanted or 'nothing')[:80]} belongs here, by the order of References", False
            break


def _disks(contents: Contents, descriptor: ReadDescriptor) -> Iterator[Finding]:
    names = {file.id: file.name for file in descriptor.files}
    files = {file.name: file for file in contents.files}
    for each in descriptor.disks:
        file = files.get(names.get(each.file_id, ""))
        if file is None:
            continue
        if file.disk is None:
            yield file.name[:80], f"disk {each.id[:80]!r} is in it, and it is no .vmdk: not checked", False
        elif each.capacity_bytes not in (None, file.disk.capacity_bytes) and file.disk.capacity_bytes:
            told = f"it is a disk of {file.disk.capacity_bytes} bytes, the descriptor says {each.capacity_bytes}"
            yield file.name[:80], told, False
