"""Files of a place's datastore: looked for, sent, fetched, moved and removed.

Paths are below the datastore: "herasphere/iso/linux.iso". They travel through the vCenter itself with the session's
cookie: a pod need not reach the ESXi hosts, nor trust each one's certificate.
"""

import http.client
import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote, urlencode

from pyVmomi import vim

from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.faults import UNREACHABLE, translated, unreachable
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.properties import finish, read
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable

CHUNK_BYTES = 1 << 20
IDLE_S = 120.0  # for one write or read; a vCenter under load stands still for a while
STORED_WITHIN_S = 900.0  # for the answer after the last byte: large files are written out first
FULL_STATUS = 507


def size_bytes(site: Site, path: str) -> int | None:
    """How large the file is; None if it, or its folder, is not there."""
    folder, name = posixpath.split(path)
    spec = vim.host.DatastoreBrowser.SearchSpec(
        matchPattern=[name], details=vim.host.DatastoreBrowser.FileInfo.Details(fileSize=True, fileType=False,
                                                                                  modification=False, fileOwner=False)
    )  # fmt: skip
    browser = read(site.vsphere, site.datastore, "browser")["browser"]
    try:
        task = browser.SearchDatastore_Task(datastorePath=site.path(folder), searchSpec=spec)
        found = finish(site.vsphere, task, where=site.path(path))
    except (NotFound, vim.fault.FileNotFound):
        return None
    return next((int(each.fileSize or 0) for each in found.file or [] if each.path == name), None)


def free_bytes(site: Site) -> int:
    """The room that is left in the datastore, as it is just now."""
    site.datastore.RefreshDatastore()
    return int(read(site.vsphere, site.datastore, "summary.freeSpace")["summary.freeSpace"])


def make_folder(site: Site, path: str) -> None:
    """The folder is there, with all above it."""
    with suppress(vim.fault.FileAlreadyExists):
        site.vsphere.content.fileManager.MakeDirectory(
            name=site.path(path), datacenter=site.datacenter, createParentDirectories=True
        )


def move(site: Site, source: str, target: str) -> None:
    """The file has the other name; one that was there is replaced."""
    manager = site.vsphere.content.fileManager
    task = manager.MoveDatastoreFile_Task(
        sourceName=site.path(source),
        sourceDatacenter=site.datacenter,
        destinationName=site.path(target),
        destinationDatacenter=site.datacenter,
        force=True,
    )
    finish(site.vsphere, task, where=site.path(source))


def remove(site: Site, path: str) -> None:
    """The file or folder is gone; twice is fine."""
    manager = site.vsphere.content.fileManager
    try:
        task = manager.DeleteDatastoreFile_Task(name=site.path(path), datacenter=site.datacenter)
        finish(site.vsphere, task, where=site.path(path))
    except (NotFound, vim.fault.FileNotFound):
        pass


def send(
    site: Site, path: str, content: Iterable[bytes], length_bytes: int, tell: Callable[[int], None] = lambda _: None
) -> None:
    """The file holds this content, replaced if there was one; its folder must be there.

    tell: gets the number of bytes sent, after each piece
    Raises Conflict if there is no room. After any error a part of the file may be there: use a name of your own.
    """
    with _open(site, path) as (connection, url):
        connection.putrequest("PUT", url)
        connection.putheader("Cookie", site.vsphere.cookie)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(length_bytes))
        connection.endheaders()
        sent = 0
        try:
            for piece in content:
                connection.send(piece)
                sent += len(piece)
                tell(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered already, and not with success
        if connection.sock is not None:
            connection.sock.settimeout(STORED_WITHIN_S)
        answer = connection.getresponse()
        answer.read()
        _check(answer.status, site, path)


@contextmanager
def fetched(site: Site, path: str) -> Iterator[Iterator[bytes]]:
    """The file's content in pieces; NotFound if it is not there."""
    with _open(site, path) as (connection, url):
        connection.request("GET", url, headers={"Cookie": site.vsphere.cookie})
        answer = connection.getresponse()
        _check(answer.status, site, path)
        yield iter(lambda: answer.read(CHUNK_BYTES), b"")


@contextmanager
def _open(site: Site, path: str) -> Iterator[tuple[http.client.HTTPSConnection, str]]:
    """A connection of its own, as a transfer takes long, and the file's URL on it; the session is known to be alive."""
    vsphere = site.vsphere
    if read(vsphere, vsphere.content.sessionManager, "currentSession")["currentSession"] is None:
        vsphere.login_again(vsphere.stub.cookie)  # a vCenter refuses the reading itself, and that does the same
    connection = connection_to(vsphere)
    query = urlencode({"dcPath": site.datacenter_path, "dsName": site.datastore_name})
    where = f"{site.path(path)} at {vsphere.where}"
    try:
        with translated(where):
            yield connection, f"/folder/{quote(path)}?{query}"
    except HerasphereError:
        raise
    except UNREACHABLE as error:
        raise unreachable(error, where) from error
    finally:
        connection.close()


def connection_to(vsphere: VSphere, host: str = "", port: int = 0) -> http.client.HTTPSConnection:
    """A connection for files, verified as the session's is. host, port: of an ESXi host; empty: the vCenter"""
    return http.client.HTTPSConnection(
        host or vsphere.host, port or vsphere.port, timeout=IDLE_S, context=vsphere.tls, blocksize=CHUNK_BYTES
    )


def _check(status: int, site: Site, path: str) -> None:
    where = site.path(path)
    if status < 300:
        return
    if status == 404:
        raise NotFound("there is no such file or folder", where=where, hint="look into the datastore")
    if status == FULL_STATUS:
        raise Conflict("there is no room", where=where, hint="make room in the datastore, or name another")
    if status == 401:
        raise Unavailable("the session ended meanwhile", where=where, hint="it is tried again")
    if status == 403:
        hint = "give this user Datastore.FileManagement (docs/image-privileges.md)"
        raise AccessDenied("the user may not use files of this datastore", where=where, hint=hint)
    raise Unavailable(f"vCenter answers HTTP {status}", where=where, hint="look whether the datastore is accessible")


def file_of(site: Site, datastore_path: str) -> str:
    """The path below this place's datastore that "[datastore] a/b" means; NotFound if it is another datastore's."""
    datastore, _, path = datastore_path.removeprefix("[").partition("] ")
    if datastore != site.datastore_name:
        hint = f"only {site.datastore_name}, the datastore of the settings, is looked at"
        raise NotFound(f"{datastore_path} is in another datastore", where=site.vsphere.where, hint=hint)
    return path
