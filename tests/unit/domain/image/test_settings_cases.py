"""Settings as people have them: what each set of files becomes, or every fault of it, and what is said of it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from steps.domain.errors import ConfigError
from steps.domain.image.planning import Choices
from workflows.image_desk import ImageDesk

ROOT = Path(__file__).parents[4]
SETTINGS = ROOT / "tests" / "cases" / "settings"
ENVIRONMENT = {"VC_USER": "somebody", "VC_PASSWORD": "of-the-environment"}
SECRETS = ("literal-password", "of-the-environment", "VMware1!", "changeme")


@pytest.mark.golden
@pytest.mark.parametrize("case", sorted(path.name for path in SETTINGS.iterdir() if path.is_dir()))
def test_settings_become_a_plan_or_faults(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SETTINGS / case)
    files = sorted(path for path in Path().glob("[0-9]-*") if path.suffix != ".golden")
    desk = ImageDesk(files, ENVIRONMENT, now=datetime(2026, 1, 31, 12, 30, tzinfo=UTC))
    choices = Choices(version="v1.2-3-gabcdef")
    try:
        plan = desk.plan_appliance(choices) if case.startswith("appliance") else desk.plan_build(choices)
        told = "".join(f"{note}\n" for note in desk.notes) + plan.model_dump_json(indent=1) + "\n---\n" + desk.text
    except ConfigError as error:
        told = f"{error}\n"
    told = told.replace(str(Path.cwd()), "/the-folder")
    golden = SETTINGS / f"{case}.golden"
    if os.environ.get("HERASPHERE_GOLDEN"):
        golden.write_text(told)
    assert not any(secret in told for secret in SECRETS)
    assert told == golden.read_text()
