"""Content libraries: an OVA becomes an item, and an item a VM."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from steps.clients.vsphere import inventory
from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.files import CHUNK_BYTES
from steps.clients.vsphere.inventory import Site
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.rest import Rest, error_of, messages, session
from steps.domain.errors import Conflict, HerasphereError, NotFound, Unsupported, VerifyFailed
from steps.domain.image.plan import Provisioning
from steps.domain.image.vm import Mark
from steps.domain.ova.archive import Readable
from steps.domain.wait import SYSTEM_CLOCK, Clock, wait_until

LIBRARY = "content/library"
ITEM = f"{LIBRARY}/item"
UPDATE, FILE = f"{ITEM}/update-session", f"{ITEM}/updatesession/file"
OVF = "vcenter/ovf/library-item"
STORED_WITHIN_S = 1800.0  # vCenter takes the OVA apart and copies its disks once more
DEPLOYED_WITHIN_S = 7200.0  # one call, which answers when the disks are copied
PROVISIONING: Mapping[Provisioning, str] = {"thin": "thin", "thick": "thick", "eager": "eagerZeroedThick"}


def put_ova(
    vsphere: VSphere,
    library: str,
    name: str,
    content: Iterable[bytes] | Readable,
    size_bytes: int,
    sha256: str,
    *,
    tell: Callable[[int], None] = lambda _: None,
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """The id of the library's item with this name, which holds this OVA: made, or in a new version.

    sha256: hex; tell: gets the number of bytes sent, after each piece
    Raises NotFound with the libraries there are, VerifyFailed if the content is not what size and sum say or vCenter
    finds it faulty. After any error the item is as it was before.
    """
    with session(vsphere) as rest:
        inside = _library(rest, library)
        where = f"{library}/{name} at {vsphere.where}"
        with _item_to_fill(rest, inside, name) as item, _update(rest, item) as update:
            spec = {
                "name": f"{name}.ova",
                "source_type": "PUSH",
                "size": size_bytes,
                "checksum_info": {"algorithm": "SHA256", "checksum": sha256},
            }
            added = rest.call("POST", f"{FILE}/id:{update}", {"file_spec": spec}, action="add")
            rest.send(
                _path(added["upload_endpoint"]["uri"]), _checked(content, size_bytes, sha256, where, tell), size_bytes
            )
            _complete(rest, update, where, clock)
        return item


def must_be_there(vsphere: VSphere, library: str) -> None:
    """Raise NotFound, with the libraries there are, unless there is one of this name."""
    with session(vsphere) as rest:
        _library(rest, library)


def item(vsphere: VSphere, path: str) -> str:
    """The id of the item at "LIBRARY/ITEM"; NotFound if there is none."""
    library, _, name = path.partition("/")
    with session(vsphere) as rest:
        found = _item(rest, _library(rest, library), name)
    if found is None:
        hint = "look into the library; upper and lower case count"
        raise NotFound(f"the library {library} has no item {name!r}", where=vsphere.where, hint=hint)
    return found


def deploy(
    site: Site,
    path: str,
    name: str,
    mark: Mark,
    properties: Mapping[str, str],
    *,
    networks: Mapping[str, str] = {},
    provisioning: Provisioning = "thin",
) -> Vm:
    """A VM, marked and off, made of the item at "LIBRARY/ITEM" at this place. Its licences are accepted.

    properties: by their keys in the OVF
    networks:   by the name the OVF has for it, the name at the place; vCenter chooses for those not told
    Raises Conflict if the name is taken or there is no room, Unsupported with whatever else vCenter says. A VM whose
    answer was lost is there without a mark.
    """
    if name in inventory.children(site):
        raise Conflict(f"there is something called {name} already", where=site.vsphere.where, hint="another name")
    body = {"deployment_spec": _spec(site, name, properties, networks, provisioning), "target": _target(site)}
    found = item(site.vsphere, path)
    with session(site.vsphere) as rest:
        done = rest.call("POST", f"{OVF}/id:{found}", body, action="deploy", within_s=DEPLOYED_WITHIN_S)
    if not done.get("succeeded"):
        raise _refused(done, f"{name} at {site.vsphere.where}")
    made = Vm(site.vsphere, str(done["resource_id"]["id"]))
    made.mark(mark)
    return made


def _spec(
    site: Site, name: str, properties: Mapping[str, str], networks: Mapping[str, str], provisioning: Provisioning
) -> dict[str, Any]:
    """What is deployed, and how."""
    mappings = [{"key": key, "value": _moid(inventory.network(site, there))} for key, there in networks.items()]
    spec = {
        "name": name,
        "accept_all_EULA": True,
        "default_datastore_id": _moid(site.datastore),
        "storage_provisioning": PROVISIONING[provisioning],
        "network_mappings": mappings,
    }
    if properties:
        given = [{"id": key, "value": value} for key, value in properties.items()]
        kind = {"@class": "com.vmware.vcenter.ovf.property_params", "type": "PropertyParams"}
        spec["additional_parameters"] = [kind | {"properties": given}]
    return spec


def _target(site: Site) -> dict[str, str]:
    """Where it is deployed."""
    target = {"resource_pool_id": _moid(site.pool), "folder_id": _moid(site.folder)}
    return target if site.host is None else target | {"host_id": _moid(site.host)}


def _refused(done: Mapping[str, Any], where: str) -> HerasphereError:
    """Why nothing was deployed: of the first error if it has a type, else of all their texts."""
    errors = (done.get("error") or {}).get("errors") or []
    for each in errors:
        inside = each.get("error") or {}
        made = error_of(0, inside, where)
        if not isinstance(made, Unsupported):
            return made
    texts = [
        messages(each.get("error") or {}) or (each.get("message") or {}).get("default_message", "") for each in errors
    ]
    what = f"vCenter does not deploy it ({'; '.join(filter(None, texts)) or 'it does not say why'})"
    return Unsupported(what, where=where, hint="look at the item: `hera ova verify` tells faults of an OVA")


def _library(rest: Rest, name: str) -> str:
    """The id of the library into which one can write or from which one can read."""
    known: dict[str, str] = {}
    for each in rest.call("GET", LIBRARY) or []:
        with suppress(NotFound):  # removed meanwhile
            known[rest.call("GET", f"{LIBRARY}/id:{each}")["name"]] = each
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise NotFound(f"there is no content library {name!r}", where=rest.where, hint=f"there are: {there}")
    return known[name]


def _item(rest: Rest, library: str, name: str) -> str | None:
    for each in rest.call("POST", ITEM, {"spec": {"library_id": library, "name": name}}, action="find") or []:
        if rest.call("GET", f"{ITEM}/id:{each}")["name"] == name:  # vCenter's search ignores the case
            return str(each)
    return None


@contextmanager
def _item_to_fill(rest: Rest, library: str, name: str) -> Iterator[str]:
    """The item's id; one that was made here is removed again if it is not filled."""
    found = _item(rest, library, name)
    if found is not None:
        yield found
        return
    spec = {"library_id": library, "name": name, "type": "ovf"}
    made = str(rest.call("POST", ITEM, {"create_spec": spec}))
    try:
        yield made
    except BaseException:
        with suppress(HerasphereError):
            rest.call("DELETE", f"{ITEM}/id:{made}")
        raise


@contextmanager
def _update(rest: Rest, item: str) -> Iterator[str]:
    """An update of the item: what is in it counts once it is complete; ended in any case."""
    update = str(rest.call("POST", UPDATE, {"create_spec": {"library_item_id": item}}))
    try:
        yield update
    except BaseException:
        with suppress(HerasphereError):
            rest.call("POST", f"{UPDATE}/id:{update}", action="cancel")
        raise
    finally:
        with suppress(HerasphereError):
            rest.call("DELETE", f"{UPDATE}/id:{update}")


def _complete(rest: Rest, update: str, where: str, clock: Clock) -> None:
    """vCenter has checked and stored what was sent."""
    found = rest.call("POST", f"{FILE}/id:{update}", action="validate") or {}
    if found.get("has_errors"):
        faults = [
            f"{each['name']}: {each['error_message'].get('default_message', '')}"
            for each in found.get("invalid_files") or ()
        ]
        faults += [f"{name} is missing" for name in found.get("missing_files") or ()]
        what = f"vCenter finds faults in it ({'; '.join(faults)})"
        raise VerifyFailed(what, where=where, hint="`hera ova verify` tells what it finds")
    rest.call("POST", f"{UPDATE}/id:{update}", action="complete")

    def ended() -> Mapping[str, Any] | None:
        seen: Mapping[str, Any] = rest.call("GET", f"{UPDATE}/id:{update}")
        return seen if seen["state"] != "ACTIVE" else None

    hint = "look at vCenter's tasks"
    state = wait_until(ended, what="storing the OVA", where=where, hint=hint, timeout_s=STORED_WITHIN_S, clock=clock)
    if state["state"] != "DONE":
        why = (state.get("error_message") or {}).get("default_message") or state["state"]
        raise VerifyFailed(
            f"vCenter has not taken it ({why})", where=where, hint="`hera ova verify` tells what it finds"
        )


def _checked(
    content: Iterable[bytes] | Readable, size_bytes: int, sha256: str, where: str, tell: Callable[[int], None]
) -> Iterator[bytes]:
    """The content in pieces; VerifyFailed where it is longer, at its end where it is shorter or another."""
    pieces = _pieces(content)
    digest, sent = hashlib.sha256(), 0
    for piece in pieces:
        sent += len(piece)
        if sent > size_bytes:
            break
        digest.update(piece)
        yield piece
        tell(sent)
    if sent != size_bytes or digest.hexdigest() != sha256:
        what = f"the OVA's size or sum is not that told before ({size_bytes} bytes, sha256 {sha256})"
        raise VerifyFailed(what, where=where, hint="did something write to it meanwhile?")


def _pieces(content: Iterable[bytes] | Readable) -> Iterable[bytes]:
    read = getattr(content, "read", None)  # a file is iterable too, by lines
    return content if read is None else iter(lambda: read(CHUNK_BYTES), b"")  # type: ignore[return-value]


def _path(uri: str) -> str:
    """The upload's place at the vCenter, which calls itself by a name that may be unknown here."""
    url = urlsplit(uri)
    return url.path + (f"?{url.query}" if url.query else "")


def _moid(managed: Any) -> str:
    return str(managed._GetMoId())
