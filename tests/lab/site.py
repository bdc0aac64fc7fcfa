"""The simulated site: servers with BMCs on a network of their own, brought up and down as one thing."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.build import Built, Say, build
from tests.lab.certificates import Authority
from tests.lab.children import start
from tests.lab.hosttable import HostRow, host_table, write_host_table
from tests.lab.installed import Installation, write_installed_disk
from tests.lab.network import LabNetwork, NetworkRefused
from tests.lab.qemu import QemuMachine
from tests.lab.spec import ServerSpec

REPOSITORY = Path(__file__).parents[2]
OWNERS = Path("/run/herasphere-lab")  # which folder a network belongs to
USERNAME = "root"
DOMAIN = "lab.test"
ANSWER_S = 60


class SiteFailed(Exception):
    """The site did not come up; the text has the reason."""


@dataclass(frozen=True)
class Server:
    """One server of a site that is up, as a test needs it."""

    spec: ServerSpec
    folder: Path
    bmc_address: str
    address: str
    mac: str
    disk_id: str

    @property
    def console(self) -> Path:
        """Everything its serial console has shown."""
        return self.folder / "console.log"


class Site:
    """A site kept in a folder. As a context manager it is up inside, and dies with this process however it dies."""

    def __init__(
        self,
        folder: Path,
        servers: Sequence[ServerSpec],
        *,
        network: LabNetwork | None = None,
        dhcp: bool = True,
        say: Say = print,
    ) -> None:
        """dhcp: serve addresses to installers, so that their call-backs arrive; without, there is silence"""
        self.folder = folder.resolve()
        self.network = network or LabNetwork()
        self.host_table = self.folder / "hosts.yaml"
        self.secrets = self.folder / "secrets"
        self._dhcp = dhcp
        self._processes: list[subprocess.Popen[bytes]] = []
        self._say = say
        self.servers = tuple(self._server(index, spec) for index, spec in enumerate(servers))

    @property
    def root_password(self) -> str:
        """What the host table gives as root's password."""
        return (self.secrets / "root-password").read_text()

    def up(self, *, detached: bool = True) -> None:
        """All BMCs answer and the host table is written. Up already as asked: nothing is touched.

        detached: the site outlives this process, until `down`
        """
        if os.geteuid() != 0:
            raise NetworkRefused("the simulated site needs root for its network: run it with sudo")
        self._refuse_foreign()
        if self._is_as_asked():
            self._say(f"the site is up already: {self.host_table}")
            return
        self.down()
        built = build(self._say)
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = self._make_secrets()
        OWNERS.mkdir(exist_ok=True)
        self._owner.write_text(str(self.folder))
        self.network.up(len(self.servers))
        try:
            if self._dhcp:
                command = self.network.dhcp_command(self.folder, [server.mac for server in self.servers])
                self._spawn(command, self.folder / "dhcp.log", detached)
            processes = [self._start(index, authority, built, detached) for index in range(len(self.servers))]
            for server, process in zip(self.servers, processes, strict=True):
                self._wait(server, process)
        except BaseException:
            self.down()
            raise
        self._write_host_table(built)
        (self.folder / "site.json").write_text(json.dumps(self._description()))
        self._say(f"the site is up: {len(self.servers)} servers, host table {self.host_table}")

    def down(self) -> None:
        """No process, interface or mount is left; disks and consoles stay in the folder. Twice is fine."""
        self._refuse_foreign()
        self.network.down()
        while self._processes:
            self._processes.pop().wait()
        (self.folder / "site.json").unlink(missing_ok=True)
        self._owner.unlink(missing_ok=True)

    def status(self) -> list[tuple[str, str, bool]]:
        """Name, BMC address, and whether the BMC answers, of each server."""
        return [(server.spec.name, server.bmc_address, _answers(server.bmc_address)) for server in self.servers]

    @classmethod
    def of_folder(cls, folder: Path, *, say: Say = print) -> "Site | None":
        """The site that is up in this folder, None if there is none."""
        data = _description_in(folder)
        if data is None:
            return None
        try:
            specs = [ServerSpec.from_json(spec) for spec in data["servers"]]
            network = LabNetwork(data["name"], data["subnet"])
            return cls(folder, specs, network=network, dhcp=data["dhcp"], say=say)
        except (KeyError, TypeError) as error:
            raise SiteFailed(f"{folder} holds a site of another version: take it down and up again") from error

    @classmethod
    def take_down(cls, folder: Path, *, say: Say = print) -> None:
        """No site is up in this folder, whichever version brought it up."""
        data = _description_in(folder) or {}
        cls(
            folder, (), network=LabNetwork(**{key: data[key] for key in ("name", "subnet") if key in data}), say=say
        ).down()

    def __enter__(self) -> Self:
        self.up(detached=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def _owner(self) -> Path:
        return OWNERS / self.network.name

    def _server(self, index: int, spec: ServerSpec) -> Server:
        mac = "52:54:00:{1:02x}:{2:02x}:{0:02x}".format(index + 1, *self.network.host_address_bytes[1:3])
        folder = self.folder / spec.name
        return Server(
            spec=spec,
            folder=folder,
            bmc_address=self.network.bmc_address(index),
            address=self.network.esxi_address(index),
            mac=mac,
            disk_id=QemuMachine.disk_id(spec.serial, 0),
        )

    def _description(self) -> dict[str, Any]:
        specs = [server.spec.to_json() for server in self.servers]
        return {"name": self.network.name, "subnet": self.network.subnet, "dhcp": self._dhcp, "servers": specs}

    def _refuse_foreign(self) -> None:
        """A network whose processes live belongs to the site that started them."""
        owner = self._owner.read_text() if self._owner.exists() else ""
        if owner == str(self.folder) or not self.network.is_up or not self.network.processes():
            return
        if not owner:
            raise NetworkRefused(
                f"a network namespace {self.network.name} is in use, and not by a lab: choose another name"
            )
        raise NetworkRefused(
            f"a site is up on the network {self.network.name} already, in {owner}: "
            f"take it down (python -m tests.lab down --dir {owner}) or choose another name and subnet"
        )

    def _is_as_asked(self) -> bool:
        if _description_in(self.folder) != self._description():
            return False
        return self.network.is_up and all(answers for _, _, answers in self.status())

    def _make_secrets(self) -> Authority:
        """Passwords are kept over restarts, as the installed hosts have them; the CA is new each time."""
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        for name in ("root-password", "bmc-password"):
            path = self.secrets / name
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(f"Lab-{secrets.token_hex(6)}-xQ7z")
        authority = Authority("herasphere lab CA")
        (self.secrets / "ca.pem").write_text(authority.pem)
        return authority

    def _start(self, index: int, authority: Authority, built: Built, detached: bool) -> "subprocess.Popen[bytes]":
        server = self.servers[index]
        server.folder.mkdir(exist_ok=True)
        authority.issue(server.bmc_address, server.folder)
        if server.spec.old_installation and not (server.folder / "disk0.img").exists():
            self._write_old_disk(server, built)
        config = {
            "spec": server.spec.to_json(),
            "mac": server.mac,
            "tap": self.network.tap(index),
            "address": server.bmc_address,
            "username": USERNAME,
            "password": (self.secrets / "bmc-password").read_text(),
        }
        path = server.folder / "server.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        command = self.network.command([sys.executable, "-m", "tests.lab.server", str(server.folder)])
        return self._spawn(command, server.folder / "bmc.log", detached)

    def _spawn(self, command: list[str], log_file: Path, detached: bool) -> "subprocess.Popen[bytes]":
        with log_file.open("wb") as log:
            process = start(command, log, cwd=REPOSITORY, outlives_us=detached)
        self._processes.append(process)
        return process

    def _write_old_disk(self, server: Server, built: Built) -> None:
        old = server.spec.old_installation
        assert old is not None
        installation = Installation(
            mac=server.mac,
            address=server.address,
            netmask=self.network.netmask,
            gateway=self.network.host_address,
            hostname=f"{server.spec.name}.{DOMAIN}",
            password=old.password,
            disk_id=server.disk_id,
            installed_at=datetime.now(UTC) - timedelta(days=old.installed_days_ago),
            version=old.version,
            build=old.build,
        )
        write_installed_disk(server.folder / "disk0.img", server.spec.disk_gib[0], built, installation)

    def _wait(self, server: Server, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + ANSWER_S
        while not _answers(server.bmc_address):
            if process.poll() is not None or time.monotonic() > end:
                log = (server.folder / "bmc.log").read_text(errors="replace")[-2000:]
                raise SiteFailed(f"the BMC of {server.spec.name} does not answer at {server.bmc_address}: {log}")
            time.sleep(0.1)

    def _write_host_table(self, built: Built) -> None:
        rows = [
            HostRow(
                name=server.spec.name,
                serial=server.spec.serial,
                bmc_address=server.bmc_address,
                boot_mode=server.spec.boot_mode,
                mac=server.mac,
                address=server.address,
                disk_id=server.disk_id,
            )
            for server in self.servers
        ]
        table = host_table(
            rows,
            iso=built.iso,
            username=USERNAME,
            secrets=self.secrets,
            netmask=self.network.netmask,
            gateway=self.network.host_address,
            domain=DOMAIN,
        )
        write_host_table(self.host_table, table)


def _description_in(folder: Path) -> dict[str, Any] | None:
    """What site.json says; None where no site is up."""
    try:
        data: dict[str, Any] = json.loads((folder / "site.json").read_text())
    except FileNotFoundError:
        return None
    return data


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 443), timeout=1):
            return True
    except OSError:
        return False
