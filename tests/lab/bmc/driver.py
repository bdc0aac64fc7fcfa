"""What sushy-tools' routes ask for: the server, its boot override and its virtual media, over one `Machine`."""

import ssl
import threading
from dataclasses import dataclass
from typing import Any, cast
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

from sushy_tools import error
from sushy_tools.emulator.resources import vmedia
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

from tests.lab.bmc.faults import Behaviour
from tests.lab.machine import FirmwareMode, Machine

BOOT_TARGETS = ("None", "Pxe", "Cd", "UsbCd", "Hdd", "BiosSetup", "UefiHttp")
BOOT_ENABLED = ("Disabled", "Once", "Continuous")
BOOT_MODES = ("UEFI", "Legacy")


@dataclass
class Override:
    """Redfish's Boot object. `Once` is used up at power-on and reads as Disabled from then on."""

    enabled: str = "Disabled"
    target: str = "None"
    mode: str = "UEFI"

    def apply(self, boot: dict[str, Any]) -> None:
        """Take a PATCH of Boot over, whole or not at all."""
        wanted = {
            "BootSourceOverrideEnabled": ("enabled", BOOT_ENABLED),
            "BootSourceOverrideTarget": ("target", BOOT_TARGETS),
            "BootSourceOverrideMode": ("mode", BOOT_MODES),
        }
        for key, value in boot.items():
            if key not in wanted:
                raise error.BadRequest(f"The property {key} is not in the list of properties that can be written.")
            if value not in wanted[key][1]:
                raise error.BadRequest(f"The value {value!r} of the property {key} is not in the list of allowed ones.")
        for key, value in boot.items():
            setattr(self, wanted[key][0], value)
        if self.target == "None" or self.enabled == "Disabled":
            self.target, self.enabled = "None", "Disabled"

    def start(self, machine: Machine) -> None:
        """Power the machine on as the override says."""
        cd_first = self.enabled != "Disabled" and self.target in ("Cd", "UsbCd")
        machine.power_on(cd_first=cd_first, mode=cast(FirmwareMode, self.mode))
        if self.enabled == "Once":
            self.target, self.enabled = "None", "Disabled"


class MachineDriver(AbstractSystemsDriver):  # type: ignore[misc]
    """One system, the machine."""

    def __init__(self, machine: Machine, behaviour: Behaviour) -> None:
        self.machine = machine
        self.override = Override()
        self.lock = threading.RLock()  # a BMC does one thing to its server at a time
        self._behaviour = behaviour

    @property
    def driver(self) -> str:
        return "<machine>"

    @property
    def systems(self) -> list[str]:
        return [self.machine.uuid]

    def uuid(self, identity: str) -> str:
        if identity != self.machine.uuid:
            raise error.NotFound(f"The resource Systems/{identity} was not found.")
        return self.machine.uuid

    def name(self, identity: str) -> str:
        self.uuid(identity)
        return self.machine.name

    def get_power_state(self, identity: str) -> str:
        self.uuid(identity)
        return "On" if self.machine.is_on else "Off"

    def set_power_state(self, identity: str, state: str) -> None:
        self.uuid(identity)
        with self.lock:
            if state == "GracefulShutdown":
                if self.machine.is_on:
                    self.machine.press_power_button()
                return
            if state not in ("On", "ForceOn", "ForceOff", "ForceRestart", "GracefulRestart", "PowerCycle"):
                raise error.BadRequest(f"The value {state!r} of ResetType is not in the list of allowed ones.")
            if state not in ("On", "ForceOn") and self.machine.is_on:
                self.machine.power_off()
            if state != "ForceOff" and not self.machine.is_on:
                self.override.start(self.machine)

    def get_boot_device(self, identity: str) -> str:
        self.uuid(identity)
        return self.override.target

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        raise error.NotSupportedError("the override is patched as a whole")

    def patch_boot(self, boot: dict[str, Any]) -> None:
        with self.lock:
            if not self._behaviour.boot_swallowed:
                self.override.apply(boot)

    def get_boot_mode(self, identity: str) -> str:
        self.uuid(identity)
        return self.override.mode

    def get_total_memory(self, identity: str) -> float:
        self.uuid(identity)
        return self.machine.memory_mib / 1024

    def get_total_cpus(self, identity: str) -> int:
        self.uuid(identity)
        return self.machine.cpus

    def get_nics(self, identity: str) -> list[dict[str, str]]:
        self.uuid(identity)
        return [{"id": str(number), "mac": mac.upper()} for number, mac in enumerate(self.machine.macs, start=1)]

    def set_boot_image(self, identity: str, device: str, boot_image: str | None = None, **_: object) -> None:
        """Nothing more to do: the media driver has told the machine."""


@dataclass
class Task:
    """A task that ends after so many looks at it or at its slot."""

    identity: str
    url: str
    reads_left: int
    failure: str
    state: str = "Running"


class StreamingMedia(vmedia.BaseDriver):  # type: ignore[misc]
    """Virtual media as real BMCs have them: the URL is looked at, then handed to the machine, which reads it."""

    def __init__(self, driver: MachineDriver, behaviour: Behaviour) -> None:  # none of the base's files on disk
        self._driver = driver
        self._behaviour = behaviour
        self._stale: dict[str, Any] = {}
        self._stale_reads = 0
        self._running: Task | None = None
        self.tasks: dict[str, Task] = {}
        self._device_types = {
            "Cd": {"Name": "Virtual CD", "MediaTypes": ["CD", "DVD"]},
            "Floppy": {"Name": "Virtual Removable Media", "MediaTypes": ["Floppy", "USBStick"]},
        }
        self._devices: dict[tuple[str, str], dict[str, Any]] = {}

    def insert_image(self, identity: str, device: str, image_url: str, *_: object, **__: object) -> str:
        """Insert, or start the task that will."""
        with self._driver.lock:
            slot = self._slot(identity, device)
            if slot.get("Inserted"):
                raise error.Conflict("The virtual media slot has a medium already: eject it first.")
            if device != "Cd":
                raise error.BadRequest(f"The slot {device} takes no image by URL.")
            _look_at(image_url)
            if self._behaviour.insert_is_task:
                self._running = self._start_task(image_url)
            else:
                self._put(slot, image_url)
        return image_url

    def eject_image(self, identity: str, device: str) -> None:
        with self._driver.lock:
            slot = self._slot(identity, device)
            if self._behaviour.eject_swallowed:
                return
            self._stale, self._stale_reads = dict(slot), self._behaviour.stale_reads
            if slot.get("Inserted"):
                self._driver.machine.eject()
            slot.update(Image="", ImageName="", Inserted=False, WriteProtected=False)

    def get_device_image_info(self, identity: str, device: str) -> Any:
        with self._driver.lock:
            slot = self._slot(identity, device)
            if device == "Cd":
                self.advance()
                if self._stale_reads > 0:
                    self._stale_reads -= 1
                    slot = self._stale
        return vmedia.DeviceInfo(
            slot.get("ImageName", ""), slot.get("Image", ""), slot.get("Inserted", False),
            slot.get("WriteProtected", False), "", "", False,
        )  # fmt: skip

    def advance(self) -> None:
        """One more look at the running task or its slot: after enough of them it ends."""
        with self._driver.lock:
            task = self._running
            if task is None:
                return
            task.reads_left -= 1
            if task.reads_left > 0:
                return
            self._running = None
            task.state = "Exception" if task.failure else "Completed"
            if not task.failure:
                self._put(self._slot(self._driver.machine.uuid, "Cd"), task.url)

    def _start_task(self, url: str) -> Task:
        task = Task(str(len(self.tasks) + 1), url, self._behaviour.task_reads, self._behaviour.task_failure)
        self.tasks[task.identity] = task
        return task

    def _slot(self, identity: str, device: str) -> dict[str, Any]:
        self._driver.uuid(identity)
        if device not in self._device_types:
            raise error.NotFound(f"The resource VirtualMedia/{device} was not found.")
        return self._devices.setdefault((identity, device), dict(self._device_types[device]))

    def _put(self, slot: dict[str, Any], url: str) -> None:
        self._driver.machine.insert(url)
        self._stale_reads = 0
        slot.update(Image=url, ImageName=urlsplit(url).path.rsplit("/", 1)[-1], Inserted=True, WriteProtected=True)


def _look_at(url: object) -> None:
    """Refuse what cannot be read, as BMCs do: with 400 and the reason."""
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise error.BadRequest(f"The value {url!r} of the parameter Image is not a URL this service can read.")
    # Real BMCs take any certificate here unless told otherwise
    opener = request.build_opener(
        request.ProxyHandler({}), request.HTTPSHandler(context=ssl._create_unverified_context())
    )
    try:
        opener.open(request.Request(url, method="HEAD"), timeout=10).close()
    except HTTPError as answer:
        answer.close()
        raise error.BadRequest(f"The image {url} cannot be read: its server answers {answer.code}.") from answer
    except OSError as cause:
        raise error.BadRequest(f"The image {url} cannot be reached.") from cause
