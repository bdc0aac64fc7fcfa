"""Afterwards the OVA was read from end to end and found sound, and manifest.json beside it tells what it is."""

import hashlib
import json
from datetime import UTC, datetime

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.domain.errors import VerifyFailed
from steps.domain.image.manifest import manifest
from steps.domain.image.plan import AppliancePlan
from steps.domain.image.vm import Origin
from steps.domain.ova.archive import Readable
from steps.domain.ova.verify import verify
from steps.export import targets
from steps.vcenter import VmInput, work_on

MANIFEST = "manifest.json"


class Input(VmInput):
    plan: AppliancePlan


class Output(StepOutput):
    manifest: str
    sha256: str
    evidence: str


@runtime.step()
def write_manifest(given: Input) -> Output:
    """manifest: its text; empty if there is no OVA"""
    plan, export = given.plan, given.plan.export
    if export is None:
        runtime.progress(100, "there is no OVA")
        return Output(manifest="", sha256="", evidence="there is no OVA")
    with targets.opened(export) as file:
        hashed = _Hashed(file)
        verdict = verify(hashed)
        for _ in iter(lambda: hashed.read(1 << 20), b""):
            pass
    if verdict.faults:
        what = "; ".join(str(fault) for fault in verdict.faults[:3])
        raise VerifyFailed(what, where=f"{export.name}.ova", hint="start the build again; is the storage sound?")
    told = manifest(
        plan.facts, _origin(given), export, verdict, sha256=hashed.sha256, run=given.run, now=datetime.now(UTC)
    )
    text = json.dumps(told, indent=2) + "\n"
    places = targets.keep(plan, MANIFEST, text.encode())
    targets.keep(plan, f"{export.name}.ova.sha256", f"{hashed.sha256}  {export.name}.ova\n".encode())
    runtime.show(MANIFEST, text)
    evidence = f"{export.name}.ova is sound, sha256 {hashed.sha256[:12]}…; {places[0]}"
    runtime.progress(100, evidence)
    return Output(manifest=text, sha256=hashed.sha256, evidence=evidence)


def _origin(given: Input) -> Origin:
    with work_on(given) as work:
        return work.vm.look().origin


class _Hashed:
    """A file whose bytes are summed as they are read, once and in their order."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self._sum.update(data)
        return data

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()
