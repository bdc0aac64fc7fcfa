"""HTTP calls to an API server: JSON there and back, streams of lines, and refusals as our errors."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import requests

from steps.clients.kube import TIMEOUT_S, refusal
from steps.domain.errors import HerasphereError, VerifyFailed
from workflows.backends.argo.backend import Expired

CONNECT_S = TIMEOUT_S[0]
GONE = 410
LONGEST_LINE = 64 << 20  # a Workflow in a watch is one line; etcd itself holds 1.5 MiB


class Rest:
    """One API. Sessions come from `session`, one for each call: streams run in threads of their own.

    called: what people call it, for messages
    """

    def __init__(self, url: str, session: Callable[[], requests.Session], *, called: str) -> None:
        self.url = url.rstrip("/")
        self.session = session
        self.called = called

    def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        body: Any = None,
        params: dict[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Any:
        """The answer's JSON."""
        headers = {"Accept": accept} | ({} if body is None else {"Content-Type": content_type})
        data = None if body is None else json.dumps(body).encode()
        try:
            with self.session() as session:
                answer = session.request(
                    method, self.url + path, data=data, params=params, headers=headers, timeout=TIMEOUT_S
                )
                if answer.status_code >= 400:
                    raise self._refused(answer, doing)
                return answer.json()
        except requests.RequestException as error:
            raise self._unheard(error, doing) from error

    def lines(
        self, path: str, *, doing: str, params: dict[str, Any], quiet_s: float, accept: str = "*/*"
    ) -> Iterator[str]:
        """Lines as they come. Ends with the answer, with the connection, or when nothing came for so long."""
        try:
            with self.session() as session:
                timeout = (CONNECT_S, quiet_s)
                with session.get(
                    self.url + path, params=params, headers={"Accept": accept}, stream=True, timeout=timeout
                ) as answer:
                    if answer.status_code == GONE:
                        raise Expired
                    if answer.status_code >= 400:
                        raise self._refused(answer, doing)
                    yield from _lines_of(answer)
        except requests.RequestException as error:
            raise self._unheard(error, doing) from error

    def _refused(self, answer: requests.Response, doing: str) -> HerasphereError:
        try:
            said = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError, requests.RequestException):
            said = answer.reason or ""
        return self._placed(refusal(answer.status_code, said, doing), doing)

    def _unheard(self, error: requests.RequestException, doing: str) -> HerasphereError:
        if isinstance(error, requests.exceptions.SSLError):
            hint = "give the CA that signed its certificate (--server-ca FILE, or in the kubeconfig)"
            raise VerifyFailed(f"its certificate is not trusted: {error}", where=self.url, hint=hint) from error
        return self._placed(refusal(0, innermost(error), doing), doing)

    def _placed(self, error: HerasphereError, doing: str) -> HerasphereError:
        error.where = f"{self.called}, {doing}"
        return error


def innermost(error: BaseException) -> str:
    """What really happened, without the layers through which it was told: "Connection refused"."""
    while (cause := getattr(error, "reason", None) or error.__cause__ or error.__context__) is not None:
        if not isinstance(cause, BaseException):
            break
        error = cause
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _lines_of(answer: requests.Response) -> Iterator[str]:
    """Split at newlines alone: a log may hold any other character that Python would take for one."""
    rest = b""
    try:
        for chunk in answer.iter_content(chunk_size=None):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if len(rest) > LONGEST_LINE:
                rest = b""
    except requests.RequestException:  # cut off, or quiet for too long: who wants more asks again
        return
    if rest:
        yield rest.decode(errors="replace")
