"""Every call of the ESXi client against the stand-in API over real TLS, and everything that can answer instead."""

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from passlib.hash import sha512_crypt
from pyVmomi import vim, vmodl

from steps.clients import esxi
from steps.domain.errors import AccessDenied, HerasphereError, Unavailable, Unsupported, VerifyFailed
from tests.lab.inprocess import shown
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.esxi_api import LOCK_AFTER, EsxiApi, reserve
from tests.lab.inprocess.installation import Installation, LabDisk, new_certificate
from tests.lab.inprocess.shown import Hardware

PASSWORD = "Lab-Passw0rd!"
INSTALLED = datetime(2026, 3, 1, 10, 8, 0, 250_000, tzinfo=UTC)
BOOTED = datetime(2026, 3, 1, 10, 18, tzinfo=UTC)
QUICK_S = 0.3  # for peers that never answer


@dataclass
class Site:
    """One API, its address and what stands behind it."""

    api: EsxiApi
    host: str
    port: int

    @property
    def thumbprint(self) -> str:
        pem = self.api.installation.certificate.decode()
        pem = pem[pem.index("-----BEGIN CERTIFICATE") :]
        return sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def installation(**changes: Any) -> Installation:
    values: dict[str, Any] = {
        "version": "8.0.3",
        "build": "24022510",
        "password_hash": sha512_crypt.using(rounds=5000).hash(PASSWORD),
        "hostname": "esx01.example.com",
        "address": "10.0.1.11",
        "netmask": "255.255.255.0",
        "gateway": "10.0.1.1",
        "mac": "52:54:00:00:00:0A",
        "install_date": INSTALLED,
        **changes,
    }
    return Installation(**values)


@contextmanager
def running(*, hidden: tuple[str, ...] = (), clock: HostClock | None = None, **changes: Any) -> Iterator[Site]:
    record = installation(**changes)
    disks = (LabDisk("naa.1", installation=record, has_vmfs=True), LabDisk("naa.2", has_vmfs=True), LabDisk("naa.3"))
    hardware = Hardware("SN1", "30313036-AAAA", "Lab", "M1", ("52:54:00:00:00:0a", "52:54:00:00:00:0b"), disks)
    api = EsxiApi(record, hardware, clock=clock or HostClock(), boot_time=BOOTED, hidden=hidden)
    listener = reserve()
    host, port = listener.getsockname()
    api.start(listener)
    try:
        yield Site(api, host, port)
    finally:
        api.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as started:
        yield started


def facts_of(site: Site) -> Any:
    with esxi.login(site.host, site.port, password=PASSWORD) as client:
        return client.facts()


def test_look_needs_no_login(site: Site) -> None:
    seen = esxi.look(site.host, site.port)
    assert seen is not None
    assert (seen.product, seen.version, seen.build) == ("embeddedEsx", "8.0.3", "24022510")
    assert seen.thumbprint == site.thumbprint
    assert site.api.calls == ["RetrieveServiceContent"] and site.api.sessions == 0


def test_facts(site: Site) -> None:
    facts = facts_of(site)
    assert facts.thumbprint == site.thumbprint
    assert (facts.version, facts.build, facts.serial, facts.uuid) == ("8.0.3", "24022510", "SN1", "30313036-aaaa")
    assert (facts.hostname, facts.addresses) == ("esx01.example.com", ("10.0.1.11",))
    assert facts.macs == ("52:54:00:00:00:0a", "52:54:00:00:00:0b")
    assert facts.disks == ("naa.1", "naa.2", "naa.3")
    assert facts.system_disks == ("naa.1", "naa.2")
    assert (facts.install_date, facts.boot_time) == (INSTALLED, BOOTED)
    assert facts.now.utcoffset() == timedelta(0) and abs(facts.now - datetime.now(UTC)) < timedelta(minutes=1)


def test_now_is_the_hosts_clock() -> None:
    with running(clock=HostClock(offset=timedelta(days=-5000))) as site:
        facts = facts_of(site)
    assert abs(facts.now - datetime.now(UTC) + timedelta(days=5000)) < timedelta(minutes=1)


def test_times_come_back_in_utc() -> None:
    east = datetime.fromisoformat("2026-03-01T18:08:00+08:00")
    with running(install_date=east) as site:
        facts = facts_of(site)
    assert facts.install_date == datetime(2026, 3, 1, 10, 8, tzinfo=UTC)
    assert facts.install_date.utcoffset() == timedelta(0)


@pytest.mark.parametrize("path", esxi.PROPERTIES)
def test_what_is_not_shown_is_empty(path: str) -> None:
    with running(hidden=(path,)) as site:
        facts = facts_of(site)
    empty = [name for name, value in facts if value in ("", (), None)]
    expected = {
        "config.fileSystemVolume.mountInfo": ["system_disks"],
        "config.network.dnsConfig.hostName": ["hostname"],
        "config.network.vnic": ["addresses"],
        "config.storageDevice.scsiLun": ["disks"],
        "configManager.imageConfigManager": ["install_date"],
        "hardware.systemInfo.uuid": ["uuid"],
        "runtime.bootTime": ["boot_time"],
    }
    assert empty == expected.get(path, [])  # serial, NICs and domain have a second source or are a part of something


def test_nothing_at_all_is_shown() -> None:
    with running(hidden=(*esxi.PROPERTIES, "installDate")) as site:
        facts = facts_of(site)
    assert (facts.version, facts.serial, facts.macs, facts.install_date) == ("8.0.3", "", (), None)


def test_a_host_without_domain() -> None:
    with running(hostname="esx01") as site:
        assert facts_of(site).hostname == "esx01"


def test_no_privilege_for_the_install_date() -> None:
    with running(hidden=("installDate",)) as site:
        assert facts_of(site).install_date is None


def test_a_host_older_than_the_newest_properties() -> None:
    with running(version="6.5.0") as site:
        facts = facts_of(site)
    assert (facts.version, facts.serial) == ("6.5.0", "SN1")  # of the service tag
    assert facts.boot_time == BOOTED and facts.install_date is None


def test_a_property_that_cannot_be_decoded_spoils_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(*arguments: Any) -> dict[str, Any]:
        properties = host_properties(*arguments)
        properties["hardware.systemInfo.uuid"] = vim.HostSystem.PowerState("poweredOff")
        return properties

    host_properties = shown.host_properties
    monkeypatch.setattr(shown, "host_properties", spoilt)
    monkeypatch.setattr(vim.HostSystem.PowerState, "poweredOff", None, raising=False)
    monkeypatch.delattr(vim.HostSystem.PowerState, "poweredOff")
    facts = facts_of(site)
    assert (facts.uuid, facts.serial, facts.boot_time) == ("", "SN1", BOOTED)
    assert site.api.calls.count("RetrievePropertiesEx") == 1 + len(esxi.PROPERTIES)


def test_the_root_password_is_replaced(site: Site) -> None:
    with esxi.login(site.host, site.port, password=PASSWORD) as client:
        client.set_root_password("Other-Passw0rd!")
        assert client.facts().serial == "SN1"
    with pytest.raises(AccessDenied):
        facts_of(site)
    with esxi.login(site.host, site.port, password="Other-Passw0rd!"):
        pass


def test_a_password_that_esxi_refuses(site: Site) -> None:
    with (
        esxi.login(site.host, site.port, password=PASSWORD) as client,
        pytest.raises(Unsupported, match="does not take the new root password"),
    ):
        client.set_root_password("short")
    facts_of(site)


def test_always_logged_out(site: Site) -> None:
    with pytest.raises(ZeroDivisionError), esxi.login(site.host, site.port, password=PASSWORD):
        assert site.api.sessions == 1
        raise ZeroDivisionError
    assert site.api.sessions == 0 and site.api.calls[-1] == "Logout"


def test_a_failed_logout_hides_nothing(site: Site) -> None:
    with pytest.raises(ZeroDivisionError), esxi.login(site.host, site.port, password=PASSWORD):
        site.api.close()
        raise ZeroDivisionError


@pytest.mark.parametrize(("user", "password"), [("root", "wrong"), ("root", ""), ("admin", PASSWORD)])
def test_a_wrong_password(site: Site, user: str, password: str) -> None:
    with (
        pytest.raises(AccessDenied, match="does not accept"),
        esxi.login(site.host, site.port, user=user, password=password),
    ):
        pass
    assert site.api.sessions == 0


def test_a_locked_account_refuses_the_right_password(site: Site) -> None:
    for _ in range(LOCK_AFTER):
        with pytest.raises(AccessDenied), esxi.login(site.host, site.port, password="wrong"):
            pass
    with pytest.raises(AccessDenied), esxi.login(site.host, site.port, password=PASSWORD):
        pass


def test_the_pinned_certificate_is_accepted(site: Site) -> None:
    with esxi.login(site.host, site.port, password=PASSWORD, thumbprint=site.thumbprint) as client:
        assert client.facts().thumbprint == site.thumbprint


def test_another_certificate_gets_to_see_no_password(site: Site) -> None:
    with (
        pytest.raises(VerifyFailed, match="shows the certificate"),
        esxi.login(site.host, site.port, password=PASSWORD, thumbprint="0" * 64),
    ):
        pass
    assert site.api.calls == []


def test_a_certificate_that_changes_while_logged_in(site: Site) -> None:
    with esxi.login(site.host, site.port, password=PASSWORD, thumbprint=site.thumbprint) as client:
        site.api.close()
        site.api.installation.certificate = new_certificate()
        site.api.start(reserve(site.host, site.port))
        with pytest.raises(Unavailable):  # the old connection is gone
            client.facts()
        with pytest.raises(VerifyFailed):  # and the new one shows another certificate
            client.facts()


def test_a_session_that_ended(site: Site) -> None:
    with esxi.login(site.host, site.port, password=PASSWORD) as client:
        site.api._sessions.clear()
        with pytest.raises(Unavailable, match="session has ended"):
            client.facts()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (vmodl.fault.ManagedObjectNotFound(obj=vim.HostSystem("ha-host")), Unsupported),
        (vmodl.fault.NotSupported(), Unsupported),
        (vmodl.fault.SystemError(reason="-"), Unavailable),
        (vmodl.fault.HostCommunication(), Unavailable),
        (vim.fault.NoPermission(object=vim.HostSystem("ha-host"), privilegeId="System.Read"), AccessDenied),
        (vmodl.RuntimeFault(), Unavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_faults_are_translated(site: Site, fault: Exception, error: type[HerasphereError]) -> None:
    def failing(call: Any) -> Any:
        raise fault

    with esxi.login(site.host, site.port, password=PASSWORD) as client:
        site.api._host = failing  # type: ignore[method-assign]
        with pytest.raises(error) as caught:
            client.facts()
    assert caught.value.hint and str(site.port) in caught.value.where


@contextmanager
def peer(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """A TCP server that treats each connection so, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                with suppress(OSError), listener.accept()[0] as connection:
                    connection.settimeout(5)
                    serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            done.set()
            thread.join()


def _silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _no_tls(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    _silent(connection)


def _over_tls(answer: bytes) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pem"
        path.write_bytes(new_certificate())
        context.load_cert_chain(path)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(65536)
            tls.sendall(answer)
            tls.unwrap()

    return serve


def _http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def _soap(body: bytes) -> bytes:
    envelope = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    return _http("200 OK", envelope + body + b"</e:Body></e:Envelope>")


_ABOUT = b"<r:RetrieveServiceContentResponse xmlns:r='urn:vim25'>%s</r:RetrieveServiceContentResponse>"
PEERS = {
    "silent": _silent,
    "closes at once": lambda connection: None,
    "no TLS": _no_tls,
    "TLS, then garbage": _over_tls(b"\0\1garbage\r\n\r\n"),
    "TLS, then nothing": _over_tls(b""),
    "starting up": _over_tls(_http("503 Service Unavailable", b"")),
    "a web page": _over_tls(_http("200 OK", b"<html><body>iDRAC</body>")),
    "a page of errors": _over_tls(_http("500 Oops", b"<html><body>no</body></html>")),
    "truncated": _over_tls(_soap(b"")[:-10]),
    "empty": _over_tls(_soap(b"")),
    "an unknown fault": _over_tls(_soap(b"<e:Fault><detail><XyzFault xmlns='urn:vim25'/></detail></e:Fault>")),
    "nothing known": _over_tls(_soap(_ABOUT % b"<returnval xmlns='urn:vim25'/>")),
    "an unknown property": _over_tls(_soap(_ABOUT % b"<returnval xmlns='urn:vim25'><nope>1</nope></returnval>")),
}


@pytest.mark.parametrize("serve", PEERS.values(), ids=PEERS.keys())
def test_whatever_else_answers_is_no_esxi(serve: Callable[[socket.socket], None]) -> None:
    with peer(serve) as (host, port):
        assert esxi.look(host, port, timeout_s=QUICK_S) is None


@pytest.mark.parametrize("serve", PEERS.values(), ids=PEERS.keys())
def test_whatever_else_answers_is_told_at_login(serve: Callable[[socket.socket], None]) -> None:
    with (
        peer(serve) as (host, port),
        pytest.raises(Unavailable) as caught,
        esxi.login(host, port, password=PASSWORD, timeout_s=QUICK_S),
    ):
        pass
    assert caught.value.exit_code == 75 and str(port) in caught.value.where


def test_nothing_listens() -> None:
    with reserve() as taken:
        host, port = taken.getsockname()
        assert esxi.look(host, port) is None
        with pytest.raises(Unavailable, match="refused"), esxi.login(host, port, password=PASSWORD):
            pass
