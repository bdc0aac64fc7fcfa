"""What differs from vendor to vendor, as a value: one Ways holds the functions by which a family of BMCs is worked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from steps.domain.bmc import BootOverride, VirtualCd

System = Any  # sushy.resources.system.system.System; sushy has no types
Slot = Any  # sushy.resources.manager.virtual_media.VirtualMedia


@dataclass(frozen=True)
class Ways:
    """How a family of BMCs is worked. Each function sends what it must, once; the client reads back what came of it.

    They raise sushy's exceptions, which the client translates.
    """

    family: str
    cd_slots: Callable[[System], list[Slot]]  # those a CD image can be put into, the preferred one first
    see_cd: Callable[[Slot], VirtualCd]  # of a slot just read
    insert: Callable[[Slot, str], None]  # of the image at this URL, into an empty slot
    eject: Callable[[Slot], None]
    see_boot: Callable[[System], BootOverride]  # of a system just read
    set_boot: Callable[[System, BootOverride], None]  # a mode of "" is left alone
    switch: Callable[[System, Literal["on", "off"]], None]
