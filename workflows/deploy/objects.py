"""All objects of a deployment, in the order in which they are applied."""

from workflows.catalog import as_yaml
from workflows.deploy.accounts import accounts
from workflows.deploy.crons import crons
from workflows.deploy.kinds import Manifest
from workflows.deploy.media import media
from workflows.deploy.namespace import namespace
from workflows.deploy.settings import Settings
from workflows.deploy.templates import templates


def objects(settings: Settings) -> list[Manifest]:
    """What one needs comes before it: a Workflow that is started at once finds accounts, Service and templates."""
    return [
        *namespace(settings),
        *accounts(settings),
        *media(settings),
        *templates(settings),
        *crons(settings),
    ]


def rendered(settings: Settings) -> str:
    """All of it as YAML documents, for a repository that something else applies. It holds no Secret."""
    return "---\n".join(as_yaml(each) for each in objects(settings))
