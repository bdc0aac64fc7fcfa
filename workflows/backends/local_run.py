"""`hera run install-hosts`: everything a run on this machine needs around the engine, put up and taken down again."""

import json
import os
import random
import signal
import string
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from steps.clients.media import Media
from steps.domain.children import MEDIA_TOKEN
from steps.domain.errors import AccessDenied, ConfigError, Conflict, NotFound, Refused, Unsupported
from steps.domain.host import SecretRef
from steps.domain.plan import InstallPlan, digest_of
from workflows.backends import local
from workflows.backends.events import Event
from workflows.backends.media_process import MediaAt, address_towards, media_service
from workflows.catalog import CATALOG, template, workflow
from workflows.desk import Desk

IMAGE_GUARDS = ("plan-build", "plan-appliance")  # what they do not find, or find taken, refuses the build
GUARDS = ("plan-hosts", "check-identity", *IMAGE_GUARDS)  # before them nothing is touched
REFUSALS = [str(error.exit_code) for error in (NotFound, Conflict, AccessDenied, Unsupported)]
EXIT_FAILED, EXIT_CONFIG, EXIT_REFUSED = 1, ConfigError.exit_code, Refused.exit_code


@dataclass(frozen=True)
class Options:
    """How a run is to go; what is installed is in the plan."""

    state: Path  # folder of all runs and of the media service
    only: Collection[str] = ()
    reinstall: bool = False
    limit: int = 0
    media: MediaAt | None = None  # a running service to use; else one is started
    media_address: str = ""
    media_port: int = 0
    max_pods: int = 64


@dataclass(frozen=True)
class Outcome:
    """How a run ended. exit_code: 0 done, 1 failed for some host, 2 faults in the table, 3 refused: nothing touched."""

    run: str
    folder: Path
    exit_code: int


def run_install_hosts(
    desk: Desk, plan: InstallPlan, options: Options, on_event: Callable[[Event], None], environment: Mapping[str, str]
) -> Outcome:
    """Install the plan's hosts from this machine; returns when every host, and its clean-up, has come to an end."""
    parameters = {
        "table": desk.text.decode("utf-8-sig"),
        "only": json.dumps(sorted(options.only)),
        "reinstall": json.dumps(options.reinstall),
        "limit": str(options.limit),
        "approved": digest_of(plan),
    }
    order = LocalOrder("install-hosts", parameters, desk.references, desk.secrets)
    with ready(order, [host.bmc.url for host in plan.hosts], options) as here:
        _hand_over_isos(desk, here.media)
        return here.run(on_event, environment)


@dataclass(frozen=True)
class LocalOrder:
    """What is to run: a template's name, its parameters, and secrets by reference with what they mean."""

    workflow: str
    parameters: Mapping[str, str]
    references: Collection[SecretRef]
    texts: Mapping[SecretRef, str]


@dataclass(frozen=True)
class Ready:
    """A run that has everything around it: its name, its folder, a media service, and a folder of secrets."""

    order: LocalOrder
    options: Options
    name: str
    folder: Path
    media: MediaAt
    secrets: Path

    def run(self, on_event: Callable[[Event], None], environment: Mapping[str, str]) -> Outcome:
        """Run it; returns when it, and its clean-up, has come to an end."""
        parameters = {**self.order.parameters, "media": self.media.control_url}
        result = local.run(
            workflow(self.order.workflow, run=self.name, parameters=parameters, secrets=self.order.references),
            templates={name: template(name) for name in CATALOG},
            folder=self.folder,
            secrets=self.secrets,
            on_event=on_event,
            max_pods=self.options.max_pods,
            environment={**environment, "HERASPHERE_RUN_STORE": str(self.folder)},
        )
        return Outcome(self.name, self.folder, exit_code_of(result.root, result.children))


@contextmanager
def ready(order: LocalOrder, towards: Collection[str], options: Options) -> Iterator[Ready]:
    """What a run needs around it, for as long as the context lasts. towards: URLs of what the run's guests are near"""
    name, folder = _new_run(order.workflow, options.state)
    with (
        _unwound(),
        _media_of(towards, options, folder) as media,
        _secrets_folder(order.texts, media.token) as secrets,
    ):
        yield Ready(order, options, name, folder, media, secrets)


def _new_run(workflow: str, state: Path) -> tuple[str, Path]:
    """A name for a run, and its folder, which is its own."""
    run = f"{workflow}-" + "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
    folder = state / "runs" / run
    folder.mkdir(mode=0o700, parents=True)
    return run, folder


def exit_code_of(root: dict[str, Any], children: Collection[dict[str, Any]]) -> int:
    """0 when the run succeeded; 2 or 3 when the plan, or every host, was refused with nothing touched; else 1."""
    if root["status"]["phase"] == "Succeeded":
        return 0
    codes = {_code_of_failure(child) for child in children} or {_code_of_failure(root)}
    only = codes.pop() if len(codes) == 1 else EXIT_FAILED
    return only if only in (EXIT_CONFIG, EXIT_REFUSED) else EXIT_FAILED


def _code_of_failure(workflow: dict[str, Any]) -> int:
    """The exit code of the guard that ended this workflow; 1 if it ended otherwise, 0 if it succeeded."""
    if workflow["status"]["phase"] == "Succeeded":
        return 0
    for node in workflow["status"].get("nodes", {}).values():
        if node.get("templateName") in GUARDS and node.get("type") == "Pod":
            code = node.get("outputs", {}).get("exitCode", "")
            if node["phase"] == "Failed" and code.isdigit():
                return EXIT_REFUSED if node["templateName"] in IMAGE_GUARDS and code in REFUSALS else int(code)
    return EXIT_FAILED


@contextmanager
def _unwound() -> Iterator[None]:
    """While the context lasts, SIGTERM and SIGHUP end this process as an exception does: what was put up is taken down.

    While the engine runs it takes them itself, and lets the hosts' clean-up run first.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _media_of(towards: Collection[str], options: Options, folder: Path) -> Iterator[MediaAt]:
    """The media service that was named, or one of this machine's. towards: URLs on whose route its readers are"""
    if options.media is not None:
        yield options.media
        return
    address = options.media_address or address_towards(towards)
    with media_service(
        options.state / "media", address=address, port=options.media_port, log=folder / "media.log"
    ) as media:
        _must_be_where_asked(media, options)
        yield media


def _must_be_where_asked(media: MediaAt, options: Options) -> None:
    """Raise Conflict if another run's service is used which is not at the address or port that was asked for."""
    at = urlsplit(media.public_url)
    wanted = options.media_address or at.hostname, options.media_port or at.port
    if wanted != (at.hostname, at.port):
        raise Conflict(
            f"a media service runs already, at {media.public_url}",
            where=str(options.state / "media"),
            hint="leave out --media-address and --media-port to use it, or wait until it has ended",
        )


def _hand_over_isos(desk: Desk, at: MediaAt) -> None:
    """Let the media service have the table's ISOs: by path where it is ours on this machine, else by sending them."""
    with Media(at.control_url, at.token) as media:
        held = {(iso.sha256, iso.name) for iso in media.isos()}
        for path, iso in desk.isos.items():
            if (iso.sha256, iso.name) not in held:
                media.add_iso(path, upload=not _is_here(at))


def _is_here(at: MediaAt) -> bool:
    return at.control_url.startswith(("http://127.", "http://[::1]", "http://localhost"))


@contextmanager
def _secrets_folder(secrets: Mapping[SecretRef, str], media_token: str) -> Iterator[Path]:
    """A folder of mode 0700 with a file for each secret, in memory where the system offers that; gone afterwards."""
    memory = Path("/dev/shm")
    base = memory if sys.platform == "linux" and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="herasphere-", dir=base) as name:
        folder = Path(name)
        for ref, text in {**secrets, MEDIA_TOKEN: media_token}.items():
            path = folder / ref.name / ref.key
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text)
        yield folder
