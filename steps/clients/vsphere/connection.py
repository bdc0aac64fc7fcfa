"""A session at a vCenter: verified, with timeouts, and opened again when it has ended meanwhile."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyVmomi import SoapStubAdapter, vim, vmodl

from steps.clients.vsphere.faults import answered, translated
from steps.domain.errors import AccessDenied, HerasphereError

API_6_5 = "vim.version.version11"  # typing came with it
LOGIN_CALLS = ("Login", "Logout", "RetrieveServiceContent", "RetrieveContent")
ANSWER_WITHIN_S = 60.0  # longer than any wait for updates that we ask for
HTTPS_PORT = 443


@contextmanager
def connect(
    server: str, *, username: str, password: str, ca_pem: str = "", insecure: bool = False
) -> Iterator["VSphere"]:
    """A vCenter, logged in; logged out afterwards, whatever happened inside.

    server:   host or host:port
    ca_pem:   certificates to verify its own with; empty: those of this system
    insecure: any certificate is accepted
    """
    context = _context(ca_pem, insecure=insecure, where=server)
    vsphere = VSphere(server, context, username, password)
    try:
        with translated(vsphere.where):
            vsphere.login()
            try:
                yield vsphere
            finally:
                vsphere.logout()
    finally:
        vsphere.stub.DropConnections()


class VSphere:
    """One vCenter, logged in; for use from several threads. Made by `connect`."""

    def __init__(self, server: str, context: ssl.SSLContext, username: str, password: str) -> None:
        host, port = split(server)
        self.where = f"vCenter {server}"
        self.host, self.port = host, port
        self.tls = context
        self._login = (username, password)
        self._relogin = threading.Lock()
        self.stub = _Stub(
            self,
            host=host,
            port=port,
            version=API_6_5,
            poolSize=4,
            acceptCompressedResponses=False,
            sslContext=context,
            httpConnectionTimeout=ANSWER_WITHIN_S,
        )
        self.content: Any = None

    @property
    def url(self) -> str:
        """Where its files are reached: https://host:port"""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    @property
    def cookie(self) -> str:
        """The session's, as a header has it; it opens the datastores' files too."""
        return str(self.stub.cookie or "").partition(";")[0]

    @property
    def credentials(self) -> tuple[str, str]:
        """User name and password: the REST API has sessions of its own."""
        return self._login

    def login(self) -> None:
        """Open a session, also in the place of one that has ended."""
        self.content = vim.ServiceInstance("ServiceInstance", self.stub).RetrieveContent()
        username, password = self._login
        self.content.sessionManager.Login(userName=username, password=password)

    def login_again(self, ended: str) -> None:
        """Open a session unless another thread has done so since the one with this cookie ended."""
        with self._relogin:
            if self.stub.cookie == ended:
                self.stub.cookie = ""
                self.login()

    def object(self, kind: Any, moid: str) -> Any:
        """The managed object with this id."""
        return kind(moid, self.stub)

    def vm(self, moid: str) -> Any:
        """The VM with this id ("vm-42")."""
        return self.object(vim.VirtualMachine, moid)

    def logout(self) -> None:
        """End the session; one that has ended already is none the worse."""
        with suppress(HerasphereError, vmodl.MethodFault):
            self.content.sessionManager.Logout()


class _Stub(SoapStubAdapter):  # type: ignore[misc]
    """Calls that find the session ended are made again in a new one: vCenter has done nothing of them."""

    def __init__(self, owner: VSphere, **options: Any) -> None:
        super().__init__(**options)
        self._owner = owner

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803
        cookie = self.cookie
        with answered(self._owner.where):
            try:
                return super().InvokeMethod(mo, info, args, outerStub)
            except vim.fault.NotAuthenticated:
                if info.wsdlName in LOGIN_CALLS:
                    raise
                self._owner.login_again(cookie)
                return super().InvokeMethod(mo, info, args, outerStub)


def split(server: str) -> tuple[str, int]:
    """Host and port of "host", "host:port", "[::1]:port"."""
    host, colon, port = server.rpartition(":")
    if colon and port.isdigit() and not host.endswith(":"):
        return host.strip("[]"), int(port)
    return server.strip("[]"), HTTPS_PORT


def _context(ca_pem: str, *, insecure: bool, where: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise AccessDenied("ca holds no certificates", where=where, hint="PEM text of the authority") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
