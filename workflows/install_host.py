"""Install ESXi on one server: one Workflow a host, so that stop, retry, log and lock are the host's own."""

from hera.workflows import Steps, WorkflowTemplate
from hera.workflows.models import Mutex, Synchronization
from pydantic import BaseModel, Field

from steps.domain.children import CLEAN_UP, INSTALL_HOST
from steps.install.check_identity import check_identity
from steps.install.eject_iso import eject_iso
from steps.install.install import install
from steps.install.mount_iso import mount_iso
from steps.install.prepare_config import prepare_config
from steps.install.set_boot import set_boot
from steps.install.verify import verify
from workflows.defaults import workflow_defaults
from workflows.parameters import given, parameters_of


class Parameters(BaseModel):
    """What the rollout gives each host's workflow."""

    host: str = Field(description="the host as the plan describes it (JSON)")
    lock: str = Field(description="what is locked while the host is worked on: its serial number")
    run: str = Field(description="name of the run it belongs to")
    media: str = Field("", description="control URL of the media service; empty: the one of this namespace")
    desk: str = Field("", description="Secret with what the table's env: and file: references mean")
    reinstall: bool = Field(False, description="install over ESXi where it is found")


def install_host() -> WorkflowTemplate:
    """The template that the rollout starts once for each host, each with just the secrets of that host."""
    with WorkflowTemplate(
        name=INSTALL_HOST,
        entrypoint="install-host",
        on_exit=CLEAN_UP,
        arguments=parameters_of(Parameters),
        # held until the clean-up has ended: a second run's media cannot be ejected by the first
        synchronization=Synchronization(mutexes=[Mutex(name="herasphere-host-{{workflow.parameters.lock}}")]),
        **workflow_defaults(__doc__),
    ) as template:
        host = given("host", "run", "media")
        before = {"before": "{{steps.check-identity.outputs.parameters.before}}"}
        with Steps(name="install-host"):
            check_identity(arguments=host | given("reinstall"))
            prepare_config(arguments=host | given("desk") | {"workflow": "{{workflow.name}}"})
            mount_iso(arguments=host)
            set_boot(arguments=host)
            install(arguments=host | before)
            verify(arguments=host | before)
        with Steps(name=CLEAN_UP):
            eject_iso(arguments=host)
    return template
