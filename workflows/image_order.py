"""A build as it was planned at the desk, with what every engine is given of it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steps.domain.image.plan import AppliancePlan, BuildPlan, digest_of
from steps.domain.image.planning import Choices
from workflows.desk_secrets import Engine
from workflows.image_desk import ImageDesk

IMAGES = ("build-image", "build-appliance")


@dataclass(frozen=True)
class ImageOrder:
    """What is to be built: a workflow's name, its settings, and what was confirmed."""

    workflow: str
    desk: ImageDesk
    plan: BuildPlan | AppliancePlan
    choices: Choices

    @property
    def parameters(self) -> dict[str, str]:
        """The workflow's, as every engine is given them."""
        given = {
            "settings": self.desk.text,
            "on_error": self.choices.on_error,
            "force": json.dumps(self.choices.force),
            "approved": digest_of(self.plan),
        }
        if isinstance(self.plan, AppliancePlan):
            given["version"] = self.plan.facts.version
        return given


def image_order(workflow: str, files: Sequence[Path], choices: Choices, *, engine: Engine) -> ImageOrder:
    """The build that these settings mean; ConfigError with every fault of them. workflow: one of IMAGES"""
    desk = ImageDesk(files, os.environ, engine)
    plan = desk.plan_build(choices) if workflow == "build-image" else desk.plan_appliance(choices)
    return ImageOrder(workflow, desk, plan, choices)
