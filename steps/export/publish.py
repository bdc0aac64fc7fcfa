"""Afterwards the content library of the settings has the OVA as its item; a folder or a bucket has it already."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.vsphere import library
from steps.clients.vsphere.files import CHUNK_BYTES
from steps.domain.image.plan import AppliancePlan
from steps.export import targets
from steps.vcenter import site_of


class Input(runtime.StepInput):
    plan: AppliancePlan
    sha256: str
    size_bytes: int


class Output(StepOutput):
    places: list[str]
    evidence: str


@runtime.step()
def publish(given: Input) -> Output:
    """places: every one in which the OVA can be had now"""
    export = given.plan.export
    if export is None:
        runtime.progress(100, "there is no OVA")
        return Output(places=[], evidence="there is no OVA")
    name = f"{export.name}.ova"
    places = [f"{export.folder}/{name}"] if export.folder else []
    if export.s3:
        places.append(f"s3://{export.s3.bucket}/{targets.key_of(export.s3, name)}")
    if export.library:
        with site_of(given.plan) as site, targets.opened(export) as file:
            library.put_ova(
                site.vsphere,
                export.library.name,
                export.library.item,
                iter(lambda: file.read(CHUNK_BYTES), b""),
                given.size_bytes,
                given.sha256,
            )
        places.append(f"content library {export.library.name}/{export.library.item}")
    evidence = ", ".join(places)
    runtime.progress(100, evidence)
    return Output(places=places, evidence=evidence)
