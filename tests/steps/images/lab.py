"""What a step of a build has around it: a vCenter, a media service, secrets, and the plan of an image."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from steps.build import create_vm
from steps.clients.media import Media
from steps.clients.vsphere import machines
from steps.clients.vsphere.inventory import Site, locate
from steps.clients.vsphere.machines import Vm
from steps.clients.vsphere.properties import read, read_all
from steps.domain.image.plan import AppliancePlan, BuildPlan, Place
from steps.domain.image.planning import Choices
from steps.domain.image.vm import Mark, Origin, VmSeen
from tests.lab.s3.gateway import ACCESS_KEY, SECRET_KEY
from tests.lab.vcenter.fixture import environment, logged_in, plan_in, settings_in
from tests.lab.vcenter.vcenter import CLUSTER, DATASTORE, VCenter
from tests.unit.media.serving import TOKEN
from workflows.image_desk import ImageDesk

FOLDER = "images/linux"
LOOKING = "SearchDatastore"
OVA = """
ova_name: box
base_ova: base.ova
disk_size: 2
product: {name: Lab, vendor: Somebody, version: "1.2"}
properties: [{key: ip, label: Address}, {key: secret, password: true}]
eula: eula.txt
annotation: of the lab
os_display_name: Lab Linux 1
"""  # settings of an appliance that is made of the OVA of the fixture `base`
numbers = itertools.count(1)


@dataclass
class Lab:
    """One run of one image. Its name and its run's are nobody else's.

    folder: the desk's, with the settings and what they refer to
    media:  URL of the media service
    """

    vc: VCenter
    folder: Path
    secrets: Path
    media: str
    number: int = field(default_factory=lambda: next(numbers))
    _done: dict[str, str] = field(default_factory=dict)

    @property
    def run(self) -> str:
        return f"run-{self.number}"

    @property
    def name(self) -> str:
        return f"image-{self.number}"

    def plan(self, more: str = "", **choices: Any) -> BuildPlan:
        """Of a base image. more: settings on top"""
        iso = "" if "iso_url" in more or "iso_path" in more else f"iso_path: '[{DATASTORE}] lab.iso'\n"
        desk = self._desk(f"{iso}{more}")
        plan = desk.plan_build(Choices(**choices))
        self._keep(desk)
        return plan

    def appliance(self, more: str = "", **choices: Any) -> AppliancePlan:
        """Of an appliance."""
        desk = self._desk(more)
        plan = desk.plan_appliance(Choices(**choices))
        self._keep(desk)
        return plan

    @property
    def settings(self) -> str:
        """Those of the plan made last, as a workflow's parameter."""
        return self._last.text

    def do(self, step: ModuleType, plan: BuildPlan | AppliancePlan | None = None, **given: Any) -> Any:
        """What the step of this module puts out."""
        words = {"run": self.run, "media": self.media, **({"plan": plan} if plan else {}), **given}
        return getattr(step, step.__name__.rpartition(".")[2])(step.Input(**words))

    def made(self, plan: BuildPlan, iso: str = "") -> str:
        """The id of a VM that this run has made."""
        return str(self.do(create_vm, plan, iso=iso).vm)

    def files(self) -> set[str]:
        """What lies in the datastore."""
        root = self.vc.datastore_folder
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def cached(self) -> set[str]:
        """What lies in the datastore's cache of ISOs."""
        return {path for path in self.files() if path.startswith("herasphere/iso/")}

    @contextmanager
    def site(self) -> Iterator[Site]:
        with logged_in(self.vc) as vsphere:
            yield locate(vsphere, Place(cluster=CLUSTER, datastore=DATASTORE, folder=FOLDER))

    @contextmanager
    def vm(self, moid: str) -> Iterator[Vm]:
        with logged_in(self.vc) as vsphere:
            yield Vm(vsphere, moid)

    def seen(self, moid: str) -> VmSeen:
        with self.vm(moid) as vm:
            return vm.look()

    def named(self, name: str) -> VmSeen | None:
        with self.site() as site:
            found = machines.named(site, name)
            return found.look() if found else None

    def stranger(self, name: str, run: str = "somebody-else", **extra: str) -> str:
        """The id of a VM of this name that another run has made. extra: of its configuration"""
        machine = plan_in(self.folder, self.vc).machine.model_copy(update={"extra_config": extra})
        with self.site() as site:
            made = machines.create(site, name, machine, Mark(run=run, name=name), Origin(), media=[""])
            return made.moid

    def changes(self) -> list[str]:
        """The tasks that vCenter has done so far, but for those that look at files.

        It shows the last 200 of them: those seen before are remembered.
        """
        with logged_in(self.vc) as vsphere:
            tasks = read(vsphere, vsphere.content.taskManager, "recentTask")["recentTask"]
            for task, values in zip(tasks, read_all(vsphere, tasks, "info.name", "info.state"), strict=True):
                if values["info.state"] == "success" and not values["info.name"].startswith(LOOKING):
                    self._done[task._moId] = values["info.name"]
        return list(self._done.values())

    def leases(self) -> list[str]:
        """The exports that are under way."""
        return [path.name for path in self.vc.run.glob("export-*")]

    def end_sessions(self) -> int:
        """End every session at vCenter but one's own; how many there were."""
        with logged_in(self.vc) as vsphere:
            manager = vsphere.content.sessionManager
            values = read(vsphere, manager, "sessionList", "currentSession")
            others = [each.key for each in values["sessionList"] if each.key != values["currentSession"].key]
            manager.TerminateSession(sessionId=others)
        return len(others)

    def _desk(self, more: str) -> ImageDesk:
        file = settings_in(self.folder, self.vc, f"name: {self.name}\n{more}")
        self._last = ImageDesk([file], {**environment(self.vc), "S3_ACCESS": ACCESS_KEY, "S3_SECRET": SECRET_KEY})
        return self._last

    def _keep(self, desk: ImageDesk) -> None:
        """The run's secrets are where its steps look for them, and its files are at the media service."""
        for ref, text in desk.secrets.texts.items():
            file = self.secrets / ref.name / ref.key
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        bundle = self.folder / "bundle.tar"
        with bundle.open("wb") as target:
            packed = desk.write_bundle(target)
        if packed:
            with Media(self.media, TOKEN) as media:
                media.put_bundle(bundle)
