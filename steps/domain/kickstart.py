"""KS.CFG, the answers for ESXi's installer (6.7 to 9): from a host, the same text every time.

What forces which line (the grammar is the same from 6.7 to 9):

`vmaccepteula`  the installer stops without it.
`rootpw`        takes `$1$`, `$6$` or DES hashes; `$6$` is the only one fit for use, and only without `rounds=`.
`keyboard`      the name as ESXi spells it; an unknown one is ignored with a warning.
`install`       by `--disk` only: `--firstdisk` goes by the order in which drivers find disks. `--overwritevmfs`
                only when the table says so; without it the installer stops at a disk with a VMFS datastore.
                Never `clearpart`: it is not needed, and its `--alldrives` empties every disk and LUN in sight.
                No `--novmfsondisk`: the rest of a big disk becomes a datastore, as people expect it.
`%include`      for a disk chosen by a rule: `%pre` runs first and writes the `install` line of the one disk it found.
`network`       by MAC, never by vmnicN, whose numbers move when a card or a BMC's USB NIC is added; a MAC that is not
                in this server is an error, so this is a second look at the server's identity. Upper case, as older
                installers want it. Gateway and netmask always, as they are guessed otherwise. `--vlanid` never 0 or 1:
                both tag a port that is meant to be untagged.
`reboot`        always, as sources differ on what happens without; without `--noeject`, so that the installer ejects
                the CD itself and a BMC that forgets "boot once" does not install again and again.
`%pre`          an error in it stops the installer before the first write. It proves on the server itself what
                check_identity proved over the BMC: an ISO inserted into the wrong server must not install there.
`%post`         tells that the installation is done; evidence only, so its failure is ignored.
no `paranoid`   it makes an error of every warning, and warnings are: a link that is not up yet, no name server. What
                it would catch, a misspelt option, the strict reader in tests/unit/domain catches here.
no `%firstboot` it is skipped without a word under UEFI Secure Boot.

A rule means disks that are online and not USB (a BMC's virtual disks are); vendor and model are compared whole, as ESXi
prints them: SCSI and SATA models are cut at 16 characters. A rule of sizes alone means local disks only, lest it find a
LUN that other hosts use; one that names vendor or model does not ask, as HPE's controllers are not reported local.
A disk named by its id is taken wherever it is.

Call-backs carry no secret, take seconds at most and never decide anything: the installer often has no network yet in
`%pre`, and its firewall or the site's may never let them out.
"""

import re
import shlex
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from steps.domain.errors import Unsupported
from steps.domain.host import MAX_NAMESERVERS, Host

_CRYPT_HASH = re.compile(r"\$6\$[a-zA-Z0-9./]{1,16}\$[a-zA-Z0-9./]{86}")
_URL = re.compile(r"https?://[!-~]+")


def _quote(value: Any) -> str:
    """Whatever it is, one word for the installer (which splits like a shell) and for busybox."""
    return shlex.quote(str(value))


_ENVIRONMENT = Environment(
    loader=PackageLoader("steps.domain", "."),
    undefined=StrictUndefined,
    finalize=_quote,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(host: Host, *, root_password_hash: str, callback_url: str) -> str:
    """The host's KS.CFG: ASCII, ends with a newline, the same for the same input.

    callback_url: the installer calls `<callback_url>/<event>?text=...`; empty: it calls nobody.
    Raises Unsupported for what a kickstart cannot say; a host from a checked table is never refused here.
    """
    _refuse_what_cannot_be_said(host, root_password_hash, callback_url)
    return _ENVIRONMENT.get_template("kickstart.cfg.j2").render(
        host=host,
        serial=host.serial.strip().upper(),
        vendor=host.disk.vendor.strip().upper(),
        model=host.disk.model.strip().upper(),
        wanted_disk=str(host.disk),
        mac=host.network.mac.upper(),
        nameservers=",".join(host.network.nameservers),
        root_password_hash=root_password_hash,
        callback_url=callback_url,
    )


def _refuse_what_cannot_be_said(host: Host, root_password_hash: str, callback_url: str) -> None:
    disk, network = host.disk, host.network
    words = {
        "name": host.name,
        "serial": host.serial,
        "keyboard": host.keyboard,
        "network.mac": network.mac,
        "network.address": network.address,
        "network.netmask": network.netmask,
        "network.gateway": network.gateway,
        "network.nameservers": "".join(network.nameservers) or "none",
        "network.hostname": network.hostname,
        "disk": disk.id + disk.vendor + disk.model or str(disk.min_gib or disk.max_gib or ""),
    }
    for key, value in words.items():
        if not value.strip():
            raise Unsupported(f"{key} is empty", where=host.name, hint=f"give {key} in the host table")
        if not value.isascii() or not value.isprintable():
            what = f"{key} {value!r} has characters other than printable ASCII"
            raise Unsupported(what, where=host.name, hint="ESXi's installer reads ASCII only")
    if network.vlan == 1:
        hint = "leave vlan out where the switch port is untagged; ESXi would tag the frames with 1"
        raise Unsupported("vlan 1 is the untagged VLAN of a switch", where=host.name, hint=hint)
    if len(network.nameservers) > MAX_NAMESERVERS:
        what = f"{len(network.nameservers)} name servers, ESXi's installer takes {MAX_NAMESERVERS}"
        raise Unsupported(what, where=host.name, hint="name the two that matter")
    if not _CRYPT_HASH.fullmatch(root_password_hash):
        hint = "hash the password with passwords.sha512_crypt"
        raise Unsupported("the root password's hash is not $6$<salt>$<hash>", where=host.name, hint=hint)
    if callback_url and not _URL.fullmatch(callback_url):
        raise Unsupported(f"{callback_url!r} is no URL", where=host.name, hint="http://address:port/path, or nothing")
