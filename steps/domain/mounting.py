"""What to do with a host's virtual CD."""

from typing import Literal

from steps.domain.bmc import VirtualCd

MountAction = Literal["nothing", "insert", "replace"]
EjectAction = Literal["nothing", "eject", "leave"]


def decide_mount(cd: VirtualCd, url: str) -> MountAction:
    """The one move from what is mounted to what is wanted."""
    if cd.inserted and cd.image == url:
        return "nothing"
    return "replace" if cd.inserted else "insert"


def decide_eject(cd: VirtualCd, url: str) -> EjectAction:
    """Eject only what this run mounted; a medium somebody else inserted meanwhile is left alone."""
    if not cd.inserted:
        return "nothing"
    return "eject" if cd.image == url else "leave"
