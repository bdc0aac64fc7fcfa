"""A build as it was planned at the desk, with what every engine is given of it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steps.domain.errors import ConfigError, Fault
from steps.domain.host import SecretRef
from steps.domain.image.plan import AppliancePlan, BuildPlan, digest_of
from steps.domain.image.planning import Choices
from workflows.desk_secrets import Engine
from workflows.image_desk import ImageDesk

IMAGES = ("build-image", "build-appliance", "release")


@dataclass(frozen=True)
class Part:
    """One VM to be built: the settings of it, and what they mean."""

    desk: ImageDesk
    plan: BuildPlan | AppliancePlan


@dataclass(frozen=True)
class ImageOrder:
    """What is to be built: a workflow's name, its parts in their order, and what was chosen."""

    workflow: str
    parts: Sequence[Part]
    choices: Choices

    @property
    def name(self) -> str:
        """Of what the run ends with."""
        return self.parts[-1].plan.name

    @property
    def parameters(self) -> dict[str, str]:
        """The workflow's, as every engine is given them."""
        last = self.parts[-1]
        given = {
            "settings": last.desk.text,
            "on_error": self.choices.on_error,
            "force": json.dumps(self.choices.force),
            "approved": digest_of(last.plan),
        }
        if isinstance(last.plan, AppliancePlan):
            given |= {"version": last.plan.facts.version, "claim": last.plan.export.claim if last.plan.export else ""}
        for image in self.parts[:-1]:
            given |= {"image": image.desk.text, "approved_image": digest_of(image.plan)}
        return given

    @property
    def references(self) -> list[SecretRef]:
        """All secrets that its steps may read."""
        return list(dict.fromkeys(ref for part in self.parts for ref in part.desk.secrets.references))

    @property
    def texts(self) -> Mapping[SecretRef, str]:
        """What the desk's references among them mean."""
        return {ref: text for part in self.parts for ref, text in part.desk.secrets.texts.items()}


def image_order(workflow: str, files: Sequence[Path], choices: Choices, *, engine: Engine) -> ImageOrder:
    """The build that these settings mean; ConfigError with every fault of them. workflow: build-image, -appliance"""
    desk = ImageDesk(files, os.environ, engine)
    plan = desk.plan_build(choices) if workflow == "build-image" else desk.plan_appliance(choices)
    return ImageOrder(workflow, [Part(desk, plan)], choices)


def release_order(
    image_files: Sequence[Path], appliance_files: Sequence[Path], choices: Choices, *, engine: Engine
) -> ImageOrder:
    """An image, and the appliance that is made of it; ConfigError with every fault of the one or the other."""
    image = ImageDesk(image_files, os.environ, engine, part="image")
    appliance = ImageDesk(appliance_files, os.environ, engine)
    built = image.plan_build(choices)
    made = appliance.plan_appliance(choices, base=built.name)
    if any(appliance.secrets.texts.get(ref, text) != text for ref, text in image.secrets.texts.items()):
        what = "a file with a secret is another one than that of its name beside the image's settings"
        hint = "another name for one of them, or its whole path"
        raise ConfigError([Fault(str(appliance_files[-1]), 0, 0, what, hint)])
    return ImageOrder("release", [Part(image, built), Part(appliance, made)], choices)
