"""Who may do what: an account for steps, one for what starts Workflows, one for the media service, people's role."""

from collections.abc import Sequence
from dataclasses import dataclass

from steps.domain.children import MEDIA_TOKEN, ROLLOUT_ACCOUNT
from workflows.defaults import SERVICE_ACCOUNT
from workflows.deploy.kinds import ARGO, RBAC, Manifest
from workflows.deploy.manifest import manifest
from workflows.deploy.settings import Settings

MEDIA_ACCOUNT = "herasphere-media"
OPERATOR = "herasphere-operator"
ARGO_GROUP = ARGO.partition("/")[0]
CONTROL_PROXY = "http:herasphere-media:control"


@dataclass(frozen=True)
class Rule:
    """Verbs on one resource, and what they are for. names: of these objects alone"""

    resource: str
    verbs: tuple[str, ...]
    why: str
    group: str = ""
    names: tuple[str, ...] = ()


TASK_RESULTS = Rule(
    "workflowtaskresults",
    ("create", "patch"),
    "a pod hands its outputs and its progress to Argo",
    group=ARGO_GROUP,
)
STEPS = (TASK_RESULTS,)
ROLLOUT = (
    TASK_RESULTS,
    Rule(
        "workflows",
        ("create", "list", "patch"),
        "start a Workflow for each host, see how they do, stop them; nothing is watched or deleted",
        group=ARGO_GROUP,
    ),
)
PEOPLE = (
    Rule("workflows", ("create",), "submit, retry, resubmit, schedule trigger", group=ARGO_GROUP),
    Rule("workflows", ("get", "list", "watch"), "list, watch, logs; retry reads the run it repeats", group=ARGO_GROUP),
    Rule("workflows", ("patch",), "stop, and approve: `spec.shutdown`, the suspend node's phase", group=ARGO_GROUP),
    Rule(
        "workflows",
        ("update",),
        "Resume and Stop in Argo's UI: its server writes the whole of it",
        group=ARGO_GROUP,
    ),
    Rule("workflowtemplates", ("get", "list"), "submit reads the parameters; Argo's UI lists them", group=ARGO_GROUP),
    Rule(
        "cronworkflows",
        ("create", "get", "list", "patch", "delete"),
        "schedule create, list, suspend, resume, delete",
        group=ARGO_GROUP,
    ),
    Rule("pods", ("get", "list", "watch"), "see why a pod waits; an Argo server finds the pods of a log with it"),
    Rule("pods/log", ("get",), "watch and logs: what a step says while it runs"),
    Rule("configmaps", ("create", "get", "list", "patch"), "config push, config list"),
    Rule("secrets", ("create",), "secrets set; submit puts what `env:` and `file:` mean into one Secret a run"),
    Rule(
        "secrets", ("patch",), "secrets set, secrets delete of a key; retry makes a new run an owner of the old one's"
    ),
    Rule("secrets", ("delete",), "secrets delete; submit takes back what it made when the run is refused"),
    Rule("secrets", ("get",), "the control token of the media service, and no other Secret", names=(MEDIA_TOKEN.name,)),
    Rule(
        "services/proxy",
        ("get", "create", "update", "delete"),
        "media add and list, logs, report: the media service's control API, through the API server",
        names=(CONTROL_PROXY,),
    ),
)
ROLES: dict[str, Sequence[Rule]] = {SERVICE_ACCOUNT: STEPS, ROLLOUT_ACCOUNT: ROLLOUT, OPERATOR: PEOPLE}


def accounts(settings: Settings) -> list[Manifest]:
    """ServiceAccounts, Roles, and the Roles of accounts bound to them. Whom to give the people's one is not ours."""
    pull = {"imagePullSecrets": [{"name": settings.pull_secret}]} if settings.pull_secret else {}
    return [
        manifest("ServiceAccount", SERVICE_ACCOUNT, settings, **pull),
        manifest("ServiceAccount", ROLLOUT_ACCOUNT, settings, **pull),
        manifest("ServiceAccount", MEDIA_ACCOUNT, settings, automountServiceAccountToken=False, **pull),
        *(manifest("Role", name, settings, rules=[_rule(each) for each in rules]) for name, rules in ROLES.items()),
        *(_bound(account, settings) for account in (SERVICE_ACCOUNT, ROLLOUT_ACCOUNT)),
    ]


def _rule(rule: Rule) -> Manifest:
    names = {"resourceNames": list(rule.names)} if rule.names else {}
    return {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": list(rule.verbs), **names}


def _bound(account: str, settings: Settings) -> Manifest:
    return manifest(
        "RoleBinding",
        account,
        settings,
        roleRef={"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": account},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": settings.namespace}],
    )
