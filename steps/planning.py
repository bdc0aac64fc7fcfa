"""The settings of an image, as a workflow's parameter has them, planned where the run happens."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from steps import runtime
from steps.domain.errors import NotFound, Refused, Unsupported
from steps.domain.image import planning
from steps.domain.image.checks import Surroundings
from steps.domain.image.plan import AppliancePlan, BuildPlan, digest_of
from steps.domain.image.planning import Choices
from steps.domain.image.reading import SettingsFile, read_settings
from steps.domain.image.settings import Settings
from steps.domain.image.template import Around
from steps.domain.table import SecretEntry

PlanKind = Literal["image", "appliance"]
PLANNERS: dict[PlanKind, Callable[..., Any]] = {"image": planning.plan_build, "appliance": planning.plan_appliance}
NAME = "settings"


def planned(text: str, kind: PlanKind, choices: Choices) -> BuildPlan | AppliancePlan:
    """The plan of these settings; ConfigError with every fault of them, each at its line of the parameter."""
    settings, layers = read_settings([SettingsFile(NAME, text.encode())], Around(datetime.now(UTC), {}))
    around = Surroundings(runtime.secret_or_none, _keep, lambda name: _must_have_files(settings, name))
    plan: BuildPlan | AppliancePlan = PLANNERS[kind](settings, layers, around, choices)[0]
    return plan


def confirmed(plan: BuildPlan | AppliancePlan, approved: str) -> str:
    """The plan's digest; Refused if another one was confirmed. approved: empty: nobody was asked"""
    digest = digest_of(plan)
    if approved not in ("", digest):
        hint = "files or secrets changed since: look at `hera plan` and confirm again"
        raise Refused("the plan is not the one that was confirmed", where="the plan", hint=hint)
    return digest


def as_parameter(plan: BuildPlan | AppliancePlan) -> str:
    """The plan as JSON in which no two braces open: Argo would take what is typed later for a tag of its own."""
    return plan.model_dump_json().replace("{{", "{\\u007b")


def _keep(key: str, _text: str) -> SecretEntry:
    hint = "{secret: NAME, key: KEY} of a Secret in this namespace; `hera submit` makes one"
    raise Unsupported(f"{key} stands in a workflow's parameter, which everybody may read", hint=hint)


def _must_have_files(settings: Settings, name: str) -> None:
    if not settings.files:
        raise NotFound(f"the files of {name!r} are not with the settings", hint="`hera submit` sends them along")
