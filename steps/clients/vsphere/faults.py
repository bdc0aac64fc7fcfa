"""vSphere's faults as this project's errors: decided by their class, as their messages are empty or say anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

import requests
from pyVmomi import vim, vmodl

from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, Unsupported

UNREACHABLE = (OSError, HTTPException)  # ssl.SSLError, timeouts and requests' errors are OSErrors
UNREADABLE = (ExpatError, AttributeError, LookupError, TypeError, ValueError)  # how pyvmomi fails on an answer

BUSY = (
    vim.fault.TaskInProgress, vim.fault.ConcurrentAccess, vim.fault.Timedout, vmodl.fault.HostCommunication,
    vim.fault.HostConnectFault, vmodl.fault.SystemError, vim.fault.ResourceInUse,
)  # fmt: skip
FULL = (vim.fault.NoDiskSpace, vim.fault.InsufficientStorageSpace)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise this project's errors in place of vSphere's. where: what it happened to"""
    try:
        yield
    except vmodl.MethodFault as fault:
        raise error_of(fault, where) from fault


@contextmanager
def answered(where: str) -> Iterator[None]:
    """The same for a call's connection and for the reading of its answer; vSphere's faults stay what they are."""
    try:
        yield
    except (HerasphereError, vmodl.MethodFault):
        raise
    except UNREACHABLE as error:
        raise unreachable(error, where) from error
    except Exception as error:
        if not isinstance(error, UNREADABLE) and type(error) is not Exception:  # pyvmomi raises plain ones too
            raise
        what = f"the answer cannot be read ({type(error).__name__}: {error})"
        raise Unavailable(what, where=where, hint="look whether vCenter is well") from error


def unreachable(error: BaseException, where: str) -> HerasphereError:
    """A connection that failed: for a certificate that is not trusted, or for something that passes."""
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text or isinstance(error, requests.exceptions.SSLError):
        hint = "give the authority's certificate as ca, or insecure_connection: true"
        return AccessDenied("its certificate is not trusted", where=where, hint=hint)
    return Unavailable(f"the connection failed ({text})", where=where, hint="look whether vCenter can be reached")


def error_of(fault: Any, where: str) -> HerasphereError:
    """The error that a fault of vSphere is."""
    name = type(fault).__name__.rpartition(".")[2]
    if isinstance(fault, vim.fault.InvalidLogin):
        hint = "check username and password; several wrong ones lock the account"
        return AccessDenied("vCenter does not accept the user name or password", where=where, hint=hint)
    if isinstance(fault, vim.fault.NotAuthenticated):
        return Unavailable("the session has ended", where=where, hint="it is tried again")
    if isinstance(fault, vmodl.fault.SecurityError):
        wanted = getattr(fault, "privilegeId", "")
        hint = f"give this user the privilege {wanted}" if wanted else "see docs/image-privileges.md"
        return AccessDenied(f"the user may not do that ({name})", where=where, hint=f"{hint}; `hera doctor --vcenter`")
    if isinstance(fault, FULL):
        what = f"there is no room{_of(fault, 'datastore')}"
        return Conflict(what, where=where, hint="make room in the datastore, or name another")
    if isinstance(fault, vim.fault.DuplicateName):
        return Conflict(f"there is something called {_value(fault, 'name')} already", where=where, hint="another name")
    if isinstance(fault, vim.fault.FileNotFound):
        return NotFound(f"there is no file{_of(fault, 'file')}", where=where, hint="look into the datastore")
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return NotFound("it is not there any more", where=where, hint="somebody else removed it; start again")
    if isinstance(fault, BUSY):
        said = _value(fault, "msg") or _value(fault, "reason")
        return Unavailable(f"vCenter failed ({said or name})", where=where, hint="it is tried again")
    if isinstance(fault, vim.fault.InvalidState):
        return Conflict(f"its state does not allow that ({name}{_states(fault)})", where=where, hint="look at it")
    if isinstance(fault, vmodl.fault.InvalidArgument):
        what = f"vCenter refuses a value ({_value(fault, 'invalidProperty') or name})"
        return Unsupported(what, where=where, hint="correct it in the settings")
    said = _value(fault, "reason") or _value(fault, "msg")
    why = f"{name}: {said}" if said else name
    return Unsupported(f"vCenter refuses ({why})", where=where, hint="see vCenter's events")


def _value(fault: Any, name: str) -> str:
    return str(getattr(fault, name, "") or "")


def _of(fault: Any, name: str) -> str:
    value = _value(fault, name)
    return f": {value}" if value else ""


def _states(fault: Any) -> str:
    state = _value(fault, "existingState")
    return f", it is {state}" if state else ""
