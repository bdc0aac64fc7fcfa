"""An ISO on its way into a datastore: hashed as it passes, under its name only once it is whole and the right one."""

import hashlib
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress

from steps import runtime
from steps.clients.vsphere import files
from steps.clients.vsphere.inventory import Site
from steps.domain.errors import Conflict, HerasphereError, VerifyFailed
from steps.domain.image import cache
from steps.domain.image.plan import IsoSource


def held(site: Site, iso: IsoSource, run: str) -> str:
    """The datastore path of an ISO that is there already, in the cache or where the settings say; "" if it is not."""
    if iso.datastore_path:
        return iso.datastore_path
    path = cache.path_of(iso, run)
    return site.path(path) if files.size_bytes(site, path) else ""


def keep(site: Site, iso: IsoSource, run: str, content: Iterable[bytes], size_bytes: int, source: str) -> str:
    """Stream the ISO into the datastore and return its path there.

    source: where it comes from, for messages
    Raises VerifyFailed for another checksum, Conflict where there is no room. Nothing is left of it then.
    """
    path, partial = cache.path_of(iso, run), cache.partial_path_of(iso, run)
    free_bytes = files.free_bytes(site)
    if free_bytes < size_bytes:
        what = f"the ISO has {size_bytes >> 20} MiB, the datastore has room for {free_bytes >> 20}"
        raise Conflict(what, where=site.path(path), hint="make room in the datastore, or name another")
    files.make_folder(site, posixpath.dirname(path))
    digest = hashlib.new(iso.checksum)
    told = _Told(size_bytes, source)
    try:
        files.send(site, partial, _hashed(content, digest), size_bytes, told.sent)
        if iso.digest and digest.hexdigest() != iso.digest:
            what = f"its {iso.checksum} is {digest.hexdigest()}, iso_checksum says {iso.digest}"
            raise VerifyFailed(
                what, where=source, hint="another mirror; or correct iso_checksum, if you trust this one"
            )
        files.move(site, partial, path)
    except BaseException:
        with suppress(HerasphereError):
            files.remove(site, partial)
        raise
    return site.path(path)


def _hashed(content: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in content:
        digest.update(piece)
        yield piece


class _Told:
    """Tells of the progress at each percent."""

    def __init__(self, size_bytes: int, source: str) -> None:
        self._size_bytes = max(1, size_bytes)
        self._source = source
        self._percent = -1

    def sent(self, done_bytes: int) -> None:
        percent = min(99, 100 * done_bytes // self._size_bytes)
        if percent != self._percent:
            self._percent = percent
            runtime.progress(percent, f"{done_bytes >> 20} of {self._size_bytes >> 20} MiB of {self._source}")
