"""A vCenter for a module of tests, and the plan of an image that fits it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steps.clients.vsphere import VSphere, connect
from steps.domain.image.plan import BuildPlan
from steps.domain.image.planning import Choices
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, NETWORK, VCenter
from workflows.image_desk import ImageDesk

SETTINGS = f"""
cluster: {CLUSTER}
datastore: {DATASTORE}
network: {NETWORK}
folder: images/linux
guest_os_type: otherGuest64
disk_controller_type: pvscsi
disk_size: 100
memory: 512
cpu: 1
ssh_username: root
ssh_password: {{env: LAB_GUEST_PASSWORD}}
"""
GUEST_PASSWORD = "Guest-of-the-lab-1!"


def why_not() -> str:
    """Why the simulated vCenter cannot run here; empty if it can."""
    missing = [program for program in ("go", "qemu-img") if shutil.which(program) is None]
    return f"the simulated vCenter needs {', '.join(missing)}" if missing else ""


def environment(vc: VCenter) -> dict[str, str]:
    """What the settings take from the environment."""
    return {
        "VCENTER_SERVER": vc.address,
        "VCENTER_USERNAME": vc.username,
        "VCENTER_PASSWORD": vc.password,
        "LAB_GUEST_PASSWORD": GUEST_PASSWORD,
    }


def settings_in(folder: Path, vc: VCenter, more: str = "") -> Path:
    """A settings file for this vCenter. more: settings on top, which win"""
    shutil.copy(vc.certificate, folder / "vcenter-ca.pem")
    file = folder / "settings.yaml"
    own = SETTINGS + "ca: {file: vcenter-ca.pem}\n"
    keys = {line.partition(":")[0] for line in more.splitlines() if line and not line.startswith((" ", "-"))}
    kept = [line for line in own.splitlines() if line.partition(":")[0] not in keys]
    file.write_text("\n".join([*kept, more]))
    return file


def plan_in(folder: Path, vc: VCenter, more: str = "", **choices: bool) -> BuildPlan:
    """The plan of an image at this vCenter."""
    file = settings_in(folder, vc, f"name: base\niso_path: '[{DATASTORE}] lab.iso'\n{more}")
    return ImageDesk([file], environment(vc)).plan_build(Choices(**choices))  # type: ignore[arg-type]


@contextmanager
def logged_in(vc: VCenter) -> Iterator[VSphere]:
    with connect(vc.address, username=vc.username, password=vc.password, ca_pem=vc.certificate.read_text()) as vsphere:
        yield vsphere
