"""What the client's tests stand on: an emulated BMC with a machine of memory, a place of ISOs, a clock of no time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from steps.clients import redfish
from steps.clients.redfish import BmcClient
from steps.domain.host import Bmc, SecretRef
from tests.lab.bmc import Emulator, MemoryMachine

USERNAME, PASSWORD = "root", "calvin"
ALLOWABLE_TARGETS = "BootSourceOverrideTarget@Redfish.AllowableValues"


class FakeClock:
    """Time which passes only by being slept away."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Site:
    """One BMC, and how the client logs in there."""

    bmc: Emulator
    machine: MemoryMachine
    iso_url: str
    ca_pem: str = ""
    clock: FakeClock = field(default_factory=FakeClock)

    def connect(
        self, *, password: str = PASSWORD, read_timeout_s: float = 30, ca_pem: str | None = None, verify: bool = True
    ) -> AbstractContextManager[BmcClient]:
        return redfish.connect(
            bmc_at(self.bmc.url, verify=verify),
            password=password,
            ca_pem=self.ca_pem if ca_pem is None else ca_pem,
            clock=self.clock,
            read_timeout_s=read_timeout_s,
        )

    def sent(self, method: str, path: str = "") -> int:
        """How many such requests came to the BMC."""
        return len(self.bmc.log.of(method, path))


def bmc_at(url: str, *, verify: bool = True) -> Bmc:
    return Bmc(url=url, username=USERNAME, password=SecretRef(name="bmc", key="password"), verify_tls=verify)


class _Isos(BaseHTTPRequestHandler):
    """Has every path that ends in .iso."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path.endswith(".iso") else 404)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>no Redfish here</html>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def iso_server() -> Iterator[str]:
    """The base URL of a web server with ISOs, which is no Redfish service."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Isos) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
