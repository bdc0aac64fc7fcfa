"""What a terminated or deleted run left: the sweep starts its clean-up, a rollout ends its lease, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.clients import engine
from steps.clients.media import Media
from steps.domain.errors import Conflict
from steps.domain.leftovers import is_left
from steps.domain.media import Origin
from steps.install.sweep import Input, sweep
from tests.unit.domain.isos import esxi_tree, genisoimage
from tests.unit.domain.samples import HOST
from tests.unit.media.serving import TOKEN, service


class Workflows:
    """An engine with Workflows of these names and phases."""

    def __init__(self, **phases: str) -> None:
        self.phases = {name.replace("_", "-"): phase for name, phase in phases.items()}
        self.created: list[dict[str, Any]] = []

    def create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.phases:
            raise Conflict(f"{name} exists", where="engine", hint="look")
        self.phases[name] = ""
        self.created.append(manifest)

    def phase(self, name: str) -> str | None:
        return self.phases.get(name)


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Media]:
    esxi_tree(tmp_path / "tree")
    iso = genisoimage(tmp_path / "tree", tmp_path / "esxi.iso", "-J", "-R")
    (tmp_path / "secrets" / "herasphere-media").mkdir(parents=True)
    (tmp_path / "secrets" / "herasphere-media" / "token").write_text(TOKEN)
    monkeypatch.setenv("HERASPHERE_SECRETS", str(tmp_path / "secrets"))
    (tmp_path / "media").mkdir()
    with service(tmp_path / "media") as at, Media(at.control_url, TOKEN) as client:
        client.add_iso(iso, upload=False)
        yield client


def lend(media: Media, run: str, **origin: Any) -> None:
    given = {"engine": "argo", "workflow": f"{run}-{HOST.name}", "host": HOST, "desk": f"{run}-desk"} | origin
    media.grant(
        run=run,
        host=HOST.name,
        serial=f"{HOST.serial}-{run}",
        iso_sha256=media.isos()[0].sha256,
        kickstart="",
        ttl_s=600,
        origin=Origin.model_validate(given),
    )


def swept(media: Media, monkeypatch: pytest.MonkeyPatch, workflows: Workflows) -> list[dict[str, Any]]:
    monkeypatch.setattr(engine, "connect", lambda socket: workflows)
    sweep(Input(run="sweep-1", media=media.url))
    return workflows.created


@pytest.mark.parametrize("phase", ["Failed", "Error", "Succeeded", None])
def test_what_a_run_left_that_is_over_is_cleaned_up(
    media: Media, monkeypatch: pytest.MonkeyPatch, phase: str | None
) -> None:
    lend(media, "run-1")
    workflows = Workflows(**({f"run_1_{HOST.name}": phase} if phase else {}))
    (child,) = swept(media, monkeypatch, workflows)
    assert child["metadata"]["name"] == f"sweep-1-{HOST.name}"
    assert child["spec"]["entrypoint"] == "clean-up"
    parameters = {each["name"]: each["value"] for each in child["spec"]["arguments"]["parameters"]}
    assert (parameters["run"], parameters["desk"]) == ("run-1", "run-1-desk")
    assert str(child["spec"]["volumes"]).count("'run-1-desk'") <= 1
    assert swept(media, monkeypatch, workflows) == [child]  # a second time starts nothing more


@pytest.mark.parametrize("phase", ["Running", "Pending", ""])
def test_a_run_under_way_is_left_alone(media: Media, monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    lend(media, "run-1")
    assert swept(media, monkeypatch, Workflows(**{f"run_1_{HOST.name}": phase})) == []


def test_a_run_of_another_machine_and_one_that_cleaned_up_are_left_alone(
    media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    lend(media, "run-1", engine="local")
    lend(media, "run-2")
    media.revoke(run="run-2", host=HOST.name)
    assert swept(media, monkeypatch, Workflows()) == []


def test_a_lease_that_tells_no_origin_is_left_alone(media: Media) -> None:
    lend(media, "run-1")
    (lease,) = media.unrevoked()
    assert is_left(lease, lambda name: None)
    assert not is_left(lease.model_copy(update={"origin": None}), lambda name: None)


def test_old_reports_are_dropped_and_young_ones_stay(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    media.put_file("run-1", "report.json", "{}")
    swept(media, monkeypatch, Workflows())
    assert media.runs() == ["run-1"]
    monkeypatch.setattr(engine, "connect", lambda socket: Workflows())
    assert sweep(Input(run="sweep-2", media=media.url, keep_days=-1)).forgotten == ["run-1"]
