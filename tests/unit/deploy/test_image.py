"""An image by its digest: from its registry, else from nodes that have it, else said plainly that nobody tells it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from steps.domain.errors import Refused
from tests.unit.deploy.api import Api
from workflows.deploy.image import pinned
from workflows.deploy.registry import Reference, digest_of, parsed
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

ONE, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
IMAGE = "registry.example/team/runner:1.0"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", Reference("docker.io", "library/busybox", "latest")),
        ("herasphere/runner:1", Reference("docker.io", "herasphere/runner", "1")),
        ("docker.io/herasphere/runner:1", Reference("docker.io", "herasphere/runner", "1")),
        ("localhost/runner:1", Reference("localhost", "runner", "1")),
        ("registry:5000/a/b/runner", Reference("registry:5000", "a/b/runner", "latest")),
        (f"quay.io/a/b:1@{ONE}", Reference("quay.io", "a/b", "1", ONE)),
    ],
)
def test_a_name_is_completed_as_kubernetes_does(image: str, expected: Reference) -> None:
    assert parsed(image) == expected


def nodes(api: Api, *images: list[str]) -> None:
    api.fixed["/api/v1/nodes"]["items"] = [
        {"metadata": {"name": f"node{number}"}, "status": {"images": [{"names": names}]}}
        for number, names in enumerate(images)
    ]


def asked(server: Server, image: str, registry: str = "", **more: Any) -> tuple[str, str]:
    return pinned(server, Settings(image=image, **more), lambda _: registry)


def test_a_digest_is_taken_as_it_is(server: Server, api: Api) -> None:
    image = f"quay.io/a/b@{ONE}"
    assert asked(server, image, registry=OTHER) == (image, "as it was given")
    assert api.asked == []


def test_the_registry_comes_before_the_nodes(server: Server, api: Api) -> None:
    nodes(api, [f"registry.example/team/runner@{OTHER}", IMAGE])
    assert asked(server, IMAGE, registry=ONE)[0] == f"registry.example/team/runner@{ONE}"


def test_where_nothing_is_pulled_the_nodes_alone_count(server: Server, api: Api) -> None:
    nodes(api, [f"registry.example/team/runner@{OTHER}", IMAGE])
    assert asked(server, IMAGE, registry=ONE, pull_policy="Never")[0] == f"registry.example/team/runner@{OTHER}"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([[f"docker.io/herasphere/runner@{ONE}", "docker.io/herasphere/runner:1"]], f"herasphere/runner@{ONE}"),
        ([["docker.io/herasphere/runner:1"]], ""),
        ([[f"docker.io/herasphere/runner@{ONE}", "docker.io/herasphere/runner:2"]], ""),
        ([[f"docker.io/herasphere/other@{ONE}", "docker.io/herasphere/runner:1"]], ""),
        ([[f"docker.io/herasphere/runner@{ONE}"]], ""),
        ([], ""),
    ],
)
def test_what_nodes_tell(server: Server, api: Api, names: list[list[str]], expected: str) -> None:
    nodes(api, *names)
    assert asked(server, "herasphere/runner:1")[0] == expected


def test_nodes_that_agree_are_named_together(server: Server, api: Api) -> None:
    names = [f"registry.example/team/runner@{ONE}", IMAGE]
    nodes(api, names, names)
    assert asked(server, IMAGE) == (f"registry.example/team/runner@{ONE}", "as node node0, node1 has it")


def test_nodes_that_differ_are_refused(server: Server, api: Api) -> None:
    nodes(api, [f"registry.example/team/runner@{ONE}", IMAGE], [f"registry.example/team/runner@{OTHER}", IMAGE])
    with pytest.raises(Refused, match=f"node0: {ONE}; node1: {OTHER}.*--image registry.example/team/runner@sha256"):
        asked(server, IMAGE)


def test_who_may_not_look_at_nodes_gets_the_tag(server: Server, api: Api) -> None:
    api.refuse["GET", "/api/v1/nodes"] = (403, "forbidden")
    reference, why = asked(server, IMAGE)
    assert not reference and "may not look at the nodes" in why


class Registry:
    """A registry's v2 API with one image, behind a token that everybody gets; it leaves out everything else."""

    def __init__(self) -> None:
        self.needs_token = False
        self.challenge = ""
        self.digest = ONE
        self.asked: list[tuple[str, str, str]] = []

    def answer(self, method: str, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((method, path, headers.get("Authorization", "")))
        if path.startswith("/token"):
            return 200, {}, b'{"token": "t0ken"}'
        if self.needs_token and headers.get("Authorization") != "Bearer t0ken":
            return 401, {"WWW-Authenticate": self.challenge}, b""
        if path != "/v2/team/runner/manifests/1.0":
            return 404, {}, b""
        return 200, {"Docker-Content-Digest": self.digest}, b""


@contextmanager
def serving(registry: Registry) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            status, headers, body = registry.answer(self.command, self.path, self.headers)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = respond  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_registry_is_asked_for_the_tag() -> None:
    registry = Registry()
    with serving(registry) as place:
        assert digest_of(parsed(f"{place}/team/runner:1.0")) == ONE
        assert digest_of(parsed(f"{place}/team/runner:2.0")) == ""


def test_a_stranger_gets_a_token_first() -> None:
    registry = Registry()
    registry.needs_token = True
    with serving(registry) as place:
        scope = "repository:team/runner:pull"
        registry.challenge = f'Bearer realm="http://{place}/token",service="s",scope="{scope}"'
        assert digest_of(parsed(f"{place}/team/runner:1.0")) == ONE
    assert [method for method, _, _ in registry.asked] == ["HEAD", "GET", "HEAD"]
    assert "service=s" in registry.asked[1][1] and "scope=repository" in registry.asked[1][1]


@pytest.mark.parametrize("challenge", ["", "Basic realm=x", 'Bearer realm="file:///etc/passwd"'])
def test_a_registry_that_wants_more_than_a_stranger_has(challenge: str) -> None:
    registry = Registry()
    registry.needs_token, registry.challenge = True, challenge
    with serving(registry) as place:
        assert digest_of(parsed(f"{place}/team/runner:1.0")) == ""


def test_a_registry_that_tells_no_digest_or_is_not_there() -> None:
    registry = Registry()
    registry.digest = "nonsense"
    with serving(registry) as place:
        assert digest_of(parsed(f"{place}/team/runner:1.0")) == ""
    assert digest_of(parsed(f"{place}/team/runner:1.0")) == ""
