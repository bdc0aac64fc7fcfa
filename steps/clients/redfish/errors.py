"""The one place where sushy's and requests' exceptions become this project's.

What the BMC says becomes            | why
-------------------------------------|------------------------------------------------------------------
401, 403                             | AccessDenied: password, rights or licence; never tried again
certificate not trusted              | AccessDenied, with the two ways out in the hint
no answer, answer cut off            | AnswerLost (an Unavailable): whether it was obeyed is not known
408, 409, 412, 423, 429, 5xx         | Unavailable: busy, in POST, or starting; it was not obeyed
404, a missing resource              | NotFound
any other 4xx, 501, a missing action | Unsupported: asking again will not help
an answer that is no Redfish         | Unavailable: a BMC that is starting serves half documents
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import sushy.exceptions

from steps.domain.errors import AccessDenied, HerasphereError, NotFound, Unavailable, Unsupported

_BUSY = frozenset({408, 409, 412, 423, 429})


class AnswerLost(Unavailable):
    """The request went out, or may have gone out, and no answer came: only the state read back tells what it did."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Let nothing of sushy or requests escape; keep what the BMC said in `what`."""
    try:
        yield
    except HerasphereError:
        raise
    except sushy.exceptions.SushyError as error:
        raise of_sushy(error, where) from error
    except (requests.RequestException, ValueError, TypeError, KeyError, AttributeError) as error:
        # sushy reads documents without checking their shape: whatever it trips over is the document's fault
        raise Unavailable(
            f"the BMC's answer is not a Redfish document ({type(error).__name__}: {error})",
            where=where,
            hint="check that bmc.url names the BMC and that it has finished starting",
        ) from error


def of_sushy(error: Any, where: str) -> HerasphereError:
    """The project's error for one of sushy's."""
    if isinstance(error, sushy.exceptions.ConnectionError):
        return _of_transport(error, where)
    if isinstance(error, sushy.exceptions.HTTPError):
        return _of_status(error, where)
    if isinstance(error, sushy.exceptions.MissingAttributeError):
        return NotFound(_text(error), where=where, hint="the BMC's firmware may be too old: see its Redfish version")
    if isinstance(error, sushy.exceptions.MalformedAttributeError):
        return Unavailable(_text(error), where=where, hint="wait until the BMC has finished starting")
    return Unsupported(_text(error), where=where, hint="see whether the BMC's firmware and licence offer this")


def said(body: Any) -> str:
    """What a Redfish error document tells a person: the extended messages, else the plain one."""
    error = body.get("error", body) if isinstance(body, dict) else {}
    if not isinstance(error, dict):
        return ""
    extended = error.get("@Message.ExtendedInfo") or []
    messages = [_message(entry) for entry in (extended if isinstance(extended, list) else [extended])]
    return "; ".join(dict.fromkeys(filter(None, messages))) or str(error.get("message") or "")


def _message(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    text = str(entry.get("Message") or "").strip()
    identity = str(entry.get("MessageId") or "").strip()
    return f"{text} [{identity}]" if text and identity else text


def _of_status(error: Any, where: str) -> HerasphereError:
    status = int(error.status_code)
    told = said({"error": error.body}) if error.body else ""
    what = f"the BMC answered {status}{_request_of(error)}" + (f": {told}" if told else "")
    if status == 401:
        return AccessDenied(
            what, where=where, hint="check bmc.username and the password; the account may be locked for a while"
        )
    if status == 403:
        return AccessDenied(what, where=where, hint="give the account the right, or the BMC the licence, to do this")
    if status == 404:
        return NotFound(what, where=where, hint="the BMC's firmware does not have this resource, or names it otherwise")
    if status in _BUSY or (status >= 500 and status != 501):
        return Unavailable(what, where=where, hint="the BMC is busy or starting: it is tried again")
    return Unsupported(what, where=where, hint="see whether the BMC's firmware and licence offer this")


def _of_transport(error: Any, where: str) -> HerasphereError:
    cause = _innermost(error)
    reason = _reason(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return AccessDenied(
            f"the BMC's certificate is not trusted ({reason})",
            where=where,
            hint="name the CA which signed it in bmc.ca, or set bmc.verify_tls to false for this BMC",
        )
    if isinstance(cause, ssl.SSLError):
        return Unavailable(
            f"no TLS connection ({reason})",
            where=where,
            hint="check that bmc.url has the right scheme and port, and which TLS versions the BMC speaks",
        )
    if isinstance(error.__context__, requests.exceptions.ReadTimeout):
        return AnswerLost("the BMC did not answer in time", where=where, hint="see whether the BMC hangs; restart it")
    return AnswerLost(
        f"the BMC cannot be reached ({reason})",
        where=where,
        hint="check bmc.url, the cable and the route to the BMC's network",
    )


def _request_of(error: Any) -> str:
    """Method and path, out of sushy's text: the exception itself keeps neither."""
    found = re.search(r"HTTP (\w+) \S*?(/redfish/\S*)|Resource \S*?(/redfish/\S*) not found", str(error))
    if not found:
        return ""
    return f" to {found[1]} {found[2]}" if found[1] else f" for {found[3]}"


def _innermost(error: BaseException) -> BaseException:
    """What the operating system or the TLS library said, below sushy's, requests' and urllib3's wrappers."""
    wrapped = [error.__cause__, getattr(error, "reason", None), *error.args, error.__context__]
    inner = next((each for each in wrapped if isinstance(each, BaseException) and each is not error), None)
    return _innermost(inner) if inner else error


def _reason(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)


def _text(error: Any) -> str:
    return str(error).rstrip(".")
