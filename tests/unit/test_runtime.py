"""What a step stands on in its pod: where its media service is, and that its log outlives it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hera.workflows.io import Output

from steps import runtime
from steps.clients.media import Media
from steps.clients.runstore import log_name
from steps.domain.errors import ConfigError, Fault, NotFound
from tests.unit.media.serving import TOKEN, service


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Media]:
    token = tmp_path / "secrets" / "herasphere-media" / "token"
    token.parent.mkdir(parents=True)
    token.write_text(TOKEN + "\n")
    monkeypatch.setenv("HERASPHERE_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.delenv("HERASPHERE_RUN_STORE", raising=False)
    (tmp_path / "media").mkdir()
    with service(tmp_path / "media") as at, Media(at.control_url, TOKEN) as client:
        yield client


def in_namespace_of(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _, port = media.url.removeprefix("http://").rpartition(":")
    monkeypatch.setenv("HERASPHERE_MEDIA_SERVICE_HOST", host)
    monkeypatch.setenv("HERASPHERE_MEDIA_SERVICE_PORT_CONTROL", port)


class Said(Output):
    text: str


@runtime.step()
def speak(given: runtime.StepInput) -> Said:
    runtime.say("hello", host="h1")
    return Said(text="done")


def test_the_media_service_of_the_namespace_is_found_without_dns(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    in_namespace_of(media, monkeypatch)
    with runtime.media_at(runtime.StepInput(run="run-1")) as found:
        assert found.isos() == []


def test_an_ipv6_namespace(monkeypatch: pytest.MonkeyPatch, media: Media) -> None:
    monkeypatch.setenv("HERASPHERE_MEDIA_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("HERASPHERE_MEDIA_SERVICE_PORT_CONTROL", "8081")
    with runtime.media_at(runtime.StepInput(run="run-1")) as found:
        assert found.url == "http://[fd00::1]:8081"


def test_a_namespace_without_one_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HERASPHERE_MEDIA_SERVICE_HOST", raising=False)
    with pytest.raises(NotFound, match="hera deploy"):
        runtime.media_at(runtime.StepInput(run="run-1"))


def test_the_log_of_a_pods_step_is_kept(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    in_namespace_of(media, monkeypatch)
    monkeypatch.setenv("ARGO_NODE_ID", "run-1-h1-1234567")
    assert speak(runtime.StepInput(run="run-1")).text == "done"
    (file,) = media.files("run-1")
    assert file.name == log_name("run-1-h1-1234567", "speak") == "logs/run-1-h1/speak.1234567.jsonl"
    last = json.loads(media.file("run-1", file.name).splitlines()[-1])
    assert (last["kind"], last["text"], last["host"]) == ("say", "hello", "h1")


def test_a_log_that_cannot_be_kept_fails_no_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], media: Media
) -> None:
    monkeypatch.setenv("ARGO_NODE_ID", "run-1-h1-1234567")
    given = runtime.StepInput(run="run-1", media="http://127.0.0.1:1")
    assert speak(given).text == "done"
    assert "this log is not kept" in capsys.readouterr().err


def test_the_local_engine_keeps_logs_itself(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    in_namespace_of(media, monkeypatch)
    monkeypatch.delenv("ARGO_NODE_ID", raising=False)
    speak(runtime.StepInput(run="run-1"))
    assert media.files("run-1") == []


def test_a_faulty_table_is_told_with_every_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HERASPHERE_TERMINATION_LOG", str(tmp_path / "said"))
    faults = [Fault("table", line, 1, f"fault {line}", "mend it") for line in (1, 2)]
    assert runtime.fail(ConfigError(faults)) == 2
    told = json.loads(capsys.readouterr().err)
    assert (told["kind"], told["text"]) == ("fault", "table:1:1: fault 1 (mend it)\ntable:2:1: fault 2 (mend it)")
    assert (tmp_path / "said").read_text() == told["text"]
