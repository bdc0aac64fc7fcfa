"""The Kubernetes API server as a pod, or a person at the desk, uses it: where, as whom, and what its answers mean."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable, Unsupported

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ANSWER_WITHIN_S = 60.0
TIMEOUT_S = (5.0, ANSWER_WITHIN_S)  # to connect, to read: give it as _request_timeout to each call

Made = TypeVar("Made")


@dataclass(frozen=True)
class Kube:
    """One API server as one user. `api` is the kubernetes client's ApiClient, for its typed and untyped APIs."""

    api: Any
    namespace: str

    def ask(self, doing: str, question: Callable[[], Made]) -> Made:
        """What the question returns; a refusal is raised as one of our errors. doing: "create workflow x"."""
        import urllib3  # comes with kubernetes
        from kubernetes.client import ApiException

        try:
            return question()
        except ApiException as error:
            raise refusal(error.status or 0, str(error.reason), doing, str(error.body or "")) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise refusal(0, str(error), doing) from error

    def service_url(self, service: str, port: str) -> str:
        """Where a Service's HTTP port is reached through the API server, with nothing but the rights of this user."""
        host = str(self.api.configuration.host).rstrip("/")
        return f"{host}/api/v1/namespaces/{self.namespace}/services/http:{service}:{port}/proxy"

    def session(self) -> requests.Session:
        """An HTTP session with the API server as this user; the caller closes it."""
        import urllib3

        configuration = self.api.configuration
        if not configuration.verify_ssl:  # the kubeconfig says so; to be told at each request helps nobody
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        session = requests.Session()
        session.trust_env = False
        session.verify = configuration.ssl_ca_cert or True if configuration.verify_ssl else False
        if configuration.cert_file:
            session.cert = (configuration.cert_file, configuration.key_file)
        session.auth = self._signed
        return session

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Asked for each request anew: a token read from a file or a plug-in changes while a run goes on."""
        for setting in self.api.configuration.auth_settings().values():
            if setting["in"] == "header" and setting["value"]:
                request.headers[setting["key"].title()] = setting["value"]
        return request


def connect(*, kubeconfig: str = "", context: str = "", namespace: str = "") -> Kube:
    """The cluster of a kubeconfig, at the desk.

    kubeconfig and context: empty for those kubectl would take. NotFound when there is none that can be read.
    """
    from kubernetes import client, config  # only who speaks to a cluster needs it, and it takes half a second to import

    configuration = client.Configuration()
    try:
        config.load_kube_config(kubeconfig or None, context or None, client_configuration=configuration)
        _, active = config.list_kube_config_contexts(kubeconfig or None)
    except (config.ConfigException, OSError) as error:
        hint = "set KUBECONFIG, or name the file: --kubeconfig FILE"
        raise NotFound(f"no cluster is known ({error})", where=kubeconfig or "kubeconfig", hint=hint) from error
    configuration.retries = False  # a second try is decided where it is known to be safe
    return Kube(client.ApiClient(configuration), namespace or active["context"].get("namespace", "default"))


def in_pod() -> Kube:
    """The cluster this pod runs in, as its ServiceAccount."""
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise NotFound(
            f"this is no pod with a service account ({error})",
            where="this step",
            hint="run it by `hera run`, or on a cluster with automountServiceAccountToken",
        ) from error
    return Kube(client.ApiClient(configuration), (SERVICE_ACCOUNT / "namespace").read_text().strip())


def refusal(status: int, reason: str, doing: str, body: str = "") -> HerasphereError:
    """Our error for an answer of the API server; status 0: there was none. doing: "create workflow x"."""
    where = f"Kubernetes API, {doing}"
    if status == 409:
        return Conflict(f"it exists already, or was changed meanwhile ({reason})", where=where, hint="look at it")
    if status in (401, 403):
        hint = "ask for the role herasphere-operator, or run `hera deploy` as an administrator"
        return AccessDenied(f"not allowed ({status} {reason})", where=where, hint=hint)
    if status == 404:
        return NotFound(f"there is no such thing ({reason})", where=where, hint="see what there is: hera list")
    if status == 0 or status == 429 or status >= 500:
        return Unavailable(f"no answer ({status} {reason})", where=where, hint="see whether the API server is well")
    told = f": {body[:300]}" if body else ""
    hint = "see `hera deploy --check` for Argo's version"
    return Unsupported(f"refused ({status} {reason}){told}", where=where, hint=hint)
