"""`hera submit` of images: what reaches the cluster and its media service, what is refused at the desk, and a retry."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from steps.clients.media import Media
from tests.unit.argo.desk import Desk
from tests.unit.domain.images import APPLIANCE, COMMON, IMAGE
from tests.unit.media.serving import TOKEN
from workflows.catalog import template

OF_THE_DESK = "ssh_password: {secret: guest, key: password}", "ssh_password: {file: guest-password}"
GUEST_PASSWORD = "Guest!of#the1desk"
ON_A_CLAIM = APPLIANCE.replace("/var/lib/appliances", "pvc:appliances/nightly")


@pytest.fixture
def files(desk: Desk) -> Path:
    """A folder with settings and what they refer to; the templates of images are deployed."""
    for name in ("build-image", "build-appliance", "release"):
        desk.fake.put("workflowtemplates", template(name))
    (desk.folder / "ks.cfg").write_text("reboot\n")
    (desk.folder / "guest-password").write_text(GUEST_PASSWORD)
    own = "\n".join(line for line in IMAGE.splitlines() if not line.startswith("files:"))
    (desk.folder / "image.yaml").write_text(own.replace(*OF_THE_DESK))
    (desk.folder / "appliance.yaml").write_text(ON_A_CLAIM)
    return desk.folder


def values(workflow: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in workflow["spec"]["arguments"]["parameters"]}


def the_run(desk: Desk) -> dict[str, Any]:
    [name] = desk.names("workflows")
    return desk.fake.get("workflows", name)


def test_settings_files_and_secrets_go_where_the_steps_take_them_from(desk: Desk, files: Path) -> None:
    said = desk.hera("submit", "build-image", "-f", files / "image.yaml", "--on-error", "keep")
    assert said.code == 0, said.err
    made = the_run(desk)
    given = values(made)
    assert made["spec"]["workflowTemplateRef"] == {"name": "build-image"}
    assert (given["on_error"], given["force"], given["desk"]) == ("keep", "false", f"{made['metadata']['name']}-desk")
    assert len(given["approved"]) == 16
    with Media(desk.fake.media_url, TOKEN) as media:
        [bundle] = [line.split()[1] for line in given["settings"].splitlines() if line.startswith("files:")]
        assert media.has_bundle(bundle)
    secret = desk.fake.get("secrets", given["desk"])
    assert [base64.b64decode(text).decode() for text in secret["data"].values()] == [GUEST_PASSWORD]
    assert GUEST_PASSWORD not in json.dumps(made) + said.out + said.err
    sources = made["spec"]["volumes"][0]["projected"]["sources"]
    assert {each["secret"]["name"] for each in sources} == {"vcenter", given["desk"], "herasphere-media"}
    assert "ks.cfg by floppy" in said.err and "the VM is kept" in said.err


def test_an_ova_goes_to_the_claim_that_the_settings_name(desk: Desk, files: Path) -> None:
    assert desk.hera("submit", "build-appliance", "-f", files / "appliance.yaml", "--force").code == 0
    made = the_run(desk)
    assert (values(made)["claim"], len(made["spec"]["volumes"])) == ("appliances", 1)
    assert values(made)["force"] == "true" and "desk" not in values(made), "there are no secrets of the desk"


def test_a_release_is_both_with_the_one_made_of_the_other(desk: Desk, files: Path) -> None:
    (files / "common.yaml").write_text(COMMON)
    without_base = "\n".join(line for line in ON_A_CLAIM.splitlines() if not line.startswith("base:"))
    (files / "appliance.yaml").write_text(without_base)
    parts: list[str | Path] = ["--image", files / "image.yaml", "--appliance", files / "appliance.yaml"]
    said = desk.hera("submit", "release", "-f", files / "common.yaml", *parts)
    assert said.code == 0, said.err
    given = values(the_run(desk))
    assert "base: base" in given["settings"].splitlines() and "iso_url:" in given["image"]
    assert given["approved"] != given["approved_image"]
    assert "linked clone of base" in said.err
    planned = desk.hera("plan", "release", "-f", files / "common.yaml", *parts, "--json", "--for", "argo")
    assert set(json.loads(planned.out)) == {"image", "appliance"}


def test_what_would_be_submitted_can_be_read(desk: Desk, files: Path) -> None:
    said = desk.hera("render", "build-image", "-f", files / "image.yaml")
    assert said.code == 0, said.err
    assert said.out.startswith("apiVersion: ") and "name: build-image-1-desk" in said.out
    assert "boot_command:" in said.out and GUEST_PASSWORD not in said.out


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("iso_url: linux.iso", "a pod cannot read linux.iso"),
        ("ssh_password: {file: nothing-there}", "nothing-there"),
        ("floppy_files: [gone.cfg]", "there is no 'gone.cfg'"),
    ],
)
def test_what_a_pod_would_not_find_is_a_fault_at_the_desk(desk: Desk, files: Path, setting: str, told: str) -> None:
    (files / "more.yaml").write_text(f"{setting}\n")
    said = desk.hera("submit", "build-image", "-f", files / "image.yaml", "-f", files / "more.yaml")
    assert said.code == 2
    assert told in said.out + said.err and "more.yaml:1:" in said.out + said.err
    assert desk.names("workflows") == desk.names("secrets") == []


@pytest.mark.parametrize(
    ("folder", "told"),
    [("/srv/out", "a folder of a pod"), ("pvc:Not_A_Name/x", "names no volume"), ("pvc:a/../b", "names no volume")],
)
def test_an_ova_in_a_pod_would_be_gone_with_it(desk: Desk, files: Path, folder: str, told: str) -> None:
    (files / "more.yaml").write_text(f"output_dir: {folder}\n")
    said = desk.hera("submit", "build-appliance", "-f", files / "appliance.yaml", "-f", files / "more.yaml")
    assert (said.code, desk.names("workflows")) == (2, [])
    assert told in said.out + said.err


def test_a_dry_run_sends_no_files(desk: Desk, files: Path) -> None:
    said = desk.hera("submit", "build-image", "-f", files / "image.yaml", "--dry-run")
    assert said.code == 0, said.err
    assert desk.names("workflows") == desk.names("secrets") == []
    assert not [place for method, place, *_ in desk.fake.asked if method == "PUT" and "bundles" in place]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["build-image"], "needs its settings"),
        (["build-image", "-f", "image.yaml", "--only", "x"], "takes no host table"),
        (["build-image", "-f", "image.yaml", "--image", "image.yaml"], "--image"),
        (["build-image", "-f", "image.yaml", "-p", "force=true"], "--force"),
        (["build-image", "-f", "image.yaml", "-p", "version=1"], "build_version"),
        (["release", "-f", "image.yaml"], "--image FILE"),
        (["install-hosts", "-f", "hosts.yaml", "--yes", "--force"], "builds no image"),
    ],
    ids=str,
)
def test_wrong_words_are_2_and_touch_nothing(desk: Desk, files: Path, words: list[str], told: str) -> None:
    said = desk.hera("submit", *(files / word if word.endswith(".yaml") else word for word in words))
    assert said.code == 2 and told in said.out + said.err
    assert desk.names("workflows") == desk.names("secrets") == []


def test_a_retry_is_the_same_order_with_the_same_secrets(desk: Desk, files: Path) -> None:
    (files / "appliance.yaml").write_text(ON_A_CLAIM.replace(*OF_THE_DESK))
    run = desk.hera("submit", "build-appliance", "-f", files / "appliance.yaml").out.strip()
    old = desk.fake.get("workflows", run)
    desk.fake.put("workflows", old | {"status": {"phase": "Failed"}})
    said = desk.hera("retry", run)
    assert said.code == 0, said.err
    new = desk.fake.get("workflows", said.out.strip())
    assert (values(new), new["spec"]["volumes"]) == (values(old), old["spec"]["volumes"])
    owners = desk.fake.get("secrets", f"{run}-desk")["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == [run, said.out.strip()]


def test_a_schedule_builds_it_again_and_again(desk: Desk, files: Path) -> None:
    when = ["--cron", "@daily", "--timezone", "UTC", "--name", "nightly"]
    said = desk.hera("schedule", "create", "build-appliance", "-f", files / "appliance.yaml", "--force", *when)
    assert said.code == 0, said.err
    spec = desk.fake.get("cronworkflows", "nightly")["spec"]["workflowSpec"]
    assert {"name": "force", "value": "true"} in spec["arguments"]["parameters"]
    assert {"name": "claim", "value": "appliances"} in spec["arguments"]["parameters"]
