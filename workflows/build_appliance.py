"""Build an appliance from a base image: a clone is provisioned, exported as OVA, and published."""

from hera.workflows import Steps, WorkflowTemplate
from pydantic import BaseModel, Field

from steps.build.convert_to_template import convert_to_template
from steps.build.destroy_vm import destroy_vm
from steps.build.provision_guest import provision_guest
from steps.build.put_in_place import put_in_place
from steps.build.shrink_disk import shrink_disk
from steps.build.shut_down_vm import shut_down_vm
from steps.build.wait_for_guest import wait_for_guest
from steps.domain.image.plan import OnError
from steps.export.clone_vm import clone_vm
from steps.export.export_ova import export_ova
from steps.export.plan_appliance import plan_appliance
from steps.export.publish import publish
from steps.export.write_manifest import write_manifest
from workflows.defaults import OUTPUT, labelled_with_its_run, workflow_defaults
from workflows.parameters import given, output_of, parameters_of


class Parameters(BaseModel):
    """What a person gives who starts it in Argo's UI; `hera submit` gives the same."""

    settings: str = Field(description="the appliance's settings (YAML text); its secrets as {secret: NAME, key: KEY}")
    on_error: OnError = Field("cleanup", description="what becomes of the VM when the build fails")
    force: bool = Field(False, description="replace a VM of this name, once the new one stands")
    version: str = Field("", description="of the appliance, as git describe tells it")
    approved: str = Field("", description="digest of the plan that was confirmed; empty: not asked")
    claim: str = Field("", description="volume claim of the settings' pvc:CLAIM/FOLDER; set by hera submit")
    desk: str = Field("", description="Secret with the settings' env: and file: references; set by hera submit")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")


def build_appliance() -> WorkflowTemplate:
    """The workflow of one appliance."""
    with WorkflowTemplate(
        name="build-appliance",
        entrypoint="build-appliance",
        on_exit="finish",
        arguments=parameters_of(Parameters),
        workflow_metadata=labelled_with_its_run(),
        **workflow_defaults(__doc__, volumes=[OUTPUT]),
    ) as workflow:
        run = {"run": "{{workflow.name}}"} | given("media")
        settings = given("settings", "on_error")
        with Steps(name="build-appliance"):
            plan_appliance(arguments=run | settings | given("force", "version", "approved"))
            appliance_steps(run | {"plan": output_of("plan-appliance", "plan")})
        with Steps(name="finish"):
            destroy_vm(arguments=run | settings | {"kind": "appliance", "status": "{{workflow.status}}"})
    return workflow


def appliance_steps(plan: dict[str, str]) -> None:
    """The steps from a plan to a published OVA. plan: arguments that all of them are given"""
    clone_vm(arguments=plan)
    vm = plan | {"vm": output_of("clone-vm", "vm")}
    wait_for_guest(arguments=vm)
    guest = vm | {"address": output_of("wait-for-guest", "address")}
    provision_guest(arguments=guest)
    shrink_disk(arguments=guest)
    shut_down_vm(arguments=guest)
    export_ova(arguments=vm)
    write_manifest(arguments=vm)
    sums = {"sha256": output_of("write-manifest", "sha256"), "size_bytes": output_of("export-ova", "size_bytes")}
    publish(arguments=plan | sums)
    convert_to_template(arguments=vm)
    put_in_place(arguments=vm)
