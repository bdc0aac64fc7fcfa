"""A build as every engine is given it: what the steps read is what was planned, and no secret is in it."""

from pathlib import Path

import pytest
import yaml

from steps.domain.errors import ConfigError
from steps.domain.host import DESK_SECRET, SecretRef
from steps.domain.image.plan import AppliancePlan, BuildPlan, digest_of
from steps.domain.image.planning import Choices
from steps.planning import confirmed, planned
from tests.unit.domain.images import APPLIANCE, IMAGE
from workflows.desk_secrets import Engine
from workflows.image_order import ImageOrder, image_order, release_order

PASSWORD = "of the file only"
LINES = IMAGE.splitlines(keepends=True)
PLAIN = "".join(line for line in LINES if not line.startswith(("files:", "floppy_files:", "boot_command:")))
OWN_PASSWORD = "password: {secret: vcenter, key: password}", f"password: {PASSWORD}"
TYPED = """
http_directory: pages
boot_command: ["<tab> ks=http://{{ .HTTPIP }}/{{ .HTTPPort }}<enter>", "type: 'one' \\"two\\" # {\\\\x7B"]
provision:
  - {inline: ["echo a  b", "  : indented", "", "- no list"], environment: {NOTE: "two\\nlines", EMPTY: ""}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With settings of an image and of an appliance, both with a password in them; here steps find no secrets."""
    monkeypatch.setenv("HERASPHERE_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("VCENTER_SERVER", "VCENTER_USERNAME", "VCENTER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "ks.cfg").write_text("reboot\n")
    (tmp_path / "image.yaml").write_text(PLAIN.replace(*OWN_PASSWORD))
    (tmp_path / "typed.yaml").write_text(TYPED)
    (tmp_path / "appliance.yaml").write_text(APPLIANCE.replace("/var/lib", "pvc:volume").replace(*OWN_PASSWORD))
    (tmp_path / "ova.yaml").write_text(APPLIANCE.replace("/var/lib", "pvc:volume").replace("base: base\n", ""))
    return tmp_path


def ordered(folder: Path, workflow: str, *files: str, choices: Choices | None = None) -> ImageOrder:
    engine: Engine = "argo"
    return image_order(workflow, [folder / file for file in files], choices or Choices(version="v1"), engine=engine)


def read_back(text: str, choices: Choices, *, is_image: bool) -> BuildPlan | AppliancePlan:
    """The plan that a step makes of the parameter."""
    return planned(text, "image" if is_image else "appliance", choices)


def test_what_the_steps_plan_is_what_was_approved(folder: Path) -> None:
    order = ordered(folder, "build-image", "image.yaml", "typed.yaml")
    given = order.parameters
    plan = read_back(given["settings"], Choices(), is_image=True)
    assert isinstance(plan, BuildPlan)
    assert plan == order.parts[0].plan and confirmed(plan, given["approved"]) == given["approved"]
    assert plan.boot.command == tuple(yaml.safe_load(TYPED)["boot_command"])


def test_what_the_steps_plan_of_an_appliance_is_what_was_approved(folder: Path) -> None:
    order = ordered(folder, "build-appliance", "appliance.yaml")
    given = order.parameters
    plan = read_back(given["settings"], Choices(version=given["version"]), is_image=False)
    assert isinstance(plan, AppliancePlan) and plan.facts.version == "v1"
    assert plan == order.parts[0].plan and digest_of(plan) == given["approved"]


def test_argo_finds_no_tag_of_its_own_in_what_is_typed(folder: Path) -> None:
    given = ordered(folder, "build-image", "image.yaml", "typed.yaml").parameters
    assert "HTTPIP" in given["settings"]
    assert not any("{{" in value for value in given.values())


def test_a_password_of_the_settings_is_in_the_orders_secrets_alone(folder: Path) -> None:
    order = ordered(folder, "build-image", "image.yaml")
    assert PASSWORD not in str(order.parameters)
    assert order.texts == {SecretRef(name=DESK_SECRET, key="setting.password"): PASSWORD}
    assert set(order.references) == {
        SecretRef(name=DESK_SECRET, key="setting.password"),
        SecretRef(name="vcenter", key="username"),
        SecretRef(name="guest", key="password"),
    }


@pytest.mark.parametrize(("on_error", "force"), [("cleanup", False), ("keep", True)])
def test_what_was_chosen_is_given(folder: Path, on_error: str, force: bool) -> None:
    choices = Choices(on_error, force, "v7")  # type: ignore[arg-type]
    image = ordered(folder, "build-image", "image.yaml", choices=choices)
    assert image.parameters.keys() == {"settings", "on_error", "force", "approved"}
    assert (image.parameters["on_error"], image.parameters["force"]) == (on_error, str(force).lower())
    appliance = ordered(folder, "build-appliance", "appliance.yaml", choices=choices)
    assert appliance.parameters.keys() == {*image.parameters, "version", "claim"}
    assert (appliance.parameters["version"], appliance.parameters["on_error"]) == ("v7", on_error)


def test_a_version_of_the_settings_wins(folder: Path) -> None:
    (folder / "more.yaml").write_text("build_version: v9\n")
    assert ordered(folder, "build-appliance", "appliance.yaml", "more.yaml").parameters["version"] == "v9"


def test_the_volume_of_the_ova(folder: Path) -> None:
    assert ordered(folder, "build-appliance", "appliance.yaml").parameters["claim"] == "volume"
    (folder / "more.yaml").write_text("export: false\n")
    assert ordered(folder, "build-appliance", "appliance.yaml", "more.yaml").parameters["claim"] == ""


def released(folder: Path, appliance: str) -> ImageOrder:
    return release_order([folder / "image.yaml"], [folder / appliance], Choices(version="v1"), engine="argo")


@pytest.mark.parametrize("appliance", ["appliance.yaml", "ova.yaml"], ids=["names its base", "names none"])
def test_a_release_is_an_image_and_the_appliance_made_of_it(folder: Path, appliance: str) -> None:
    order = released(folder, appliance)
    image, made = (part.plan for part in order.parts)
    given = order.parameters
    assert (order.workflow, order.name, image.name) == ("release", "appliance", "base")
    assert isinstance(made, AppliancePlan) and made.base.vm == "base"
    assert (given["approved_image"], given["approved"]) == (digest_of(image), digest_of(made))
    assert yaml.safe_load(given["image"])["name"] == "base" and yaml.safe_load(given["settings"])["base"] == "base"


def test_a_release_leaves_a_base_that_the_settings_name(folder: Path) -> None:
    (folder / "ova.yaml").write_text((folder / "ova.yaml").read_text() + "base: another\n")
    order = released(folder, "ova.yaml")
    made = order.parts[-1].plan
    assert isinstance(made, AppliancePlan) and made.base.vm == "another"
    assert yaml.safe_load(order.parameters["settings"])["base"] == "another"


def test_a_release_has_the_secrets_of_both_once(folder: Path) -> None:
    """The one's settings have a password in them, the other's a reference."""
    order = released(folder, "ova.yaml")
    assert order.texts == {SecretRef(name=DESK_SECRET, key="setting.image.password"): PASSWORD}
    assert len(order.references) == len(set(order.references)) == 4
    assert SecretRef(name="vcenter", key="password") in order.references


def test_two_passwords_that_stand_in_settings_are_two_secrets(folder: Path) -> None:
    other = "of the other file"
    (folder / "appliance.yaml").write_text((folder / "appliance.yaml").read_text().replace(PASSWORD, other))
    order = released(folder, "appliance.yaml")
    for part, text, password in zip(order.parts, ("image", "settings"), (PASSWORD, other), strict=True):
        reference = yaml.safe_load(order.parameters[text])["password"]
        assert SecretRef(name=reference["secret"], key=reference["key"]) == part.plan.vcenter.password
        assert order.texts[part.plan.vcenter.password] == password


@pytest.mark.parametrize("other", [PASSWORD, "of the other file"])
def test_two_files_with_secrets_that_have_one_name(folder: Path, other: str) -> None:
    """A name is looked for beside the settings that have it: it must not be another file's in the one run."""
    for place, password in (("image", PASSWORD), ("appliance", other)):
        (folder / place).mkdir()
        (folder / place / "password").write_text(password)
        settings = PLAIN if place == "image" else APPLIANCE.replace("/var/lib", "pvc:volume")
        (folder / place / "own.yaml").write_text(settings.replace(OWN_PASSWORD[0], "password: {file: password}"))
    files = [folder / "image" / "own.yaml"], [folder / "appliance" / "own.yaml"]
    if other == PASSWORD:
        assert list(release_order(*files, Choices(), engine="argo").texts.values()) == [PASSWORD]
        return
    with pytest.raises(ConfigError, match="another one than that of its name") as caught:
        release_order(*files, Choices(), engine="argo")
    assert [fault.file for fault in caught.value.faults] == [str(files[1][0])] and other not in str(caught.value)


def test_faults_are_told_before_anything_else(folder: Path) -> None:
    (folder / "more.yaml").write_text("iso_url: gone.iso\nmemory: none\n")
    with pytest.raises(ConfigError) as caught:
        ordered(folder, "build-image", "image.yaml", "more.yaml")
    assert [(Path(fault.file).name, fault.line) for fault in caught.value.faults] == [
        ("more.yaml", 1),
        ("more.yaml", 2),
    ]
