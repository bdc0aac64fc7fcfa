"""How far an installation is, told from evidence alone. Time makes a stage stalled; it never makes it done."""

from dataclasses import dataclass
from typing import Literal

from steps.domain.errors import HerasphereError, TimedOut, VerifyFailed
from steps.domain.esxi import EsxiSeen
from steps.domain.host import Host
from steps.domain.identity import Before
from steps.domain.media import Lease

Stage = Literal["boot", "load", "install", "reboot", "done"]


@dataclass(frozen=True)
class Evidence:
    """One look at everything that can tell of the installation."""

    lease: Lease
    seen: EsxiSeen | None  # who answers at the host's address
    power: str
    boot_progress: str


@dataclass(frozen=True)
class Standing:
    """Where the installation stands; `key` changes whenever there is new evidence."""

    stage: Stage
    percent: int
    text: str
    key: tuple[str, int]


def assess(host: Host, before: Before, evidence: Evidence) -> Standing:
    """The stage which the evidence proves; raises when it proves that this installation cannot succeed any more."""
    lease = evidence.lease
    events = {callback.event: callback for callback in lease.callbacks}
    if "pre-failed" in events:
        raise VerifyFailed(
            f"the installer stopped before writing to a disk: {events['pre-failed'].text}",
            where=host.name,
            hint="compare serial and disk in the table with the server",
        )
    if evidence.seen is not None:
        return _answering(host, before, evidence, evidence.seen)
    if "post-ok" in events:
        return Standing("reboot", 90, "installer done, waiting for ESXi to start", ("reboot", 0))
    if lease.kickstart_read_at or "pre-ok" in events:
        checked = "disk and serial checked on the host" if "pre-ok" in events else "kickstart read"
        return Standing("install", 75, f"installing, {checked}", ("install", len(events)))
    if lease.bytes_covered > _read_before_power_on(lease):
        share = lease.bytes_covered / lease.size_bytes
        text = f"loading, {lease.bytes_covered / 2**20:.0f} of {lease.size_bytes / 2**20:.0f} MiB of the ISO read"
        return Standing("load", 10 + int(60 * share), text, ("load", lease.bytes_covered))
    shown = f", BMC says {evidence.boot_progress}" if evidence.boot_progress not in ("", "None") else ""
    return Standing("boot", 5, f"power is {evidence.power}, ISO not read yet{shown}", ("boot", 0))


def _read_before_power_on(lease: Lease) -> int:
    """Bytes covered when the server was started: some BMCs read a part of the ISO as soon as it is inserted."""
    mark = lease.mark("power-on")
    return int(mark.value) if mark and mark.value.isdigit() else 0


def _answering(host: Host, before: Before, evidence: Evidence, seen: EsxiSeen) -> Standing:
    """ESXi answers at the address: the new one, or proof that the server started from its disk."""
    read = evidence.lease.kickstart_read_at is not None or evidence.lease.callbacks
    is_old = before.seen is not None and seen.thumbprint == before.seen.thumbprint
    if is_old or not read:
        who = "the installation from before this run" if is_old else "an ESXi"
        how = "without reading the kickstart of the ISO" if not read else "after the installer had read its kickstart"
        raise VerifyFailed(
            f"stalled at boot: {who} answers at {host.network.address}, {how}: the server started from its disk",
            where=host.name,
            hint="check boot mode and boot order at the BMC, and that virtual media is licensed and allowed to boot",
        )
    return Standing("done", 100, f"ESXi {seen.version} build {seen.build} answers", ("done", 0))


class StallWatch:
    """Raises when a stage has gone too long without new evidence; names the stage and what was missing."""

    def __init__(self, host: Host, now_s: float) -> None:
        self.host = host
        self.since_s = now_s
        self.key: tuple[str, int] | None = None

    def check(self, standing: Standing, now_s: float) -> None:
        """Take note of one standing; raise TimedOut if it is the same for longer than the stage may take."""
        if standing.key != self.key:
            self.key, self.since_s = standing.key, now_s
            return
        waited_s = now_s - self.since_s
        if waited_s > _limit_s(self.host, standing.stage):
            raise _stalled(self.host, standing, waited_s)


def _limit_s(host: Host, stage: Stage) -> int:
    timeouts = host.timeouts
    limits = {"boot": timeouts.boot_s, "load": timeouts.load_s, "install": timeouts.install_s}
    return limits.get(stage, timeouts.reboot_s)


def _stalled(host: Host, standing: Standing, waited_s: float) -> HerasphereError:
    hints = {
        "boot": "the BMC never read the ISO: look at the server's console; check boot mode, virtual media licence, and "
        "that the BMC reaches the media service (`hera doctor`)",
        "load": "the BMC stopped reading the ISO: check the network between the BMC and the media service",
        "install": "look at the server's console: the installer shows a fault there (disk, NIC, password)",
        "reboot": "look at the server's console; check the management NIC's cable and VLAN",
    }
    what = f"stalled at {standing.stage}: {standing.text}; nothing new for {waited_s:.0f} s"
    return TimedOut(what, where=host.name, hint=hints[standing.stage])


InstallAction = Literal["power-on", "watch"]


def decide_start(lease: Lease, power: str) -> InstallAction:
    """Whether the server must still be started. A step that runs a second time never starts it twice.

    A server that is on after this run started it is installing, whatever it shows; only one that is off and has read
    nothing of the ISO since may be started again.
    """
    if lease.mark("power-on") is None:
        return "power-on"
    if power == "off" and lease.bytes_covered <= _read_before_power_on(lease):
        return "power-on"
    return "watch"
