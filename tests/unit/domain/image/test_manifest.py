"""manifest.json tells of the OVA what anybody can count on it."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from steps.domain.image.manifest import manifest
from steps.domain.image.plan import Export, Facts
from steps.domain.image.vm import Origin
from steps.domain.ova.verify import verify
from steps.domain.ovf import Product, Property
from tests.unit.domain.appliances import GRAIN, appliance, ova, pattern, vsphere_vmdk

RAW = pattern(2 * GRAIN)
OVA, WRITTEN = ova(appliance(len(RAW)), {"d0": vsphere_vmdk(RAW)})
PRODUCT = Product(name="k3s", version="1.2", properties=(Property(key="ip"), Property(key="host")))
EXPORT = Export(name="box", product=PRODUCT)
FACTS = Facts(
    name="appliance", version="v1-2-gabc", base_version="7", built_at="2026-01-31T00:00:00Z", os_name="Rocky Linux 9",
    iso_checksum="sha256:11",
)  # fmt: skip
ORIGIN = Origin(os_name="of the base", iso_checksum="md5:22")
NOW = datetime(2026, 7, 1, 1, 30, 59, tzinfo=timezone(timedelta(hours=2)))


def told(facts: Facts = FACTS, origin: Origin = ORIGIN) -> dict[str, Any]:
    verdict = verify(io.BytesIO(OVA))
    assert verdict.faults == []
    return manifest(facts, origin, EXPORT, verdict, sha256="f" * 64, run="run-1", now=NOW)


def test_all_of_it() -> None:
    members = [{"file": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in WRITTEN.files]
    assert told() == {
        "name": "appliance",
        "version": "v1-2-gabc",
        "base_version": "7",
        "built_at": "2026-01-31T00:00:00Z",
        "run": "run-1",
        "os": "Rocky Linux 9",
        "iso_checksum": "sha256:11",
        "artifact": {"file": "box.ova", "size_bytes": len(OVA), "sha256": "f" * 64, "members": members},
        "product": {"name": "k3s", "version": "1.2"},
        "properties": ["ip", "host"],
    }  # fmt: skip
    assert json.loads(json.dumps(told())) == told()


def test_the_sums_are_those_of_the_bytes() -> None:
    members = told()["artifact"]["members"]
    assert [each["file"] for each in members] == ["box.ovf", "box.mf", "box-disk1.vmdk"]
    for each, file in zip(members, WRITTEN.files, strict=True):
        content = OVA[file.offset : file.offset + each["size_bytes"]]
        assert hashlib.sha256(content).hexdigest() == each["sha256"]


def test_what_the_settings_do_not_say_is_the_bases() -> None:
    made = told(FACTS.model_copy(update={"os_name": "", "iso_checksum": ""}))
    assert (made["os"], made["iso_checksum"]) == ("of the base", "md5:22")
    made = told(FACTS.model_copy(update={"os_name": ""}), Origin(iso_checksum="md5:22"))
    assert (made["os"], made["iso_checksum"]) == ("", "sha256:11")


@pytest.mark.parametrize(
    ("now", "stamp"), [(NOW, "2026-06-30T23:30:59Z"), (NOW.astimezone(UTC), "2026-06-30T23:30:59Z")]
)
def test_without_a_date_of_the_settings_it_is_now_in_utc(now: datetime, stamp: str) -> None:
    facts = FACTS.model_copy(update={"built_at": ""})
    made = manifest(facts, ORIGIN, EXPORT, verify(io.BytesIO(OVA)), sha256="f" * 64, run="run-1", now=now)
    assert made["built_at"] == stamp
