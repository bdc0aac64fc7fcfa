"""Images on a vCenter whose VMs boot: from an installer's ISO to an OVA, by `hera run`, with keys, SSH and all."""

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.clients.vsphere.inventory import locate
from steps.clients.vsphere.machines import named
from steps.domain.image.plan import Place
from steps.domain.image.vm import VmSeen
from tests.e2e.hera import Said, hera
from tests.lab import here
from tests.lab.vcenter import fixture, ssh
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, VCenter, installer_iso, vcenter

WHY_NOT = here.why_not() or fixture.why_not() or ssh.why_not()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "-")]

NETWORK = here.network_for_tests("i", 8)
ISO = "standin-linux-7.iso"
KICKSTART = "rootpw --iscrypted {{ ssh_password_hash }}\nnetwork --bootproto=dhcp --hostname={{ name }}\n"
PHOTON = (
    '{"hostname": "{{ name }}", "password": {"crypted": true, "text": "{{ ssh_password_hash }}"}, "disk": "/dev/sda"}'
)
BY_FLOPPY = {"boot_command": "<tab> text ks=hd:fd0:/ks.cfg<enter>", "floppy_files": ["ks.cfg.j2"]}
BY_CD = {"boot_command": "<enter>", "cd_files": ["ks.cfg.j2"], "cd_label": "OEMDRV"}
BY_HTTP = {
    "boot_command": [
        "<esc><wait3s>vmlinuz initrd=initrd.img console=ttyS0 ",
        "ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.json<enter>",
    ],
    "http_directory": "pages",
}


@dataclass
class Desk:
    """A folder with the settings of images, and a mirror of the ISO. asked: what the mirror was asked for"""

    vc: VCenter
    folder: Path
    mirror: str = ""
    asked: list[str] = field(default_factory=list)

    def settings(self, name: str, more: dict[str, Any]) -> Path:
        """A file with these settings alone."""
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(more))
        return file

    def image(self, name: str, **more: Any) -> Path:
        """Settings of a base image of this name."""
        sha256 = hashlib.sha256(installer_iso().read_bytes()).hexdigest()
        iso = {"iso_url": [f"{self.mirror}/gone/{ISO}", f"{self.mirror}/{ISO}"], "iso_checksum": f"sha256:{sha256}"}
        return self.settings(name, {"name": name, "disk_size": 100, "boot_wait": "10s"} | iso | more)

    def run(self, *words: str | Path) -> Said:
        """`hera run` with these words; its events are on stdout."""
        about: list[str | Path] = [
            "-f",
            self.folder / "settings.yaml",
            "--media-address",
            NETWORK.host_address,
            "--json",
        ]
        env = fixture.environment(self.vc)
        return hera(self.folder, "run", words[0], *about, *words[1:], timeout_s=400, **env)

    def seen(self, name: str) -> VmSeen | None:
        """The VM of this name as vCenter shows it."""
        with fixture.logged_in(self.vc) as vsphere:
            site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE, folder="images/linux"))
            found = named(site, name)
            return found.look() if found else None

    @property
    def kept_iso(self) -> Path:
        [path] = (self.vc.datastore_folder / "herasphere" / "iso").rglob(ISO)
        return path


class Mirror(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what it was asked for."""

    def __init__(self, *args: Any, asked: list[str], directory: str) -> None:
        self.asked = asked
        super().__init__(*args, directory=directory)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.asked.append(self.path)

    def log_error(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("images")
    (folder / "ks.cfg.j2").write_text(KICKSTART + "reboot\n")
    (folder / "pages").mkdir()
    (folder / "pages" / "ks.json.j2").write_text(PHOTON)
    (folder / "provision.sh").write_text('#!/bin/sh -e\necho "$WHO" >/etc/provisioned\n')
    with vcenter(folder / "vc", boots=True, network=NETWORK) as vc:
        made = Desk(vc, folder)
        common = fixture.settings_in(folder, vc)
        common.write_text(common.read_text().replace("disk_size: 100\n", ""))
        serve = partial(Mirror, asked=made.asked, directory=str(installer_iso().parent))
        with ThreadingHTTPServer((NETWORK.host_address, 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            made.mirror = f"http://{NETWORK.host_address}:{server.server_port}"
            yield made
            server.shutdown()
    assert not NETWORK.is_up


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
    return desk.run("release", "--image", image, "--appliance", desk.settings("appliance", appliance))


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
    refused = desk.run("build-image", "-f", image)
    assert (refused.code, desk.seen("base")) == (3, before)
    assert "base already" in refused.out and "--force" in refused.out
    said = desk.run("build-image", "-f", image, "--force")
    assert said.code == 0, said.err
    after = desk.seen("base")
    assert before is not None and after is not None and after.uuid != before.uuid
    assert desk.asked == asked
    assert (desk.kept_iso.stat().st_ino, desk.kept_iso.stat().st_mtime_ns) == (iso.st_ino, iso.st_mtime_ns)


def test_what_fails_is_kept_for_a_look_with_a_picture_of_its_console(desk: Desk) -> None:
    image = desk.image("broken", provision=[{"inline": ["echo the disk is full >&2", "exit 3"]}], **BY_HTTP)
    said = desk.run("build-image", "-f", image, "--on-error", "keep")
    assert said.code == 1
    [fault] = said.events("fault")
    assert fault["template"] == "provision-guest"
    assert "the disk is full" in fault["text"] and "3" in fault["text"] and "console.png" in fault["hint"]
    seen = desk.seen("broken")
    assert seen is not None and seen.power == "on" and not seen.is_finished
    [picture] = [Path(line.strip()) for line in said.err.splitlines() if line.endswith("console.png")]
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 1000
