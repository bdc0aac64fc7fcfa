"""The site's network: a namespace with a bridge, reached from the host over one veth pair. Nothing leaves the machine.

host 10.99.0.1 ──veth── bridge in the namespace ── taps of the servers (ESXi i: 10.99.0.100+i)
                         └ BMC i: 10.99.0.10+i, addresses of the bridge itself
"""

import ipaddress
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BMC_FIRST, ESXI_FIRST, DHCP_FIRST, DHCP_LAST = 10, 100, 200, 250


class NetworkRefused(Exception):
    """The network cannot be made here; the text says why and what to do."""


@dataclass(frozen=True)
class LabNetwork:
    """Names and addresses; `up` makes them real."""

    name: str = "hslab"
    subnet: str = "10.99.0.0/24"

    def __post_init__(self) -> None:
        if not self.name.isalnum() or len(self.name) > 10:
            raise NetworkRefused(f"{self.name!r} names no network: at most 10 letters and digits")

    @property
    def host_address(self) -> str:
        """Of this machine, as servers and BMCs see it; the servers' gateway too."""
        return self._address(1)

    @property
    def host_address_bytes(self) -> tuple[int, ...]:
        return tuple(ipaddress.IPv4Address(self.host_address).packed)

    @property
    def netmask(self) -> str:
        return str(ipaddress.IPv4Network(self.subnet).netmask)

    def bmc_address(self, index: int) -> str:
        return self._address(BMC_FIRST + index)

    def esxi_address(self, index: int) -> str:
        return self._address(ESXI_FIRST + index)

    def tap(self, index: int) -> str:
        return f"{self.name}t{index}"

    def up(self, servers: int) -> None:
        """Make it, with room for so many servers. What a run that crashed left behind is removed first."""
        if os.geteuid() != 0:
            raise NetworkRefused("a network namespace needs root: run it with sudo")
        self.down()
        self._check_free()
        bits = ipaddress.IPv4Network(self.subnet).prefixlen
        try:
            _ip("netns", "add", self.name)
            _ip("link", "add", self._host_end, "type", "veth", "peer", "name", "uplink", "netns", self.name)
            _ip("address", "add", f"{self.host_address}/{bits}", "dev", self._host_end)
            _ip("link", "set", self._host_end, "up")
            self._inside("link", "set", "lo", "up")
            self._inside("link", "add", "bridge", "type", "bridge")
            self._inside("link", "set", "bridge", "up")
            self._join("uplink")
            for index in range(servers):
                self._inside("address", "add", f"{self.bmc_address(index)}/{bits}", "dev", "bridge")
                self._inside("tuntap", "add", "mode", "tap", "name", self.tap(index))
                self._join(self.tap(index))
            self._inside("route", "add", "default", "via", self.host_address)
        except NetworkRefused:
            self.down()
            raise

    def dhcp_command(self, folder: Path, macs: Sequence[str]) -> list[str]:
        """The command that serves addresses to these NICs, in the foreground; it keeps its files in the folder."""
        config = folder / "dhcp.conf"
        # An address of its own for each: udhcpd would otherwise look for two seconds whether somebody else has it
        leases = "".join(f"static_lease {mac} {self._address(DHCP_FIRST + i)}\n" for i, mac in enumerate(macs))
        config.write_text(
            f"start {self._address(DHCP_FIRST)}\nend {self._address(DHCP_LAST)}\ninterface bridge\n"
            f"option subnet {self.netmask}\noption router {self.host_address}\noption lease 3600\n"
            f"lease_file {folder}/dhcp.leases\npidfile {folder}/dhcp.pid\nmax_leases 51\n{leases}"
        )
        (folder / "dhcp.leases").touch()
        return self.command(["busybox", "udhcpd", "-f", str(config)])

    def down(self) -> None:
        """Nothing of it is left: no process in the namespace, no interface, no mount. Twice is fine."""
        if self.is_up:
            self._end_processes()
            _ip("netns", "delete", self.name)
        if self._host_end in _links():
            _ip("link", "delete", self._host_end)

    @property
    def is_up(self) -> bool:
        return self.name in _ip("netns", "list").split()

    def processes(self) -> list[int]:
        """All that run inside."""
        return [int(pid) for pid in _ip("netns", "pids", self.name).split()]

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs this command inside."""
        return ["ip", "netns", "exec", self.name, *command]

    @property
    def _host_end(self) -> str:
        return f"{self.name}0"

    def _address(self, number: int) -> str:
        return str(ipaddress.IPv4Network(self.subnet)[number])

    def _inside(self, *arguments: str) -> str:
        return _ip("-netns", self.name, *arguments)

    def _join(self, link: str) -> None:
        self._inside("link", "set", link, "master", "bridge")
        self._inside("link", "set", link, "up")

    def _check_free(self) -> None:
        wanted = ipaddress.IPv4Network(self.subnet)
        for route in json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]"):
            destination = route.get("dst", "default")
            if destination == "default" or route.get("type") in ("broadcast", "multicast"):
                continue
            if ipaddress.IPv4Network(destination, strict=False).overlaps(wanted):
                raise NetworkRefused(
                    f"{self.subnet} is used on this machine already ({destination} on {route.get('dev')}): "
                    "give the lab another subnet"
                )

    def _end_processes(self) -> None:
        """Everything inside was started for this site; ask first, then insist."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(50):
                inside = self.processes()
                if not inside:
                    return
                for pid in inside:
                    try:
                        os.kill(pid, kind)
                    except ProcessLookupError:
                        continue
                time.sleep(0.1)
        raise NetworkRefused(f"processes in the namespace {self.name} do not end")


def _links() -> list[str]:
    return [link["ifname"] for link in json.loads(_ip("-json", "link", "show") or "[]")]


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise NetworkRefused(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
