"""What is shipped for images is right by the tools whose language it is in, and makes a plan as it is.

Kickstarts: pykickstart, with the language of the installer's own version. Photon's: a JSON schema after its installer's
documentation. Scripts: `sh -n`. Settings: `hera plan`, and the schema that editors check them with.
"""

import json
import re
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from steps.domain import passwords
from steps.domain.image.plan import BuildPlan
from steps.domain.image.rendering import rendered
from workflows.cli import app

ROOT = Path(__file__).parents[2]
IMAGES, CONFIG, PACKER = ROOT / "images", ROOT / "config" / "images", ROOT / "config" / "packer"
COMMON = ("common.yaml", "vcenter.yaml")
SYSTEMS = sorted({path.name for path in CONFIG.iterdir()} - {*COMMON})
ANACONDA = {"centos7": "RHEL7", "el9": "RHEL9"}
PHOTON = ("photon3", "photon5")
HASH = passwords.sha512_crypt("It's 1 secret", salt=passwords.salt(run="run-1", host="image"))
USERS = ("root", "builder")
PASSWORD = "of the environment only"
ENVIRONMENT = {"VCENTER_USERNAME": "builder@vsphere.local", "VCENTER_PASSWORD": PASSWORD, "SSH_PASSWORD": PASSWORD}


def kickstart(path: Path, username: str) -> str:
    """As the installer gets it."""
    values = {"name": "image-base", "ssh_username": username, "ssh_password_hash": HASH}
    ((_, content),) = rendered([(path.name, path.read_bytes())], values)
    return content.decode()


def parsed(text: str, version: str) -> Any:
    """The commands of a kickstart in the language of this version; an error or a warning raises."""
    from pykickstart.parser import KickstartParser
    from pykickstart.version import makeVersion

    handler = makeVersion(version)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        KickstartParser(handler, errorsAreFatal=True).readKickstartFromString(text)
    return handler


def sh(script: str) -> str:
    """What a shell has against the script; nothing of it is run."""
    return subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("username", USERS)
@pytest.mark.parametrize("folder", ANACONDA)
def test_anaconda_understands_the_kickstart(folder: str, username: str) -> None:
    handler = parsed(kickstart(IMAGES / folder / "ks.cfg.j2", username), ANACONDA[folder])
    assert "open-vm-tools" in handler.packages.packageList
    assert handler.scripts and all(sh(each.script) == "" for each in handler.scripts)
    assert all(each.errorOnFail for each in handler.scripts)
    if username == "root":
        assert (handler.rootpw.password, handler.rootpw.isCrypted) == (HASH, True)
    else:
        (user,) = handler.user.userList
        assert handler.rootpw.lock and (user.name, user.password, user.isCrypted) == (username, HASH, True)
        assert user.groups == ["wheel"]


@pytest.mark.parametrize("version", ["RHEL7", "RHEL9"])
def test_pykickstart_finds_an_unknown_option(version: str) -> None:
    from pykickstart.errors import KickstartError

    with pytest.raises(KickstartError):
        parsed("rootpw --iscryptd x\n", version)


@pytest.mark.parametrize("username", USERS)
@pytest.mark.parametrize("folder", PHOTON)
def test_photon_understands_the_kickstart(folder: str, username: str) -> None:
    made = json.loads(kickstart(IMAGES / folder / "ks.json.j2", username))
    photon_schema().validate(made)
    assert {"open-vm-tools", "openssh-server"} <= {*made["packages"]}
    assert made["password"]["text"] == (HASH if username == "root" else "*")
    script = "\n".join(made["postinstall"])
    assert sh(script) == "" and "vmtoolsd" in script
    assert (f"useradd -m -G wheel -p '{HASH}' 'builder'" in script) == (username != "root")


@pytest.mark.parametrize(
    "wrong",
    [
        {"pasword": {}},
        {"password": {"crypted": True, "text": "changeme"}},
        {"disk": "sda"},
        {"packages": "minimal"},
        {"bootmode": "uefi"},
        {"network": {"type": "static", "ip_addr": "10.0.0.9"}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_photons_schema_finds(wrong: Mapping[str, Any]) -> None:
    made = json.loads(kickstart(IMAGES / "photon5" / "ks.json.j2", "root"))
    assert list(photon_schema().iter_errors({**made, **wrong}))


def photon_schema() -> jsonschema.Draft202012Validator:
    schema = json.loads((IMAGES / "photon-kickstart.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_kickstart_is_checked() -> None:
    there = {path.parent.name for path in IMAGES.glob("*/ks.*")}
    assert there == {*ANACONDA, *PHOTON}


@pytest.mark.parametrize("script", sorted((IMAGES / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_programs_of_sh(script: Path) -> None:
    text = script.read_text()
    assert sh(text) == "" and text.startswith("#!/bin/sh\n") and "set -eu" in text
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_settings_make_a_plan(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG)
    plan, notes = planned([*COMMON, system])
    assert notes == ""
    assert plan.name == f"{Path(system).stem}-base"
    assert plan.iso.digest and all(url.startswith("https://") for url in plan.iso.urls)
    shown_by_its_menu(plan)


def test_the_settings_make_a_plan_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan, _ = planned([str(CONFIG / name) for name in (*COMMON, "photon5.yaml")])
    assert plan.kickstart.bundle and plan.guest.steps


def test_packers_var_files_make_the_same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PACKER)
    plan, notes = planned(["common.json", "vcenter.json", "centos7.json"])
    assert [line.partition(": ")[2] for line in notes.splitlines()] == [
        "guest_os_type is VMware Workstation's; vsphere_guest_os_type is taken"
    ]
    assert plan.kickstart.floppy and "ks=hd:fd0:/ks.cfg" in "".join(plan.boot.command)
    monkeypatch.chdir(CONFIG)
    yaml_plan, _ = planned([*COMMON, "centos7.yaml"])
    assert (plan.name, plan.iso.digest, plan.place) == (yaml_plan.name, yaml_plan.iso.digest, yaml_plan.place)
    assert plan.machine.guest_id == yaml_plan.machine.guest_id
    assert plan.machine.hardware.disks == yaml_plan.machine.hardware.disks


@pytest.mark.parametrize("name", [*COMMON, *SYSTEMS])
def test_editors_accept_the_settings(name: str) -> None:
    schema = json.loads((ROOT / "config" / "schema" / "images.json").read_text())
    text = (CONFIG / name).read_text()
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))
    assert "# yaml-language-server: $schema=../schema/images.json\n" in text


def test_the_editors_schema_finds_a_misspelt_key() -> None:
    schema = json.loads((ROOT / "config" / "schema" / "images.json").read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({"memmory": 4096, "iso_url": 7}))


def planned(files: list[str]) -> tuple[BuildPlan, str]:
    """The plan that `hera plan` prints, and what it says on stderr. No secret is in either."""
    arguments = ["plan", "build-image", "--json", *(word for file in files for word in ("-f", file))]
    done = CliRunner().invoke(app, arguments, env=ENVIRONMENT)
    assert done.exception is None or done.exit_code == 0, f"{done.output}{done.exception}"
    assert PASSWORD not in done.output
    return BuildPlan.model_validate_json(done.stdout), done.stderr


def shown_by_its_menu(plan: BuildPlan) -> None:
    """The boot command names a kickstart that the media has, where the installer of this firmware looks."""
    typed = "".join(plan.boot.command)
    (path,) = re.findall(r"ks=(?:hd:LABEL=OEMDRV:|http://\{\{ \.HTTPIP }}:\{\{ \.HTTPPort }})/(ks\.\w+)", typed)
    given = [*plan.kickstart.cd, *plan.kickstart.http.split()]
    assert len(given) == 1
    media = (CONFIG / given[0]).resolve()
    names = {media.name} if media.is_file() else {each.name for each in media.iterdir()}
    assert names == {f"{path}.j2"}
    assert typed.endswith("<enter>" if plan.machine.hardware.firmware == "bios" else "<leftCtrlOn>x<leftCtrlOff>")
    assert (plan.kickstart.cd_label == "OEMDRV") and ("OEMDRV" in typed) == bool(plan.kickstart.cd)
