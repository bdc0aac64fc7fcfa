"""What people and controllers may settle once an object is there: a deployment does not undo it."""

from collections.abc import Callable, Mapping
from copy import deepcopy

from workflows.deploy.kinds import Manifest


def settled(wanted: Manifest, live: Manifest | None) -> Manifest:
    """The object as it is to be applied over the one that is there."""
    made = deepcopy(wanted)
    if live is not None and wanted["kind"] in SETTLED:
        SETTLED[wanted["kind"]](made["spec"], live["spec"])
    return made


def _schedule(spec: Manifest, live: Manifest) -> None:
    """`hera schedule suspend` and `resume` are people's."""
    spec["suspend"] = bool(live.get("suspend"))


def _claim(spec: Manifest, live: Manifest) -> None:
    """A volume has its class for ever, and only grows."""
    if "storageClassName" in live:
        spec.setdefault("storageClassName", live["storageClassName"])
    requests, has = spec["resources"]["requests"], live["resources"]["requests"]["storage"]
    if _bytes(has) > _bytes(requests["storage"]):
        requests["storage"] = has


def _bytes(quantity: str) -> float:
    from kubernetes.utils import parse_quantity

    return float(parse_quantity(quantity))


SETTLED: Mapping[str, Callable[[Manifest, Manifest], None]] = {
    "CronWorkflow": _schedule,
    "PersistentVolumeClaim": _claim,
}
