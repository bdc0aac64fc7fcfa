"""A VM as it is found, the mark by which it is known to be a run's own, and what may be done with it."""

from collections.abc import Mapping
from typing import Literal, get_args

from steps.domain.errors import Conflict, Refused
from steps.domain.host import Frozen

MARK_RUN, MARK_NAME = "herasphere.run", "herasphere.name"

Note = Literal["importing", "typed", "provisioned", "finished"]  # what a step has done and the VM itself does not show
ORIGIN = ("herasphere.os", "herasphere.iso_checksum")
NOTES: dict[str, Note] = {f"herasphere.{note}": note for note in get_args(Note)}


class Mark(Frozen):
    """What a VM is marked with when it is made. name: what it is to be called in the end"""

    run: str
    name: str

    @property
    def extra_config(self) -> dict[str, str]:
        return {MARK_RUN: self.run, MARK_NAME: self.name}


class Origin(Frozen):
    """What a base image was built from; it stays with its clones. iso_checksum: KIND:HEX; all empty if not known"""

    os_name: str = ""
    iso_checksum: str = ""

    @property
    def extra_config(self) -> dict[str, str]:
        return {key: value for key, value in zip(ORIGIN, (self.os_name, self.iso_checksum), strict=True) if value}

    @classmethod
    def of(cls, extra_config: Mapping[str, str]) -> "Origin":
        """As a VM carries it."""
        return cls(os_name=extra_config.get(ORIGIN[0], ""), iso_checksum=extra_config.get(ORIGIN[1], ""))


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
    notes: dict[Note, str] = {}
    origin: Origin = Origin()

    @property
    def is_finished(self) -> bool:
        """Whether its run has made all of it: a failure of what comes later in the run is none of this VM."""
        return bool(self.mark and self.notes.get("finished") == self.mark.run and self.name == self.mark.name)


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


def decide_replace(there: VmSeen, *, force: bool) -> None:
    """Raise Conflict unless force names the VM that has the name now."""
    if not force:
        what = f"somebody has made another {there.name} meanwhile"
        raise Conflict(what, where=there.path, hint="rename one of them; or --force, which replaces it")


def check_own(vm: VmSeen, run: str) -> None:
    """Raise Refused unless this run made the VM: a step never changes another."""
    if vm.mark is None or vm.mark.run != run:
        whose = f"run {vm.mark.run}" if vm.mark else "nobody that herasphere knows"
        raise Refused(f"{vm.name} was made by {whose}", where=vm.path, hint="look whose VM that is")


def temporary_name(name: str, run: str) -> str:
    """What a VM is called while one of its final name is still there."""
    return f"{name[: 79 - len(run)]}-{run}"
