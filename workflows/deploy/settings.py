"""What can be chosen about a deployment."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import IPv6Address
from typing import Any, Literal, get_args

from steps.domain.errors import Refused, Unsupported
from workflows.defaults import IMAGE, VERSION

PullPolicy = Literal["IfNotPresent", "Always", "Never"]
Expose = Literal["hostport", "loadbalancer"]

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
CLASS = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|")
SIZE = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti|M|G|T)")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]|")
LABEL = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?=[A-Za-z0-9._-]*")
PORT_RANGE = range(1, 65536)


@dataclass(frozen=True)
class Settings:
    """A deployment. What is not said here is the same everywhere.

    image:         of steps and media service, as it was asked for; pinned: the same by digest, if that is known
    pull_secret:   Secret of the namespace with the credentials of the image's registry; empty: none is needed
    storage_class: of the media service's volume; empty: the cluster's default
    expose:        how BMCs reach the media port: by a port of its node, or by a Service of type LoadBalancer
    media_address: what BMCs call it; empty: the node's address, or the load balancer's
    found_address: the load balancer's address, once the cluster has given one
    media_node:    KEY=VALUE labels of the nodes which it may run on
    artifacts:     kickstarts and reports go to the artifact repository of the cluster too, where Argo's UI shows them
    """

    namespace: str = "herasphere"
    image: str = IMAGE
    pinned: str = ""
    pull_policy: PullPolicy = "IfNotPresent"
    pull_secret: str = ""
    storage_class: str = ""
    storage_size: str = "20Gi"
    expose: Expose = "hostport"
    media_address: str = ""
    found_address: str = ""
    media_port: int = 8080
    media_node: tuple[str, ...] = field(default=())
    artifacts: bool = False

    @property
    def pods_image(self) -> str:
        """The image as pods name it."""
        return self.pinned or self.image

    @property
    def address(self) -> str:
        """What BMCs call the media service; empty: its node's address."""
        return self.media_address or self.found_address


REMEMBERED = tuple(each.name for each in fields(Settings) if each.name not in ("namespace", "pinned", "found_address"))


def remembered(settings: Settings) -> str:
    """What was chosen, as text that is kept with the deployment: the next one begins with it."""
    chosen = {name: value for name, value in asdict(settings).items() if name in REMEMBERED}
    default = asdict(Settings())
    return json.dumps(
        {"version": VERSION} | {name: value for name, value in chosen.items() if value != default[name]}, sort_keys=True
    )


def chosen(given: Mapping[str, Any], before: str = "") -> Settings:
    """Settings from what is given now, then from what `remembered` kept of the last deployment; Unsupported.

    An image is not taken over blindly: each version has its own.
    """
    last = _last(before)
    version = last.pop("version", VERSION)
    if "image" in last and "image" not in given and version != VERSION:
        last["image"] = _of_this_version(str(last["image"]), str(version))
    known = {name: value for name, value in last.items() if name in REMEMBERED}
    known["media_node"] = tuple(known.get("media_node", ()))
    settings = replace(Settings(), **{**known, **given})
    if faults := list(_faults(settings)):
        raise Unsupported(
            "; ".join(what for what, _ in faults), where="hera deploy", hint="; ".join(h for _, h in faults)
        )
    return settings


def _last(before: str) -> dict[str, Any]:
    try:
        last = json.loads(before) if before else {}
    except ValueError:  # somebody wrote it by hand
        return {}
    return last if isinstance(last, dict) else {}


def _of_this_version(image: str, version: str) -> str:
    if image.endswith(f":{version}"):
        return image.removesuffix(version) + VERSION
    raise Refused(
        f"the last deployment, of version {version}, was told to use the image {image}",
        where="image",
        hint=f"name the one of version {VERSION}: --image REF",
    )


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    checks: tuple[tuple[str, str, re.Pattern[str], str], ...] = (
        ("--namespace", settings.namespace, NAME, "lower-case letters, digits and '-', at most 63"),
        ("--pull-secret", settings.pull_secret, CLASS, "the name of a Secret of the namespace"),
        ("--storage-class", settings.storage_class, CLASS, "`kubectl get storageclass` lists them"),
        ("--storage-size", settings.storage_size, SIZE, "for example 20Gi"),
        ("--media-address", settings.media_address, HOST, "a name or an address without port; IPv6 in brackets"),
        *(("--media-node", each, LABEL, "KEY=VALUE, a label of the node") for each in settings.media_node),
    )
    for option, value, pattern, hint in checks:
        if not pattern.fullmatch(value):
            yield f"{option} cannot be {value!r}", hint
    if settings.media_address.startswith("["):
        try:
            IPv6Address(settings.media_address.strip("[]"))
        except ValueError:
            yield f"--media-address {settings.media_address!r} is no IPv6 address", "for example [fd00::5]"
    if settings.media_port not in PORT_RANGE:
        yield f"--media-port {settings.media_port} is no port", "1 to 65535"
    for option, value, choices in (
        ("--expose", settings.expose, get_args(Expose)),
        ("--pull-policy", settings.pull_policy, get_args(PullPolicy)),
    ):
        if value not in choices:
            yield f"{option} cannot be {value!r}", "one of: " + ", ".join(choices)
    if not settings.image or any(character.isspace() for character in settings.image):
        yield f"--image {settings.image!r} names no image", f"for example {IMAGE}"
