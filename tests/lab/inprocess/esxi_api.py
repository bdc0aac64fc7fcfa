"""The vSphere API of one installed ESXi, over TLS with the installation's own certificate. See the package's limits."""

import asyncio
import secrets
import socket
import ssl
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from passlib.hash import sha512_crypt
from pyVmomi import vim, vmodl

from tests.lab.inprocess import shown, soap
from tests.lab.inprocess.clock import HostClock
from tests.lab.inprocess.installation import Installation
from tests.lab.inprocess.loop import LOOP
from tests.lab.inprocess.shown import Hardware

COOKIE = "vmware_soap_session"
ANONYMOUS = ("RetrieveServiceContent", "Login")
LOCK_AFTER, LOCK_S = 5, 900.0  # ESXi's Security.AccountLockFailures and AccountUnlockTime


class EsxiApi:
    """An installation that answers at an address until it is closed.

    hidden: property paths and calls ("installDate") which this host does not tell
    """

    def __init__(
        self,
        installation: Installation,
        hardware: Hardware,
        *,
        clock: HostClock,
        boot_time: datetime | None = None,
        hidden: tuple[str, ...] = (),
    ) -> None:
        self.installation = installation
        self.calls: list[str] = []  # every method called, for tests
        self.hidden = hidden
        self._hardware = hardware
        self._clock = clock
        self._boot_time = boot_time or clock.now()
        self._sessions: set[str] = set()
        self._failures = 0
        self._locked_until = 0.0
        self._runner: web.AppRunner | None = None
        self._closing = threading.Lock()

    @property
    def sessions(self) -> int:
        """How many are logged in."""
        return len(self._sessions)

    def start(self, listener: socket.socket) -> None:
        """Answer on a bound socket, which belongs to the API from now on."""
        LOOP.take()
        LOOP.run(self._start(listener))

    def close(self) -> None:
        """Answer no more; twice is fine."""
        with self._closing:
            runner, self._runner = self._runner, None
        if runner is not None:
            LOOP.run(_stop(runner))
            LOOP.give_back()

    async def _start(self, listener: socket.socket) -> None:
        application = web.Application()
        application.router.add_post("/sdk", self._sdk)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.SockSite(self._runner, listener, ssl_context=_tls(self.installation.certificate), backlog=128)
        await site.start()

    async def _sdk(self, request: web.Request) -> web.Response:
        try:
            call = soap.read(await request.read(), request.headers.get("SOAPAction", ""))
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        self.calls.append(call.method)
        session = request.cookies.get(COOKIE, "").strip('"')
        response = web.Response(content_type="text/xml", charset="utf-8")
        try:
            response.text = self._answer(call, session, response)
        except vmodl.MethodFault as fault:
            response.set_status(500)
            response.text = soap.fault(call, fault)
        return response

    def _answer(self, call: soap.Call, session: str, response: web.Response) -> str:
        if call.method not in ANONYMOUS and session not in self._sessions:
            raise vim.fault.NotAuthenticated(object=vim.HostSystem("ha-host"), privilegeId="System.View")
        match call.method:
            case "RetrieveServiceContent":
                return soap.answer(call, shown.service_content(self.installation), vim.ServiceInstanceContent)
            case "Login":
                return self._login(call, response)
            case "Logout":
                self._sessions.discard(session)
                return soap.answer(call, None, None)
            case "CurrentTime":
                return soap.answer(call, self._clock.now(), datetime)
            case "installDate":
                return self._install_date(call)
            case "RetrievePropertiesEx":
                kind = vmodl.query.PropertyCollector.RetrieveResult
                return soap.answer(call, kind(objects=[self._host(call)]), kind)
            case "RetrieveProperties":
                kind = vmodl.query.PropertyCollector.ObjectContent.Array
                return soap.answer(call, kind([self._host(call)]), kind)
            case "UpdateUser":
                return self._update_user(call)
        raise vmodl.fault.NotSupported()

    def _login(self, call: soap.Call, response: web.Response) -> str:
        password, user = call.text("password"), call.text("userName")
        is_locked = time.monotonic() < self._locked_until
        if is_locked or user != "root" or not sha512_crypt.verify(password, self.installation.password_hash):
            self._failures += 1
            if self._failures >= LOCK_AFTER and not is_locked:
                self._locked_until, self._failures = time.monotonic() + LOCK_S, 0
            raise vim.fault.InvalidLogin()
        self._failures = 0
        key = secrets.token_hex(20)
        self._sessions.add(key)
        response.headers["Set-Cookie"] = f'{COOKIE}="{key}"; Path=/; HttpOnly; Secure'
        now = self._clock.now()
        session = vim.UserSession(
            key=key, userName="root", fullName="Administrator", loginTime=now, lastActiveTime=now, locale="en",
            messageLocale="en",
        )  # fmt: skip
        return soap.answer(call, session, vim.UserSession)

    def _install_date(self, call: soap.Call) -> str:
        date = self.installation.install_date
        if date is None or "installDate" in self.hidden:
            raise vim.fault.NoPermission(object=vim.HostSystem("ha-host"), privilegeId="Host.Config.Image")
        return soap.answer(call, date, datetime)

    def _host(self, call: soap.Call) -> Any:
        """The host's properties that were asked for; a path ESXi does not have is a fault, one unset is left out."""
        if call.text("specSet/objectSet/obj") != "ha-host":
            raise vmodl.fault.ManagedObjectNotFound(obj=vim.HostSystem(call.text("specSet/objectSet/obj")))
        properties = shown.host_properties(self.installation, self._hardware, self._boot_time)
        found = []
        for path in call.texts("specSet/propSet/pathSet"):
            if not soap.is_property(vim.HostSystem, path, call.version):
                raise vmodl.query.InvalidProperty(name=path)
            if path in properties and path not in self.hidden:
                found.append(vmodl.DynamicProperty(name=path, val=properties[path]))
        return vmodl.query.PropertyCollector.ObjectContent(obj=vim.HostSystem("ha-host"), propSet=found)

    def _update_user(self, call: soap.Call) -> str:
        name, password = call.text("user/id"), call.text("user/password")
        if name != "root":
            raise vim.fault.UserNotFound(principal=name, unresolved=True)
        if len(password) < 7:
            raise vmodl.fault.InvalidArgument(invalidProperty="user.password")
        self.installation.password_hash = sha512_crypt.using(rounds=5000).hash(password)
        return soap.answer(call, None, None)


async def _stop(runner: web.AppRunner) -> None:
    """Hang up on everybody at once: a polite end of TLS would wait for each client."""
    for connection in runner.server.connections if runner.server else ():
        if connection.transport:
            connection.transport.abort()
    await runner.cleanup()
    for _ in range(3):  # a transport is let go of a few turns of the loop after it was told
        await asyncio.sleep(0)


def reserve(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A bound socket that does not listen: the port is taken, and connecting to it is refused.

    Several such sockets may hold one address, so that the port stays taken while servers on it come and go.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind((host, port))
    return taken


def _tls(certificate: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.pem"
        path.write_bytes(certificate)
        context.load_cert_chain(path)
    return context
