"""Reading leaf properties, and waiting until they say something.

Only leaf paths are read: pyvmomi fails on whole objects whose enumerations it does not know. Each wait has a property
collector of its own, as versions of the session's common one belong to whoever waits with it first.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pyVmomi import vim, vmodl

from steps.clients.vsphere.connection import VSphere
from steps.clients.vsphere.faults import translated
from steps.domain.errors import HerasphereError, TimedOut

Collector = vmodl.query.PropertyCollector
Found = TypeVar("Found")
Values = dict[str, Any]

LONGEST_WAIT_S = 20


def read(vsphere: VSphere, target: Any, *paths: str) -> Values:
    """The values of these properties; None for one that is not set. NotFound if the object is not there."""
    return read_all(vsphere, [target], *paths)[0]


def read_all(vsphere: VSphere, targets: Sequence[Any], *paths: str) -> list[Values]:
    """The same of several objects of one kind, in their order."""
    if not targets:
        return []
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=target) for target in targets],
        propSet=[Collector.PropertySpec(type=type(targets[0]), pathSet=list(paths))],
    )
    with translated(vsphere.where):
        found = _again(vsphere, lambda: {each._moId: values for each, values in _retrieved(vsphere, spec, paths)})
    return [found.get(target._moId, dict.fromkeys(paths)) for target in targets]


def read_below(vsphere: VSphere, kind: Any, root: Any, *paths: str) -> list[tuple[Any, Values]]:
    """Every object of this kind below the root (None: of the inventory) with its properties, as they are at one moment.

    What goes away meanwhile is left out, where reading one by one would fail.
    """

    def seen() -> list[tuple[Any, Values]]:
        view = vsphere.content.viewManager.CreateContainerView(root or vsphere.content.rootFolder, [kind], True)
        try:
            walk = Collector.TraversalSpec(name="all", type=vim.view.ContainerView, path="view", skip=False)
            spec = Collector.FilterSpec(
                objectSet=[Collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
                propSet=[Collector.PropertySpec(type=kind, pathSet=list(paths))],
            )
            return list(_retrieved(vsphere, spec, paths))
        finally:
            with suppress(vmodl.MethodFault, HerasphereError):
                view.DestroyView()

    with translated(vsphere.where):
        return _again(vsphere, seen)


def _again(vsphere: VSphere, reading: Callable[[], Found]) -> Found:
    """What the reading gives, in a new session where its own turns out to have ended."""
    cookie = vsphere.stub.cookie
    try:
        return reading()
    except vim.fault.NotAuthenticated:
        vsphere.login_again(cookie)
        return reading()


def _retrieved(vsphere: VSphere, spec: Any, paths: Sequence[str]) -> Iterator[tuple[Any, Values]]:
    collector = vsphere.content.propertyCollector
    result = collector.RetrievePropertiesEx(specSet=[spec], options=Collector.RetrieveOptions())
    while result is not None:
        for each in result.objects:
            for missing in each.missingSet:  # an ended session is told of each property, and the call goes well
                if isinstance(missing.fault, vim.fault.NotAuthenticated):
                    raise missing.fault
            yield each.obj, dict.fromkeys(paths) | {prop.name: prop.val for prop in each.propSet}
        result = collector.ContinueRetrievePropertiesEx(token=result.token) if result.token else None


def wait_for(
    vsphere: VSphere,
    target: Any,
    paths: Sequence[str],
    decide: Callable[[Values], Found | None],
    *,
    timeout_s: float,
    what: str,
    where: str,
    hint: str,
    look_again_s: float = LONGEST_WAIT_S,
) -> Found:
    """What `decide` makes of the properties, as soon as it makes something; it is asked at each change.

    TimedOut, naming `what`, after the time. look_again_s: how long to wait for a change before it is asked again
    """
    end = time.monotonic() + timeout_s
    while True:
        with _waiting(vsphere, target, paths) as collector:
            version = ""
            while True:
                values = read(vsphere, target, *paths)
                found = decide(values)
                if found is not None:
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    raise TimedOut(f"{what} did not happen within {timeout_s:g} s", where=where, hint=hint)
                update = _changed(collector, version, min(left, look_again_s))
                if update is None:
                    break  # its session is gone, or nothing came: look with a fresh one
                version = update


@contextmanager
def _waiting(vsphere: VSphere, target: Any, paths: Sequence[str]) -> Iterator[Any]:
    collector = vsphere.content.propertyCollector.CreatePropertyCollector()
    spec = Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=target)],
        propSet=[Collector.PropertySpec(type=type(target), pathSet=list(paths))],
    )
    try:
        collector.CreateFilter(spec, partialUpdates=True)
        yield collector
    finally:
        with suppress(vmodl.MethodFault, HerasphereError):
            collector.DestroyPropertyCollector()


def _changed(collector: Any, version: str, within_s: float) -> str | None:
    """The version after a change; None if none came, or the collector is gone with its session."""
    options = Collector.WaitOptions(maxWaitSeconds=max(1, int(within_s)))
    try:
        update = collector.WaitForUpdatesEx(version=version, options=options)
    except vmodl.fault.ManagedObjectNotFound:
        return None
    return str(update.version) if update else None


def finish(
    vsphere: VSphere,
    task: Any,
    *,
    where: str,
    timeout_s: float = 3600,
    tell: Callable[[int], None] = lambda _: None,
) -> Any:
    """The task's result once it has ended well; the error that its fault is if not. tell: gets its progress in %"""
    paths = ("info.state", "info.progress", "info.error", "info.result")

    def decide(values: Values) -> Values | None:
        if values["info.progress"] is not None:
            tell(int(values["info.progress"]))
        return values if values["info.state"] in ("success", "error") else None

    ended = wait_for(
        vsphere, task, paths, decide, timeout_s=timeout_s, what="vCenter's task", where=where, hint="see its task list"
    )
    if ended["info.state"] == "error":
        with translated(where):
            raise ended["info.error"]
    return ended["info.result"]
