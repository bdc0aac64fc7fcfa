"""Build a base image from an installer's ISO: the VM is made, its boot command typed, the system provisioned."""

from hera.workflows import Steps, WorkflowTemplate
from pydantic import BaseModel, Field

from steps.build.attach_kickstart import attach_kickstart
from steps.build.convert_to_template import convert_to_template
from steps.build.create_vm import create_vm
from steps.build.destroy_vm import destroy_vm
from steps.build.detach_media import detach_media
from steps.build.fetch_iso import fetch_iso
from steps.build.plan_build import plan_build
from steps.build.provision_guest import provision_guest
from steps.build.put_in_place import put_in_place
from steps.build.shrink_disk import shrink_disk
from steps.build.shut_down_vm import shut_down_vm
from steps.build.take_snapshot import take_snapshot
from steps.build.type_boot_command import type_boot_command
from steps.build.upload_iso import upload_iso
from steps.build.wait_for_guest import wait_for_guest
from steps.domain.image.plan import OnError
from workflows.defaults import labelled_with_its_run, workflow_defaults
from workflows.parameters import given, output_of, parameters_of


class Parameters(BaseModel):
    """What a person gives who starts it in Argo's UI; `hera submit` gives the same."""

    settings: str = Field(description="the image's settings (YAML text); its secrets as {secret: NAME, key: KEY}")
    on_error: OnError = Field("cleanup", description="what becomes of the VM when the build fails")
    force: bool = Field(False, description="replace a VM of this name, once the new one stands")
    approved: str = Field("", description="digest of the plan that was confirmed; empty: not asked")
    desk: str = Field("", description="Secret with the settings' env: and file: references; set by hera submit")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")


def build_image() -> WorkflowTemplate:
    """The workflow of one base image."""
    with WorkflowTemplate(
        name="build-image",
        entrypoint="build-image",
        on_exit="finish",
        arguments=parameters_of(Parameters),
        workflow_metadata=labelled_with_its_run(),
        **workflow_defaults(__doc__),
    ) as workflow:
        run = {"run": "{{workflow.name}}"} | given("media")
        settings = given("settings", "on_error")
        with Steps(name="build-image"):
            plan_build(arguments=run | settings | given("force", "approved"))
            image_steps(run | {"plan": output_of("plan-build", "plan")})
        with Steps(name="finish"):
            destroy_vm(arguments=run | settings | {"kind": "image", "status": "{{workflow.status}}"})
    return workflow


def image_steps(plan: dict[str, str]) -> None:
    """The steps from a plan to a base image. plan: arguments that all of them are given"""
    fetch_iso(arguments=plan)
    upload_iso(arguments=plan | {"fetched": output_of("fetch-iso", "iso")})
    create_vm(arguments=plan | {"iso": output_of("upload-iso", "iso")})
    vm = plan | {"vm": output_of("create-vm", "vm")}
    attach_kickstart(arguments=vm)
    type_boot_command(arguments=vm | {"pages": output_of("attach-kickstart", "pages")})
    wait_for_guest(arguments=vm)
    guest = vm | {"address": output_of("wait-for-guest", "address")}
    provision_guest(arguments=guest)
    shrink_disk(arguments=guest)
    shut_down_vm(arguments=guest)
    detach_media(arguments=vm)
    take_snapshot(arguments=vm)
    convert_to_template(arguments=vm)
    put_in_place(arguments=vm)
