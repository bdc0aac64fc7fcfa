"""manifest.json: what a build made, in the shape that users of Packer's manifest know, with the sums of everything."""

from datetime import UTC, datetime
from typing import Any

from steps.domain.image.plan import Export, Facts
from steps.domain.image.vm import Origin
from steps.domain.ova.verify import Verdict


def manifest(
    facts: Facts, origin: Origin, export: Export, verdict: Verdict, *, sha256: str, run: str, now: datetime
) -> dict[str, Any]:
    """What is told of the OVA that was found sound. origin: of its VM; sha256: of the whole archive; now: in UTC"""
    return {
        "name": facts.name,
        "version": facts.version,
        "base_version": facts.base_version,
        "built_at": facts.built_at or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "run": run,
        "os": facts.os_name or origin.os_name,
        "iso_checksum": facts.iso_checksum or origin.iso_checksum,
        "artifact": {
            "file": f"{export.name}.ova",
            "size_bytes": verdict.size_bytes,
            "sha256": sha256,
            "members": [
                {"file": file.name, "size_bytes": file.size_bytes, "sha256": file.digests.get("sha256", "")}
                for file in verdict.files
            ],
        },
        "product": {"name": export.product.name, "version": export.product.version},
        "properties": [each.key for each in export.product.properties],
    }
