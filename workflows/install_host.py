"""Install ESXi on one server: one Workflow a host, so that stop, retry, log and lock are the host's own."""

from collections.abc import Iterable

from hera.workflows import Parameter, Steps, WorkflowTemplate
from hera.workflows.models import Mutex, Synchronization

from steps.domain.children import INSTALL_HOST, MEDIA_TOKEN
from steps.domain.host import SecretRef
from steps.install.check_identity import check_identity
from steps.install.eject_iso import eject_iso
from steps.install.install import install
from steps.install.mount_iso import mount_iso
from steps.install.prepare_config import prepare_config
from steps.install.set_boot import set_boot
from steps.install.verify import verify
from workflows.defaults import workflow_defaults
from workflows.parameters import given

PARAMETERS = [
    Parameter(name="host", description="the host as the plan describes it (JSON)"),
    Parameter(name="lock", description="what is locked while the host is worked on: its serial number"),
    Parameter(name="run", description="name of the run it belongs to"),
    Parameter(name="media", description="control URL of the media service"),
    Parameter(
        name="reinstall", value="false", enum=["false", "true"], description="install over ESXi where it is found"
    ),
]


def install_host(secrets: Iterable[SecretRef] = ()) -> WorkflowTemplate:
    """The template that the rollout starts once for each host, each with just the secrets of that host."""
    with WorkflowTemplate(
        name=INSTALL_HOST,
        entrypoint="install-host",
        on_exit="clean-up",
        arguments=PARAMETERS,
        # held until the clean-up has ended: a second run's media cannot be ejected by the first
        synchronization=Synchronization(mutexes=[Mutex(name="herasphere-host-{{workflow.parameters.lock}}")]),
        **workflow_defaults([*secrets, MEDIA_TOKEN]),
    ) as template:
        host = given("host", "run", "media")
        before = {"before": "{{steps.check-identity.outputs.parameters.before}}"}
        with Steps(name="install-host"):
            check_identity(arguments=host | given("reinstall"))
            prepare_config(arguments=host)
            mount_iso(arguments=host)
            set_boot(arguments=host)
            install(arguments=host | before)
            verify(arguments=host | before)
        with Steps(name="clean-up"):
            eject_iso(arguments=host)
    return template
