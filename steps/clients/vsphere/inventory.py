"""Where a VM is to be: the objects that names in a plan mean, each found or told to be missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.properties import Values, read, read_all, read_below
from steps.domain.errors import NotFound
from steps.domain.image.plan import Place


@dataclass(frozen=True)
class Site:
    """The inventory's objects for a place.

    folder:          None if it is missing and was not to be made
    host:            None if the cluster chooses
    datacenter_path: with the folders it is in, as URLs of files have it
    """

    vsphere: VSphere
    datacenter: Any
    datacenter_path: str
    folder: Any
    pool: Any
    host: Any | None
    environment: Any
    datastore: Any
    datastore_name: str

    def path(self, *parts: str) -> str:
        """A path in the datastore: "[datastore] a/b"."""
        return f"[{self.datastore_name}] {'/'.join(parts)}"


def locate(vsphere: VSphere, place: Place, *, make_folder: bool = True) -> Site:
    """The place; NotFound names what there is not, and what there is.

    make_folder: make a VM folder that is missing; else the place has none then
    """
    datacenter = _one(vsphere, vim.Datacenter, place.datacenter, None, "datacenter")
    compute = vim.ComputeResource
    host = None
    if place.cluster:
        environment = _one(vsphere, compute, place.cluster, datacenter, "cluster")
        if place.host:
            host = _one(vsphere, vim.HostSystem, place.host, environment, "host")
    elif place.host:
        host = _one(vsphere, vim.HostSystem, place.host, datacenter, "host")
        environment = read(vsphere, host, "parent")["parent"]
    else:
        found = _one(vsphere, vim.ResourcePool, place.resource_pool, datacenter, "resource_pool")
        environment = read(vsphere, found, "owner")["owner"]
    root_pool = read(vsphere, environment, "resourcePool")["resourcePool"]
    pool = _pool(vsphere, root_pool, place.resource_pool)
    return Site(
        vsphere=vsphere,
        datacenter=datacenter,
        datacenter_path=_path(vsphere, datacenter),
        folder=_folder(vsphere, datacenter, place.folder, make=make_folder),
        pool=pool,
        host=host,
        environment=environment,
        datastore=_named(vsphere, read(vsphere, environment, "datastore")["datastore"], place.datastore, "datastore"),
        datastore_name=place.datastore,
    )


def network(site: Site, name: str) -> Any:
    """The network or distributed port group of this name that the place's hosts have."""
    networks = read(site.vsphere, site.environment, "network")["network"]
    return _named(site.vsphere, networks, name, "network")


def children(site: Site) -> dict[str, Any]:
    """What is in the folder, by name."""
    if site.folder is None:
        return {}
    found = read(site.vsphere, site.folder, "childEntity")["childEntity"] or []
    return dict(zip(_names(site.vsphere, found), found, strict=True))


def _one(vsphere: VSphere, kind: Any, name: str, root: Any, key: str) -> Any:
    return _chosen(vsphere, read_below(vsphere, kind, root, "name"), name, key)


def _named(vsphere: VSphere, found: Sequence[Any], name: str, key: str) -> Any:
    """The one of this name; without a name the only one."""
    values = [{"name": own} for own in _names(vsphere, found)]
    return _chosen(vsphere, list(zip(found, values, strict=True)), name, key)


def _chosen(vsphere: VSphere, found: Sequence[tuple[Any, Values]], name: str, key: str) -> Any:
    names = [_plain(values["name"]) for _, values in found]
    fitting = [each for (each, _), own in zip(found, names, strict=True) if name in ("", own)]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(sorted(set(names))) or "none"
    if not name:
        raise NotFound(f"there is not one {key}", where=vsphere.where, hint=f"name it: {key} is one of {there}")
    if fitting:
        hint = "name the datacenter, the cluster or the host too"
        raise NotFound(f"{key} {name!r} is there {len(fitting)} times", where=vsphere.where, hint=hint)
    raise NotFound(f"there is no {key} {name!r}", where=vsphere.where, hint=f"there is: {there}")


def _names(vsphere: VSphere, found: Sequence[Any]) -> list[str]:
    """Names as people write them: vCenter keeps '/' as %2f."""
    by_kind: dict[Any, list[Any]] = {}
    for each in found:
        by_kind.setdefault(type(each), []).append(each)
    names: dict[str, str] = {}
    for same in by_kind.values():
        for each, values in zip(same, read_all(vsphere, same, "name"), strict=True):
            names[each._moId] = _plain(values["name"])
    return [names[each._moId] for each in found]


def _plain(name: str | None) -> str:
    return (name or "").replace("%2f", "/").replace("%25", "%")


def _path(vsphere: VSphere, datacenter: Any) -> str:
    """The names of what it is in and its own, as vCenter keeps them."""
    names: list[str] = []
    each = datacenter
    while each is not None and each._moId != vsphere.content.rootFolder._moId:
        values = read(vsphere, each, "name", "parent")
        names.insert(0, str(values["name"]))
        each = values["parent"]
    return "/".join(names)


def _pool(vsphere: VSphere, root: Any, path: str) -> Any:
    """The pool at this path below the cluster's own."""
    pool = root
    for name in filter(None, path.split("/")):
        pool = _named(vsphere, read(vsphere, pool, "resourcePool")["resourcePool"], name, "resource_pool")
    return pool


def _folder(vsphere: VSphere, datacenter: Any, path: str, *, make: bool) -> Any:
    """The VM folder at this path, made as far as it is missing; or None."""
    folder = read(vsphere, datacenter, "vmFolder")["vmFolder"]
    for name in filter(None, path.split("/")):
        inside = [each for each in read(vsphere, folder, "childEntity")["childEntity"] if isinstance(each, vim.Folder)]
        known = dict(zip(_names(vsphere, inside), inside, strict=True))
        if name not in known and not make:
            return None
        folder = known[name] if name in known else _made(folder, name)
    return folder


def _made(folder: Any, name: str) -> Any:
    try:
        return folder.CreateFolder(name=name)
    except vim.fault.DuplicateName as fault:  # another build was faster
        return fault.object
