"""What the tests on the cluster do: servers in this process that pods reach, and `hera` for that cluster."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from steps.clients.kube import connect
from tests.e2e.hera import ROOT, Said, command, environment, hera
from tests.lab.cached import locked
from tests.lab.inprocess.site import InProcessSite, Wanted, site
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.layout import DEFAULT_FOLDER
from tests.lab.runner_image import runner_image

KUBECONFIG = DEFAULT_FOLDER / "kubeconfig"
NAMESPACE = "herasphere"
ADDRESS = "10.44.0.1"  # of this machine, as pods reach it
ARGO = "apis/argoproj.io/v1alpha1"
WITHIN_S = 580  # a command, with all it waits for
TOLD_WITHIN_S = 300
INSTALLING = ("progress", "esx01", "install")
CLUSTER = {"KUBECONFIG": str(KUBECONFIG), "HERASPHERE_NAMESPACE": NAMESPACE}


@contextmanager
def installing(folder: Path, *wanted: Wanted, **table: Any) -> Iterator[InProcessSite]:
    """Servers that pods reach, and their ISO at the cluster's media service. Afterwards nothing works on them."""
    series = uuid4().hex[:6].upper()
    with site(folder, wanted, address=ADDRESS, series=series, iso_name=f"{series}.iso", **table) as made:
        added = ask(folder, "media", "add", made.iso, "--cluster")
        assert added.code == 0, added.err
        try:
            yield made
        finally:
            _end_what_works_on(series)


def _end_what_works_on(series: str) -> None:
    """A test that failed in the middle leaves runs that would wait for its servers for hours."""
    for each in works_on(series):
        if each.get("status", {}).get("phase") not in ("Succeeded", "Failed", "Error"):
            kubernetes("DELETE", f"{ARGO}:workflows/{each['metadata']['name']}")


def works_on(series: str) -> Iterator[Any]:
    """The workflows about servers whose serial numbers begin so; the tests beside this one have others."""
    return (each for each in kubernetes("GET", f"{ARGO}:workflows")["items"] if series in json.dumps(each["spec"]))


def deploy(folder: Path, made: Cluster) -> None:
    """This working tree is what is deployed, with the runner image that was built of it."""
    image = runner_image()
    with locked(made.layout.folder / "deploying"):
        reference = made.load_image(image.archive, image.name)
        said = ask(folder, "deploy", "--image", reference, "--storage-size", "5Gi")
    assert said.code == 0, said.out + said.err


def ask(folder: Path, *words: str | Path, within_s: float = WITHIN_S) -> Said:
    return hera(folder, *words, timeout_s=within_s, **CLUSTER)


def submit(folder: Path, made: InProcessSite, *words: str) -> str:
    """The name of a run that has been started."""
    said = ask(folder, "submit", "install-hosts", "-f", made.table, "--yes", *words)
    assert said.code == 0, said.err
    return said.out.strip()


def watch(folder: Path, run: str) -> Said:
    """Until it has ended, as JSON lines."""
    return ask(folder, "watch", run, "--json")


def told(said: Said) -> str:
    return "\n".join(f"{e.get('host')} {e['text']} ({e.get('hint')})" for e in said.events("fault")) + said.err


def until_told(folder: Path, run: str, *wanted: tuple[str, str, str]) -> None:
    """Wait until each of these has been told: kind of event, host, step (empty: of the host's workflow itself)."""
    with subprocess.Popen(
        command("watch", run, "--json"),
        cwd=ROOT,
        env=environment(folder, **CLUSTER),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        missing = set(wanted)
        limit = threading.Timer(TOLD_WITHIN_S, process.terminate)
        limit.start()
        for line in process.stdout:
            event = json.loads(line)
            missing.discard((event["kind"], event.get("host", ""), event.get("template", "")))
            if not missing:
                break
        limit.cancel()
        process.terminate()
    assert not missing


def kubernetes(method: str, path: str, **query: Any) -> dict[str, Any]:
    """What the API server answers, below the namespace."""
    kube = connect(kubeconfig=str(KUBECONFIG), namespace=NAMESPACE)
    group, _, kind = path.rpartition(":")
    base = f"{kube.api.configuration.host}/{group or 'api/v1'}/namespaces/{NAMESPACE}"
    with kube.session() as session:
        answer = session.request(method, f"{base}/{kind}", params=query, timeout=60)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body


def phase_of(workflow: str) -> str:
    found: dict[str, Any] = kubernetes("GET", f"{ARGO}:workflows/{workflow}")
    return str(found.get("status", {}).get("phase", ""))
