"""Release an appliance: its base image is built from the ISO, the appliance from that, and its OVA is published."""

from hera.workflows import Parameter, Step, Steps, WorkflowTemplate
from pydantic import BaseModel, Field

from steps.build.destroy_vm import destroy_vm
from steps.build.plan_build import plan_build
from steps.domain.image.plan import OnError
from steps.export.plan_appliance import plan_appliance
from workflows.build_appliance import appliance_steps
from workflows.build_image import image_steps
from workflows.defaults import OUTPUT, labelled_with_its_run, workflow_defaults
from workflows.parameters import given, output_of, parameters_of

PLAN = {"plan": "{{inputs.parameters.plan}}"}
OF_IMAGE = {"settings": "{{workflow.parameters.image}}"}


class Parameters(BaseModel):
    """What a person gives who starts it in Argo's UI; `hera submit` gives the same."""

    image: str = Field(description="the base image's settings (YAML text); its secrets as {secret: NAME, key: KEY}")
    settings: str = Field(description="the appliance's settings, in the same way; base is the image's name")
    on_error: OnError = Field("cleanup", description="what becomes of the VMs when the build fails")
    force: bool = Field(False, description="replace VMs of these names, once the new ones stand")
    version: str = Field("", description="of the appliance, as git describe tells it")
    approved_image: str = Field("", description="digest of the image's plan that was confirmed; empty: not asked")
    approved: str = Field("", description="digest of the appliance's plan that was confirmed; empty: not asked")
    claim: str = Field("", description="volume claim of the settings' pvc:CLAIM/FOLDER; set by hera submit")
    desk: str = Field("", description="Secret with the settings' env: and file: references; set by hera submit")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")


def release() -> WorkflowTemplate:
    """The workflow from an ISO to an OVA."""
    with WorkflowTemplate(
        name="release",
        entrypoint="release",
        on_exit="finish",
        arguments=parameters_of(Parameters),
        workflow_metadata=labelled_with_its_run(),
        **workflow_defaults(__doc__, volumes=[OUTPUT]),
    ) as workflow:
        run = {"run": "{{workflow.name}}"} | given("media")
        both = run | given("on_error")
        with Steps(name="image", inputs=[Parameter(name="plan")]) as image:
            image_steps(run | PLAN)
        with Steps(name="appliance", inputs=[Parameter(name="plan")]) as appliance:
            appliance_steps(run | PLAN)
        with Steps(name="release"):
            plan_build(
                arguments=both | given("force") | OF_IMAGE | {"approved": "{{workflow.parameters.approved_image}}"}
            )
            builds = {"builds": output_of("plan-build", "name")}
            plan_appliance(arguments=both | given("settings", "force", "version", "approved") | builds)
            Step(name="image", template=image, arguments={"plan": output_of("plan-build", "plan")})
            Step(name="appliance", template=appliance, arguments={"plan": output_of("plan-appliance", "plan")})
        ended = both | {"status": "{{workflow.status}}"}
        with Steps(name="finish"):
            destroy_vm(name="destroy-appliance", arguments=ended | given("settings") | {"kind": "appliance"})
            destroy_vm(name="destroy-image", arguments=ended | OF_IMAGE | {"kind": "image"})
    return workflow
