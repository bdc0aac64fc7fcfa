"""A VM as it is found, the mark by which it is known to be a run's own, and what may be done with it."""

from typing import Literal

from steps.domain.errors import Conflict, Refused
from steps.domain.host import Frozen

MARK_RUN, MARK_NAME = "herasphere.run", "herasphere.name"


class Mark(Frozen):
    """What a VM is marked with when it is made. name: what it is to be called in the end"""

    run: str
    name: str

    @property
    def extra_config(self) -> dict[str, str]:
        return {MARK_RUN: self.run, MARK_NAME: self.name}


class VmSeen(Frozen):
    """A VM as vCenter shows it."""

    moid: str
    name: str
    uuid: str
    power: Literal["on", "off", "suspended"]
    is_template: bool
    path: str  # of its .vmx: "[datastore] folder/name.vmx"
    has_snapshots: bool
    mark: Mark | None


CreateAction = Literal["create", "take up"]


def decide_create(name: str, own: VmSeen | None, there: VmSeen | None, *, force: bool) -> CreateAction:
    """What to do about the VM of this run.

    own:   the VM that carries this run's mark; there: the one that has the name already
    Raises Conflict for a name that somebody else's VM has, unless force names it.
    """
    if own is not None:
        return "take up"
    if there is not None and not force:
        what = f"there is {'a template' if there.is_template else 'a VM'} {name} already"
        raise Conflict(what, where=there.path, hint="another name; or --force, which replaces it in the end")
    return "create"


def check_own(vm: VmSeen, run: str) -> None:
    """Raise Refused unless this run made the VM: a step never changes another."""
    if vm.mark is None or vm.mark.run != run:
        whose = f"run {vm.mark.run}" if vm.mark else "nobody that herasphere knows"
        raise Refused(f"{vm.name} was made by {whose}", where=vm.path, hint="look whose VM that is")


def temporary_name(name: str, run: str) -> str:
    """What a VM is called while one of its final name is still there."""
    return f"{name[: 79 - len(run)]}-{run}"
