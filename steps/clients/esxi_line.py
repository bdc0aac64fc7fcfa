"""Connections to one vSphere API, by pyvmomi, with every certificate looked at and every failure translated.

pyvmomi verifies no certificate of 127.0.0.1 and checks a thumbprint only after a verification failed, so that
certificates are checked here, on each connection, before a byte is sent; and it has no timeout of its own.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from xml.parsers.expat import ExpatError

from pyVmomi import SoapStubAdapter, vim, vmodl

from steps.domain.errors import AccessDenied, HerasphereError, Unavailable, Unsupported, VerifyFailed

API_5_5, API_6_7 = "vim.version.version9", "vim.version.version12"  # 6.7: the serial number and the install date

UNREACHABLE = (OSError, HTTPException)  # ssl.SSLError and timeouts are OSErrors
UNREADABLE = (ExpatError, AttributeError, LookupError, TypeError, ValueError)  # how pyvmomi fails on an answer


class Line:
    """Connections to one host whose certificates are all looked at, and the translation of what fails on them."""

    def __init__(self, host: str, port: int, *, timeout_s: float, pinned: str = "") -> None:
        self.where = f"ESXi {host}:{port}"
        self.thumbprint = ""  # of the newest connection
        self._pinned = pinned
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # every ESXi starts with a certificate it signed itself
        self.stub = SoapStubAdapter(
            host=host,
            port=port,
            version=API_5_5,
            poolSize=1,
            acceptCompressedResponses=False,
            sslContext=context,
            httpConnectionTimeout=timeout_s,
        )
        self.stub.scheme = partial(_Connection, self._check)

    def content(self) -> Any:
        """The ServiceContent, which anyone may read; afterwards the newest API that both sides know is spoken."""
        content = vim.ServiceInstance("ServiceInstance", self.stub).RetrieveContent()
        if _is_at_least_6_7(content.about.apiVersion):
            self.stub.ComputeVersionInfo(API_6_7)
        return content

    def close(self) -> None:
        self.stub.DropConnections()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise this project's errors in place of pyvmomi's and the network's."""
        try:
            yield
        except vim.fault.InvalidLogin as fault:
            raise AccessDenied(
                "ESXi does not accept the user name or password",
                where=self.where,
                hint="check the root password; after several wrong ones ESXi locks root out for 15 minutes",
            ) from fault
        except vim.fault.NotAuthenticated as fault:
            raise self._unavailable("the session has ended") from fault
        except vmodl.fault.SecurityError as fault:
            raise AccessDenied(
                f"ESXi does not allow this ({_name(fault)})",
                where=self.where,
                hint="root's role and the lockdown mode decide what it may do",
            ) from fault
        except (vmodl.fault.NotSupported, vmodl.fault.ManagedObjectNotFound) as fault:
            raise Unsupported(
                f"what answers there is no ESXi host that can do this ({_name(fault)})",
                where=self.where,
                hint="check the address: a vCenter or another vSphere product may have it",
            ) from fault
        except vmodl.MethodFault as fault:
            raise self._unavailable(f"ESXi's API failed ({_name(fault)})") from fault
        except UNREACHABLE as error:
            raise self._unavailable(f"the connection failed ({str(error) or _name(error)})") from error
        except HerasphereError:
            raise
        except Exception as error:
            if not isinstance(error, UNREADABLE) and type(error) is not Exception:  # pyvmomi raises plain ones too
                raise
            raise self._unavailable(f"the answer cannot be read ({_name(error)}: {error})") from error

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(what, where=self.where, hint="it may be starting; look at its console if this goes on")

    def _check(self, certificate: bytes) -> None:
        """Take note of the certificate a connection showed; raise VerifyFailed if it is not the pinned one."""
        self.thumbprint = sha256(certificate).hexdigest()
        if self._pinned and self.thumbprint != self._pinned:
            raise VerifyFailed(
                f"it shows the certificate {self.thumbprint[:16]}... instead of {self._pinned[:16]}...",
                where=self.where,
                hint="another host or another installation answers at this address now",
            )


class _Connection(HTTPSConnection):
    """An HTTPS connection whose certificate is checked before anything is sent."""

    def __init__(self, check: Callable[[bytes], None], host: str, port: int, **options: Any) -> None:
        self._check_certificate = check
        self._response: HTTPResponse | None = None
        super().__init__(host, port, **options)

    def connect(self) -> None:
        super().connect()
        try:
            self._check_certificate(self.sock.getpeercert(True) or b"")
        except VerifyFailed:
            self.close()
            raise

    def getresponse(self) -> HTTPResponse:
        self._response = super().getresponse()
        return self._response

    def close(self) -> None:
        """Let go of the socket also where an answer which could not be read still holds it."""
        super().close()
        if self._response:
            self._response.close()


def _is_at_least_6_7(version: str) -> bool:
    digits = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return digits >= [6, 7]


def _name(error: BaseException) -> str:
    return type(error).__name__.rsplit(".", 1)[-1]
