"""Is this the server the table means, and may it be installed? Decided from what was read; nothing is touched."""

from steps.domain.bmc import BmcFacts, VirtualCd
from steps.domain.errors import HerasphereError, Refused, VerifyFailed
from steps.domain.esxi import EsxiFacts, EsxiSeen
from steps.domain.host import Frozen, Host
from steps.domain.media import Lease


class Before(Frozen):
    """What answered at the host's address before this run; the fingerprint the new installation must differ from."""

    seen: EsxiSeen | None = None
    facts: EsxiFacts | None = None  # only where the table's password opened it


def check_server(host: Host, facts: BmcFacts) -> None:
    """Raise Refused unless the server carries the table's serial number and, where the BMC lists NICs, its MAC."""
    where = f"{host.name}, BMC {host.bmc.address}"
    if not facts.serial:
        raise Refused("the BMC tells no serial number", where=where, hint="update the BMC, or set its serial number")
    if facts.serial.strip().casefold() != host.serial.casefold():
        raise Refused(
            f"the BMC's server has the serial number {facts.serial!r}, the table says {host.serial!r}",
            where=where,
            hint="correct the BMC address or the serial number in the table; nothing was touched",
        )
    if facts.macs and host.network.mac not in facts.macs:
        raise Refused(
            f"the server has no NIC {host.network.mac}, but {', '.join(facts.macs)}",
            where=where,
            hint="correct network.mac in the table; nothing was touched",
        )


def check_medium(host: Host, run: str, cd: VirtualCd, lease: Lease | None) -> None:
    """Raise Refused if the virtual CD holds something that is neither ours nor left over by a run that has ended.

    lease: of the medium's URL at our media service, None if that service never gave it out
    """
    if not cd.inserted or not cd.image:
        return
    where = f"{host.name}, BMC {host.bmc.address}"
    if lease is None:
        raise Refused(
            f"its virtual CD holds {cd.image}, which is not from this media service",
            where=where,
            hint="eject it at the BMC if nobody needs it; herasphere ejects only its own media",
        )
    if lease.run != run and not lease.revoked and lease.expires_at > lease.now:
        raise Refused(
            f"run {lease.run} is using its virtual CD",
            where=where,
            hint=f"wait for {lease.run} to end, or stop it",
        )


def check_vacant(host: Host, seen: EsxiSeen | None, *, reinstall: bool) -> None:
    """Raise Refused if ESXi answers at the host's address, unless it was asked to be installed over."""
    if seen is not None and not reinstall:
        raise Refused(
            f"ESXi {seen.version} build {seen.build} answers at {host.network.address} already",
            where=host.name,
            hint="--reinstall installs over it; else take the host out, or correct the address",
        )


def must_be_ours(host: Host, run: str, cd: VirtualCd, url: str) -> None:
    """Raise unless the virtual CD holds this run's ISO: what a step needs which starts or goes on installing."""
    if not cd.inserted or cd.image != url:
        held = cd.image or "nothing"
        raise VerifyFailed(
            f"its virtual CD holds {held} instead of the ISO of run {run}",
            where=f"{host.name}, BMC {host.bmc.address}",
            hint="start a new run for this host: `hera run install-hosts --only " + host.name + "`",
        )


def is_live(lease: Lease) -> bool:
    return not lease.revoked and lease.expires_at > lease.now


def must_be_wanted(host: Host, lease: Lease) -> None:
    """Raise unless the run still holds its lease: a step that Argo runs late must not touch a host any more."""
    if not is_live(lease):
        raise ended(host, lease)


def ended(host: Host, lease: Lease) -> HerasphereError:
    return Refused(
        f"run {lease.run} has ended for this host",
        where=host.name,
        hint="start a new run; this step was started after the run's clean-up",
    )
