"""The process of one simulated server: its machine, and the BMC in front of it. Ends on SIGTERM, leaving nothing."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tests.lab.bmc import Behaviour, serve
from tests.lab.machine import FirmwareMode
from tests.lab.qemu import Drive, Nic, QemuMachine
from tests.lab.spec import ServerSpec


def machine_of(spec: ServerSpec, folder: Path, *, mac: str, tap: str, namespace: str = "") -> QemuMachine:
    """The machine this server is made of, powered off."""
    return QemuMachine(
        folder,
        name=spec.name,
        serial=spec.serial,
        nics=[Nic(mac, tap)],
        drives=[Drive(gib) for gib in spec.disk_gib],
        manufacturer=spec.manufacturer,
        model=spec.model,
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        clock_offset_s=spec.clock_offset_s,
        boots_cd=spec.boots_cd,
        namespace=namespace,
    )


def run(folder: Path) -> None:
    """Serve the server described by server.json in this folder until SIGTERM."""
    config: dict[str, Any] = json.loads((folder / "server.json").read_text())
    spec = ServerSpec.from_json(config["spec"])
    ended = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: ended.set())
    machine = machine_of(spec, folder, mac=config["mac"], tap=config["tap"])
    mode: FirmwareMode = "UEFI" if spec.boot_mode == "uefi" else "Legacy"
    behaviour: dict[str, Any] = {
        key: frozenset(value) if key == "hidden" else value for key, value in spec.behaviour.items()
    }
    try:
        if spec.is_on:
            machine.power_on(cd_first=False, mode=mode)
        with serve(
            machine,
            username=config["username"],
            password=config["password"],
            host=config["address"],
            port=443,
            cert=folder / "server.pem",
            key=folder / "server.key",
            behaviour=Behaviour(**behaviour),
        ) as bmc:
            bmc.override.mode = mode
            ended.wait()
    finally:
        machine.close()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
