"""A BMC in this project's words. Each change looks first, is sent once, and is read back before it is believed."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeVar

import sushy.exceptions

from steps.clients.redfish.errors import AnswerLost, of_sushy, said, translated
from steps.clients.redfish.families import choose
from steps.clients.redfish.families.standard import managers_of
from steps.clients.redfish.reading import read_boot_progress, read_facts, read_power
from steps.clients.redfish.session import OneAtATime
from steps.clients.redfish.ways import Slot, System, Ways
from steps.domain.bmc import BmcFacts, BootOverride, Power, VirtualCd
from steps.domain.errors import HerasphereError, NotFound, TimedOut, Unavailable, Unsupported, VerifyFailed
from steps.domain.host import BootMode
from steps.domain.wait import Clock, wait_until

INSERT_TIMEOUT_S = 60.0
INSERT_TRIES = 3  # a BMC that is still letting go of the last medium answers 5xx
EJECT_TIMEOUT_S = 30.0
BOOT_TIMEOUT_S = 15.0
POWER_TIMEOUT_S = 120.0
REFUSED_S = 3.0  # how long a refused change is given to have come true all the same

_CD_TARGETS = frozenset({"Cd", "UsbCd"})  # Supermicro shows its virtual CD as a USB one
_TASK_FAILED = frozenset({"Exception", "Killed", "Cancelled", "Interrupted"})

Seen = TypeVar("Seen")


class BmcClient:
    """One BMC with its one server, logged in; made by `connect`. Not for use from several threads at once."""

    def __init__(self, root: Any, connector: OneAtATime, *, where: str, clock: Clock) -> None:
        self._root = root
        self._connector = connector
        self._where = where
        self._clock = clock

    def facts(self) -> BmcFacts:
        with translated(self._where):
            system = self._system()
            try:
                nics = [nic.json for nic in system.ethernet_interfaces.get_members()]
            except (sushy.exceptions.MissingAttributeError, sushy.exceptions.ResourceNotFoundError):
                nics = []
            return read_facts(system.json, self._managers(system), nics)

    def cd(self) -> VirtualCd:
        """The first slot which holds a medium, else the first: what would be booted from is what is told."""
        return self._used_slot()[1]

    def insert(self, url: str) -> VirtualCd:
        """The image at `url` is in the slot, alone and read back; what was in there is ejected first."""
        slot, seen = self._used_slot()
        if seen.inserted:
            self._eject(slot)
        for left in reversed(range(INSERT_TRIES)):
            try:
                return self._insert(slot, url)
            except AnswerLost:
                raise
            except Unavailable:
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def eject(self) -> VirtualCd:
        """Nothing is in the slot, as read back."""
        slot, seen = self._used_slot()
        return self._eject(slot) if seen.inserted else seen

    def boot_override(self) -> BootOverride:
        with translated(self._where):
            return self._ways.see_boot(self._system())

    def boot_once_from_cd(self, mode: BootMode) -> BootOverride:
        """The next start, and only that one, is from the CD, in this mode where the BMC knows of modes."""
        wanted = BootOverride(enabled="Once", target="Cd", mode={"uefi": "UEFI", "bios": "Legacy"}[mode])

        def reached(seen: BootOverride) -> bool:
            return seen.enabled == "Once" and seen.target in _CD_TARGETS and seen.mode in ("", wanted.mode)

        return self._set_boot(wanted, reached)

    def clear_boot_override(self) -> BootOverride:
        """No boot override is set."""
        wanted = BootOverride(enabled="Disabled", target="None", mode="")
        return self._set_boot(wanted, lambda seen: seen.enabled == "Disabled")

    def power(self) -> Power:
        with translated(self._where):
            return read_power(self._system().json)

    def power_off(self) -> Power:
        """The server is off, at once and without asking its operating system."""
        return self._switch("off")

    def power_on(self) -> Power:
        return self._switch("on")

    def boot_progress(self) -> str:
        """Redfish BootProgress.LastState, "" where the BMC does not tell."""
        with translated(self._where):
            return read_boot_progress(self._system().json)

    # Below: how

    @cached_property
    def _ways(self) -> Ways:
        system = self._system()
        return choose(read_facts(system.json, self._managers(system), ()))

    @cached_property
    def _slots(self) -> list[Slot]:
        slots = self._ways.cd_slots(self._system())
        if not slots:
            raise Unsupported(
                "the BMC offers no virtual CD that can be written",
                where=self._where,
                hint="see whether the BMC's licence includes virtual media, and whether it is enabled",
            )
        return slots

    @cached_property
    def _system_path(self) -> str:
        paths = self._root.get_system_collection().members_identities
        if not paths:
            raise Unavailable("the BMC lists no system", where=self._where, hint="wait until the BMC has started")
        if len(paths) > 1:
            raise Unsupported(
                f"the BMC lists {len(paths)} systems: {', '.join(paths)}",
                where=self._where,
                hint="name the BMC of the one server in bmc.url: a chassis manager with several is not supported",
            )
        return str(paths[0])

    def _system(self) -> System:
        """Read anew: sushy's objects never refresh themselves."""
        return self._root.get_system(self._system_path)

    def _managers(self, system: System) -> list[dict[str, Any]]:
        return [manager.json for manager in managers_of(system)]

    def _used_slot(self) -> tuple[Slot, VirtualCd]:
        with translated(self._where):
            seen = [(slot, self._see_cd(slot)) for slot in self._slots]
        return next(((slot, cd) for slot, cd in seen if cd.inserted), seen[0])

    def _see_cd(self, slot: Slot) -> VirtualCd:
        slot.refresh(force=True)
        return self._ways.see_cd(slot)

    def _insert(self, slot: Slot, url: str) -> VirtualCd:
        self._connector.task = ""

        def reached(cd: VirtualCd) -> bool:
            self._check_task(url)
            return cd.inserted and cd.image == url

        try:
            return self._change(
                lambda: self._ways.insert(slot, url),
                see=lambda: self._see_cd(slot),
                reached=reached,
                what=f"the insertion of {url}",
                timeout_s=INSERT_TIMEOUT_S,
            )
        except Unsupported as error:
            raise Unsupported(
                error.what, where=error.where, hint=f"check that the BMC's network reaches {url}; {error.hint}"
            ) from error

    def _check_task(self, url: str) -> None:
        """Raise what the task of a 202 says of its failure; a task which is gone tells nothing."""
        if not self._connector.task:
            return
        try:
            with translated(self._where):
                task = self._connector.get(self._connector.task).json()
        except NotFound:
            return
        if task.get("TaskState") in _TASK_FAILED:
            messages = said({"@Message.ExtendedInfo": task.get("Messages") or []})
            raise Unsupported(
                f"the BMC gave up inserting {url} ({task['TaskState']}{': ' + messages if messages else ''})",
                where=self._where,
                hint="see the BMC's own log",
            )

    def _eject(self, slot: Slot) -> VirtualCd:
        try:
            return self._change(
                lambda: self._ways.eject(slot),
                see=lambda: self._see_cd(slot),
                reached=lambda cd: not cd.inserted,
                what="the ejection",
                timeout_s=EJECT_TIMEOUT_S,
            )
        except TimedOut as late:
            raise VerifyFailed(late.what, where=late.where, hint="eject it in the BMC's own web page") from late

    def _set_boot(self, wanted: BootOverride, reached: Callable[[BootOverride], bool]) -> BootOverride:
        now = self.boot_override()
        if reached(now):
            return now
        try:
            return self._change(
                lambda: self._ways.set_boot(self._system(), wanted),
                see=lambda: self._ways.see_boot(self._system()),
                reached=reached,
                what=f"the boot override {_told(wanted)}",
                timeout_s=BOOT_TIMEOUT_S,
            )
        except TimedOut as late:
            raise VerifyFailed(
                late.what, where=late.where, hint="see whether the BMC lets boot override and mode be changed"
            ) from late

    def _switch(self, to: Literal["on", "off"]) -> Power:
        now = self.power()
        if now == to:
            return now
        return self._change(
            lambda: None if now == f"turning-{to}" else self._ways.switch(self._system(), to),
            see=lambda: read_power(self._system().json),
            reached=lambda seen: seen == to,
            what=f"power {to}",
            timeout_s=POWER_TIMEOUT_S,
        )

    def _change(
        self,
        act: Callable[[], None],
        *,
        see: Callable[[], Seen],
        reached: Callable[[Seen], bool],
        what: str,
        timeout_s: float,
    ) -> Seen:
        """Send once, then read until it came true: also where the answer was lost, or was a no that came too late."""
        failure = self._try(act)
        patience_s = timeout_s if failure is None or isinstance(failure, AnswerLost) else REFUSED_S
        last: list[Seen] = []

        def probe() -> Seen | None:
            with translated(self._where):
                last[:] = [see()]
            return last[0] if reached(last[0]) else None

        try:
            return wait_until(
                probe, what=what, where=self._where, hint="", timeout_s=patience_s, every_s=1.0, clock=self._clock
            )
        except TimedOut as late:
            if failure is not None:
                raise failure from late
            raise TimedOut(
                f"{late.what}; the BMC shows {_told(last[0])}",
                where=self._where,
                hint="see the BMC's own log and web page",
            ) from late

    def _try(self, act: Callable[[], None]) -> HerasphereError | None:
        """Act; return the refusal, also one which sushy kept to itself."""
        self._connector.refused = None
        try:
            with translated(self._where):
                act()
        except HerasphereError as error:
            return error
        swallowed = self._connector.refused
        return None if swallowed is None else of_sushy(swallowed, self._where)


def _told(seen: object) -> str:
    """A state as a person says it."""
    if isinstance(seen, VirtualCd):
        return f"{seen.image or 'an unnamed medium'} in {seen.slot}" if seen.inserted else f"nothing in {seen.slot}"
    if isinstance(seen, BootOverride):
        mode = f" in mode {seen.mode}" if seen.mode else ""
        return "none" if seen.enabled == "Disabled" else f"{seen.target} {seen.enabled}{mode}"
    return f"power {seen}"
