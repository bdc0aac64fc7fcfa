"""A person's desk for images, with a vCenter whose VMs boot: settings, kickstarts, and a mirror of the ISO."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from steps.clients.vsphere.inventory import locate
from steps.clients.vsphere.machines import named
from steps.domain.image.plan import Place
from steps.domain.image.vm import VmSeen
from tests.lab import here
from tests.lab.network import LabNetwork
from tests.lab.vcenter import fixture, ssh
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, VCenter, installer_iso, vcenter

WHY_NOT = here.why_not() or fixture.why_not() or ssh.why_not()
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

    def seen(self, name: str) -> VmSeen | None:
        """The VM of this name as vCenter shows it."""
        with fixture.logged_in(self.vc) as vsphere:
            site = locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE, folder="images/linux"))
            found = named(site, name)
            return found.look() if found else None

    @property
    def common(self) -> Path:
        """Settings of the vCenter, for every image."""
        return self.folder / "settings.yaml"

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


@contextmanager
def desk(folder: Path, network: LabNetwork, host: str, mirrored_at: str = "") -> Iterator[Desk]:
    """A desk in this folder, its vCenter at this address of this machine, whose VMs are in that network.

    mirrored_at: address of the mirror; empty: the network's own
    """
    (folder / "ks.cfg.j2").write_text(KICKSTART + "reboot\n")
    (folder / "pages").mkdir()
    (folder / "pages" / "ks.json.j2").write_text(PHOTON)
    (folder / "provision.sh").write_text('#!/bin/sh -e\necho "$WHO" >/etc/provisioned\n')
    with vcenter(folder / "vc", boots=True, network=network, host=host) as vc:
        made = Desk(vc, folder)
        common = fixture.settings_in(folder, vc)
        common.write_text(common.read_text().replace("disk_size: 100\n", ""))
        serve = partial(Mirror, asked=made.asked, directory=str(installer_iso().parent))
        at = mirrored_at or network.host_address
        with ThreadingHTTPServer((at, 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            made.mirror = f"http://{at}:{server.server_port}"
            yield made
            server.shutdown()
    assert not network.is_up
