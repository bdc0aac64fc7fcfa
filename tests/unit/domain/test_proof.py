"""Every case of tests/cases/proof: an old installation never passes, a new one does wherever that can be told.

A case overrides these defaults: a server started by the run at 10:00 (media service's clock), kickstart read at 10:05,
judged at 10:25; the host's own clock agrees, and says installed 10:08, booted 10:18.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.domain.errors import VerifyFailed
from steps.domain.esxi import EsxiFacts, EsxiSeen
from steps.domain.host import Bmc, Disk, Host, Iso, Network, SecretRef
from steps.domain.identity import Before
from steps.domain.media import Callback, Lease, Mark
from steps.domain.proof import PROVED_MARK, check_asked_for, judge

CASES = sorted((Path(__file__).parents[2] / "cases" / "proof").glob("*.yaml"))
DAY = datetime(2026, 3, 1, tzinfo=UTC)
ISO = Iso(sha256="0" * 64, name="esxi.iso", size_bytes=1, version="8.0.3", build="24022510")
KEYS = {"about", "proof", "one_time_password", "before", "run", "after", "proven", "reason", "hint"}


def at(hour: int, minute: int) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute)


def facts_of(given: dict[str, Any]) -> EsxiFacts:
    values = {"installed": at(10, 8), "booted": at(10, 18), "now": at(10, 25), **given}
    return EsxiFacts(
        thumbprint=values.get("thumbprint", "new"),
        version=values.get("version", ISO.version),
        build=values.get("build", ISO.build),
        serial=values.get("serial", "SN1"),
        uuid=values.get("uuid", "u1"),
        hostname="esx01.example.com",
        addresses=("10.0.1.11",),
        macs=("52:54:00:00:00:01",),
        disks=("naa.1", "naa.2"),
        system_disks=("naa.1",),
        install_date=values["installed"],
        boot_time=values["booted"],
        now=values["now"],
    )


def before_of(given: dict[str, Any] | None) -> Before:
    """Nothing seen; a certificate only; or with `now`/`installed` everything a login shows."""
    if given is None:
        return Before()
    seen = EsxiSeen(thumbprint=given["thumbprint"], product="embeddedEsx", version="8.0.3", build="24022510")
    return Before(seen=seen, facts=facts_of({"booted": None, **given}) if "installed" in given else None)


def lease_of(given: dict[str, Any]) -> Lease:
    values = {"started": at(10, 0), "kickstart_read": at(10, 5), "now": at(10, 25), **given}
    marks = [("power-on", values[key]) for key in ("earlier_start", "started") if values.get(key)]
    if "proved" in values:
        marks.append((PROVED_MARK, at(10, 24)))
    return Lease(
        run="run-1",
        host="esx01",
        serial="SN1",
        iso=ISO,
        url="http://media/m/token/esxi.iso",
        callback_url="http://media/m/token/cb",
        size_bytes=1,
        expires_at=values["now"] + timedelta(hours=1),
        revoked=False,
        now=values["now"],
        bytes_served=1,
        bytes_covered=1,
        first_read_at=at(10, 1),
        last_read_at=at(10, 5),
        kickstart_read_at=values["kickstart_read"],
        callbacks=tuple(Callback(event=event, text="", at=at(10, 12)) for event in values.get("callbacks", ())),
        marks=tuple(Mark(name=n, value=values.get("proved", "") if n == PROVED_MARK else "0", at=t) for n, t in marks),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS
    verdict = judge(
        case.get("proof", "fingerprint"),
        before=before_of(case.get("before")),
        after=facts_of(case.get("after", {})),
        iso=ISO,
        lease=lease_of(case.get("run", {})),
        logged_in_with_one_time_password=case.get("one_time_password", False),
    )
    assert verdict.proven == case["proven"], verdict
    assert case.get("reason", "") in "; ".join(verdict.reasons)
    assert case.get("hint", "") in verdict.hint
    assert verdict.reasons and bool(verdict.hint) != verdict.proven


def test_there_are_enough_cases() -> None:
    verdicts = [yaml.safe_load(path.read_text())["proven"] for path in CASES]
    assert verdicts.count(True) >= 10 and verdicts.count(False) >= 15


def host() -> Host:
    ref = SecretRef(name="s", key="k")
    return Host(
        name="esx01",
        serial="sn1",
        bmc=Bmc(url="https://10.0.0.11", username="root", password=ref),
        iso=ISO,
        disk=Disk(id="naa.1"),
        network=Network(
            mac="52:54:00:00:00:01",
            address="10.0.1.11",
            netmask="255.255.255.0",
            gateway="10.0.1.1",
            hostname="esx01.example.com",
        ),
        root_password=ref,
    )


@pytest.mark.parametrize(
    "change",
    [{}, {"serial": ""}, {"hostname": "ESX01"}, {"system_disks": ()}, {"system_disks": ("naa.2", "naa.1")}],
    ids=str,
)
def test_asked_for_is_found(change: dict[str, Any]) -> None:
    check_asked_for(host(), facts_of({}).model_copy(update=change))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"serial": "SN2"}, "serial number SN2 instead of sn1"),
        ({"macs": ()}, "NICs none instead of 52:54:00:00:00:01"),
        ({"version": "7.0.3"}, "version 7.0.3 instead of 8.0.3"),
        ({"build": "1"}, "build 1 instead of 24022510"),
        ({"addresses": ("10.0.1.12", "10.0.2.12")}, "addresses 10.0.1.12, 10.0.2.12 instead of 10.0.1.11"),
        ({"hostname": "esx02.example.com"}, "host name esx02.example.com instead of esx01.example.com"),
        ({"hostname": ""}, "host name none instead of"),
        ({"system_disks": ("naa.2",)}, "system disk naa.2 instead of naa.1"),
    ],
)
def test_anything_else_is_told(change: dict[str, Any], told: str) -> None:
    with pytest.raises(VerifyFailed, match="the host shows") as caught:
        check_asked_for(host(), facts_of({}).model_copy(update=change))
    assert told in caught.value.what
