"""Images on a vCenter whose VMs boot: from an installer's ISO to an OVA, by `hera run`, with keys, SSH and all."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import images
from tests.e2e.hera import Said, hera
from tests.e2e.images import BY_CD, BY_FLOPPY, BY_HTTP, ISO, WHY_NOT, Desk
from tests.lab import here
from tests.lab.vcenter import fixture

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]

NETWORK = here.network_for_tests("i", 8)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with images.desk(tmp_path_factory.mktemp("images"), NETWORK, "127.0.0.2") as made:
        yield made


def run(desk: Desk, workflow: str, *words: str | Path) -> Said:
    """`hera run` with these words; its events are on stdout."""
    about = ("-f", desk.common, "--media-address", NETWORK.host_address, "--json")
    return hera(desk.folder, "run", workflow, *about, *words, timeout_s=400, **fixture.environment(desk.vc))


@pytest.fixture(scope="module")
def released(desk: Desk) -> Said:
    """An image and an appliance, built by one command."""
    steps = [
        {"upload": "provision.sh", "to": "/root/tools/"},
        {"script": "provision.sh", "environment": {"WHO": "o'ne & only"}},
        {"inline": ["test -x /root/tools/provision.sh -o -f /root/tools/provision.sh"]},
    ]
    image = desk.image("base", provision=steps, os_display_name="Stand-in Linux 7", **BY_FLOPPY)
    appliance = {
        "name": "appliance",
        "output_dir": str(desk.folder / "out"),
        "ova_name": "k3s-standin",
        "build_version": "v1.2",
        "provision": [{"inline": ['grep -x "o\'ne & only" /etc/provisioned', "echo appliance >/etc/appliance"]}],
        "properties": [{"key": "hostname", "label": "Host name", "default": "appliance"}],
    }
    return run(desk, "release", "--image", image, "--appliance", desk.settings("appliance", appliance))


def test_an_iso_becomes_an_ova(desk: Desk, released: Said) -> None:
    assert released.code == 0, released.err
    out = desk.folder / "out"
    assert {path.name for path in out.iterdir()} == {"k3s-standin.ova", "k3s-standin.ova.sha256", "manifest.json"}
    verdict = hera(desk.folder, "ova", "verify", out / "k3s-standin.ova")
    assert (verdict.code, "no fault" in verdict.err + verdict.out) == (0, True)
    subprocess.run(["sha256sum", "-c", "--quiet", "k3s-standin.ova.sha256"], cwd=out, check=True)
    told = json.loads((out / "manifest.json").read_text())
    digest = hashlib.sha256((out / "k3s-standin.ova").read_bytes()).hexdigest()
    assert (told["version"], told["os"], told["artifact"]["sha256"]) == ("v1.2", "Stand-in Linux 7", digest)
    assert told["iso_checksum"] == "sha256:" + hashlib.sha256(desk.kept_iso.read_bytes()).hexdigest()
    keys = [event["text"] for event in released.events("progress") if event["template"] == "type-boot-command"]
    assert any("keys typed" in text for text in keys)
    for name in ("base", "appliance"):
        seen = desk.seen(name)
        assert seen is not None and seen.power == "off" and seen.is_finished


def test_no_secret_is_in_what_a_run_leaves(desk: Desk, released: Said) -> None:
    files = [
        path for path in desk.folder.rglob("*") if path.is_file() and "vc" not in path.relative_to(desk.folder).parts
    ]
    secrets = [fixture.GUEST_PASSWORD.encode(), desk.vc.password.encode()]
    assert [path for path in files if any(secret in path.read_bytes() for secret in secrets)] == []
    assert not any(secret.decode() in released.out + released.err for secret in secrets)


def test_a_second_build_downloads_and_uploads_nothing_and_takes_the_place_of_the_first(
    desk: Desk, released: Said
) -> None:
    assert released.code == 0
    asked, before, iso = list(desk.asked), desk.seen("base"), desk.kept_iso.stat()
    assert [path for path in asked if path == f"/{ISO}"] == [f"/{ISO}"], "once, after the mirror that has it not"
    image = desk.image("base", **BY_CD)
    refused = run(desk, "build-image", "-f", image)
    assert (refused.code, desk.seen("base")) == (3, before)
    assert "base already" in refused.out and "--force" in refused.out
    said = run(desk, "build-image", "-f", image, "--force")
    assert said.code == 0, said.err
    after = desk.seen("base")
    assert before is not None and after is not None and after.uuid != before.uuid
    assert desk.asked == asked
    assert (desk.kept_iso.stat().st_ino, desk.kept_iso.stat().st_mtime_ns) == (iso.st_ino, iso.st_mtime_ns)


def test_what_fails_is_kept_for_a_look_with_a_picture_of_its_console(desk: Desk) -> None:
    image = desk.image("broken", provision=[{"inline": ["echo the disk is full >&2", "exit 3"]}], **BY_HTTP)
    said = run(desk, "build-image", "-f", image, "--on-error", "keep")
    assert said.code == 1
    [fault] = said.events("fault")
    assert fault["template"] == "provision-guest"
    assert "the disk is full" in fault["text"] and "3" in fault["text"] and "console.png" in fault["hint"]
    seen = desk.seen("broken")
    assert seen is not None and seen.power == "on" and not seen.is_finished
    [picture] = [Path(line.strip()) for line in said.err.splitlines() if line.endswith("console.png")]
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 1000
