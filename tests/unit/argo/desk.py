"""A person's desk in a test: a table with an ISO and its secrets, the `hera` command, and a cluster to speak to."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config

from steps.clients.media import Media
from tests.lab.inprocess.iso import make_iso
from tests.unit.argo.cluster import FakeCluster, cluster
from tests.unit.media.serving import TOKEN, service
from workflows.catalog import template
from workflows.cli import main

BMC_PASSWORD, ROOT_PASSWORD = "c0rrect horse", "Str0ng!Enough#1"


@dataclass
class Said:
    code: int
    out: str
    err: str


@dataclass
class Desk:
    """Its folder holds hosts.yaml, esxi.iso and the secrets' files."""

    folder: Path
    fake: FakeCluster
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def hera(self, *words: str | Path) -> Said:
        """The command in this process, with this cluster's kubeconfig."""
        self.patch.setattr(sys, "argv", ["hera", *map(str, words)])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.capture.readouterr()
        assert "Traceback" not in said.err
        return Said(int(ended.value.code or 0), said.out, said.err)

    @property
    def table(self) -> Path:
        return self.folder / "hosts.yaml"

    def write_table(self, count: int = 3, **defaults: Any) -> None:
        whole = {
            "iso": "esxi.iso",
            "root_password": {"env": "ROOT_PASSWORD"},
            "bmc": {"username": "admin", "password": {"file": "bmc-password"}, "verify_tls": "false"},
            "network": {"netmask": "255.255.240.0", "gateway": "10.99.0.1", "domain": "lab.test"},
            "disk": {"model": "LAB DISK"},
        } | defaults
        rows = [
            {
                "name": f"esx{n:02}",
                "serial": f"LAB{n:04}",
                "bmc": {"address": f"10.0.{n // 250}.{n % 250}"},
                "network": {
                    "mac": f"52:54:00:00:{n // 250:02x}:{n % 250:02x}",
                    "address": f"10.99.{n // 100}.{100 + n % 100}",
                },
            }
            for n in range(1, count + 1)
        ]
        self.table.write_text(yaml.safe_dump({"defaults": whole, "hosts": rows}))

    def names(self, plural: str) -> list[str]:
        return [name for kind, name in self.fake.objects if kind == plural]


@contextmanager
def desk(folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """With the workflow templates deployed, and a media service that holds the table's ISO."""
    for name in ("KUBECONFIG", "ARGO_SERVER", "ARGO_TOKEN", "HERASPHERE_NAMESPACE", "HERASPHERE_MEDIA_TOKEN"):
        patch.delenv(name, raising=False)
    (folder / "media").mkdir()
    with cluster(folder) as fake, service(folder / "media") as at:
        # $KUBECONFIG as the client read it when it was imported
        patch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "kubeconfig"))
        patch.setenv("ROOT_PASSWORD", ROOT_PASSWORD)
        patch.setenv("HERASPHERE_MEDIA_TOKEN", TOKEN)
        patch.setenv("COLUMNS", "200")
        fake.media_url = at.control_url
        made = Desk(folder, fake, capture, patch)
        made.write_table()
        (folder / "bmc-password").write_text(BMC_PASSWORD + "\n")
        make_iso(folder / "esxi.iso")
        with Media(at.control_url, TOKEN) as media:
            media.add_iso(folder / "esxi.iso")
        for name in ("install-host", "install-hosts"):
            fake.put("workflowtemplates", template(name))
        yield made
