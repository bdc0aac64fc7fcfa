"""Is what answers now the installation this run made? Decided from what was read; nobody is asked here.

A real ESXi shows no word of the kickstart that made it, so this goes by what it does show: its certificate, its install
date, its boot time, its clock. The rules are built so that an installation from before the run is never taken for this
run's, with whatever password and address it has and however wrong the server's clock is:

* Clocks are compared with themselves only. "Installed 20 minutes ago" is the host's `now` minus the host's install
  date, held against how long ago, by the media service's clock, this run started the server. At which moment between
  the installer's start and the first boot ESXi takes its install date is not documented, so any of them will do.
* That a clock is steady between installation and now is believed only if there is a reason for it: it shows about the
  right time (an empty CMOS battery makes each boot start at the same date, so that ages mean nothing), or the install
  date comes after what the clock showed before the run, or the installer itself reported that it finished.
* If the clock was set after the installation, the install date is compared with what the clock showed before the run;
  that needs an old installation which could be asked.

What is left: two installations of one host made exactly as far apart as its clock was set in between, when the old one
could not be looked at before. `proof: one-time-password` leaves nothing, at the price of setting the root password
twice.
"""

from dataclasses import dataclass
from datetime import timedelta

from steps.domain.errors import VerifyFailed
from steps.domain.esxi import EsxiFacts
from steps.domain.host import Host, Iso, Proof
from steps.domain.identity import Before
from steps.domain.media import CallbackEvent, Lease

POWER_ON_MARK = "power-on"  # left by `install` when it starts the server
PROVED_MARK = "proved"  # left by `verify` once the one-time password opened the host; its value is the thumbprint

ROUNDING = timedelta(seconds=5)  # whole seconds, and some drift
CLOCK_SET = timedelta(seconds=120)  # more than this is not explained by the time between look and power-on
FIRST_BOOT = timedelta(minutes=10)  # the install date may be taken as late as at the end of the first boot
LOCAL_TIME = timedelta(hours=15)  # a clock that keeps local time is off by up to 14 h; one that was reset, by years
LOOK_TO_START = timedelta(hours=24)  # how long before the power-on the old installation may have been looked at

STRICTER = "set `proof: one-time-password` for this host and install it again"
STARTED_FROM_DISK = (
    "the server started from its disk: check boot mode and boot order at the BMC, "
    "and that virtual media is licensed and allowed to boot"
)


@dataclass(frozen=True)
class Verdict:
    """proven, with the evidence; or not, with the first thing that speaks against it, and what to do."""

    proven: bool
    reasons: tuple[str, ...]
    hint: str = ""  # empty only when proven


def judge(
    proof: Proof,
    *,
    before: Before,
    after: EsxiFacts,
    iso: Iso,
    lease: Lease,
    logged_in_with_one_time_password: bool,
) -> Verdict:
    """Whether `after` was installed by the run that holds `lease`.

    lease: read right after `after`, so that what the host's clock counts is never more than what the service's counts
    """
    if (after.version, after.build) != (iso.version, iso.build):
        found = f"it runs ESXi {after.version} build {after.build}, the ISO is {iso.version} build {iso.build}"
        return _no(found, STARTED_FROM_DISK)
    if proof == "one-time-password":
        return _by_password(after, lease, logged_in_with_one_time_password)
    return _is_old(before, after) or _not_started(lease) or _by_date(before, after, lease)


def check_asked_for(host: Host, facts: EsxiFacts) -> None:
    """Raise VerifyFailed unless this is the table's server, with the ISO's ESXi, on the disk and address asked for."""
    wanted, shown = host.network, facts.hostname.casefold()
    names = (wanted.hostname.casefold(), wanted.hostname.casefold().split(".")[0])
    checks = (
        ("serial number", facts.serial, host.serial, facts.serial.strip().casefold() in ("", host.serial.casefold())),
        ("NICs", ", ".join(facts.macs), wanted.mac, wanted.mac in facts.macs),
        ("version", facts.version, host.iso.version, facts.version == host.iso.version),
        ("build", facts.build, host.iso.build, facts.build == host.iso.build),
        ("addresses", ", ".join(facts.addresses), wanted.address, wanted.address in facts.addresses),
        ("host name", facts.hostname, wanted.hostname, shown in names),
        ("system disk", ", ".join(facts.system_disks), host.disk.id, _is_on_disk(host.disk.id, facts)),
    )
    wrong = [f"{name} {found or 'none'} instead of {asked}" for name, found, asked, fits in checks if not fits]
    if wrong:
        raise VerifyFailed(
            f"the host shows {'; '.join(wrong)}",
            where=f"{host.name}, {wanted.address}",
            hint="another host may have this address, or another installation may have started: look at its console",
        )


def _is_on_disk(disk: str, facts: EsxiFacts) -> bool:
    """True also where the table or the API names no disk."""
    return not disk or not facts.system_disks or disk in facts.system_disks


def _by_password(after: EsxiFacts, lease: Lease, logged_in: bool) -> Verdict:
    """No other installation can know the password; once it was replaced, the certificate it was seen with tells."""
    if logged_in:
        return Verdict(True, ("it was opened with the one-time password, which only this run's kickstart holds",))
    proved = lease.mark(PROVED_MARK)
    if proved and proved.value == after.thumbprint:
        return Verdict(True, ("it has the certificate of the host that this run's one-time password opened",))
    return _no("this run's one-time password never opened it: it is another installation", STARTED_FROM_DISK)


def _is_old(before: Before, after: EsxiFacts) -> Verdict | None:
    """The verdict if this is the installation from before the run; None if it is another, or none was seen."""
    if before.seen and before.seen.thumbprint == after.thumbprint:
        return _no("it has the certificate of the installation from before this run", STARTED_FROM_DISK)
    old = _same_server(before, after)
    if old and old.install_date and old.install_date == after.install_date:
        return _no("it has the install date of the installation from before this run", STARTED_FROM_DISK)
    return None


def _not_started(lease: Lease) -> Verdict | None:
    """The verdict if the server was not started by this run, or the kickstart was never read; else None."""
    if lease.mark(POWER_ON_MARK) is None:
        return _no("there is no record that this run started the server", "start a new run for this host")
    if lease.kickstart_read_at is None and not (_reported(lease, "pre-ok") or _reported(lease, "post-ok")):
        return _no("the kickstart was never read in this run", STARTED_FROM_DISK)
    return None


def _by_date(before: Before, after: EsxiFacts, lease: Lease) -> Verdict:
    """The last question: was it installed since this run started the server?"""
    installed, booted, started = after.install_date, after.boot_time, lease.mark(POWER_ON_MARK)
    if installed is None or booted is None or started is None:
        return _no("its API tells no install date or no boot time, so nothing ties it to this run", STRICTER)
    off, age, elapsed = after.now - lease.now, after.now - installed, lease.now - started.at
    old = _same_server(before, after)
    follows = old is not None and old.now <= installed <= old.now + LOOK_TO_START + elapsed
    was_set = old is not None and abs(off - (old.now - started.at)) > CLOCK_SET
    fits = -ROUNDING <= age <= elapsed + ROUNDING and installed <= booted + FIRST_BOOT
    steady = abs(off) <= LOCAL_TIME or follows or _reported(lease, "post-ok")
    changed = ("its certificate is new",) if before.seen else ()
    if fits and steady:
        return Verdict(True, (*changed, f"installed {_words(age)} ago, since this run started the server"))
    if follows and was_set:
        return Verdict(True, (*changed, "installed after the old installation was looked at; its clock was set since"))
    if fits:
        reason = f"its clock is off by {_words(off)}, so its install date may be an old one"
    elif age < timedelta(0):
        reason = "its install date lies in its future: its clock was set"
    else:
        reason = f"by its own clock it was installed {_words(age)} ago, which is not within this run"
    return _no(reason, f"if no older installation started from the disk, its clock was set: {STRICTER}")


def _same_server(before: Before, after: EsxiFacts) -> EsxiFacts | None:
    """What was read before the run, if it was read from this server and not from another with its address."""
    old = before.facts
    is_same = old is not None and bool(old.serial or old.uuid) and (old.serial, old.uuid) == (after.serial, after.uuid)
    return old if is_same else None


def _reported(lease: Lease, event: CallbackEvent) -> bool:
    """Whether this run's installer sent this; the address it reports to stands in this run's kickstart only."""
    return any(callback.event == event for callback in lease.callbacks)


def _words(span: timedelta) -> str:
    seconds = int(abs(span).total_seconds())
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _no(reason: str, hint: str) -> Verdict:
    return Verdict(False, (reason,), hint)
