"""What earlier versions left in the namespace."""

from collections.abc import Collection, Iterable

from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import NotFound, Refused
from workflows.deploy.apply import Change
from workflows.deploy.kinds import KINDS, Manifest, label_of
from workflows.deploy.manifest import OURS
from workflows.deploy.server import Server

DATA = ("PersistentVolumeClaim", "Secret")  # removed only by name
NEVER = ("Namespace",)  # it may hold what is not ours


def left_over(server: Server, wanted: Iterable[Manifest], named: Collection[str] = ()) -> list[Change]:
    """Objects that an earlier version deployed and this one does not have; of those with data, the named ones.

    named: KIND/NAME; Refused for one that is not such an object
    """
    keep = {label_of(each) for each in wanted} | {f"Secret/{MEDIA_TOKEN.name}"}  # made once, in no list of objects
    found = [
        Change(kind, each["metadata"]["name"], "removed")
        for kind in KINDS
        if kind not in NEVER
        for each in server.listed(kind, OURS)
    ]
    left = [each for each in found if str(each) not in keep]
    data = {str(each) for each in left if each.kind in DATA}
    for name in named:
        if name not in data:
            known = ", ".join(sorted(data)) or "there are none"
            hint = f"KIND/NAME of what an earlier version left and holds data: {known}"
            raise Refused(f"{name} is not among what can be removed", where="--prune-data", hint=hint)
    return [each for each in left if each.kind not in DATA or str(each) in named]


def remove(server: Server, changes: Iterable[Change]) -> None:
    """Delete these objects; one that is gone already is as good."""
    for each in changes:
        try:
            server.delete(each.kind, each.name)
        except NotFound:
            continue
