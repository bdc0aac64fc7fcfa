"""Afterwards the media service holds this host's ISO: the ESXi ISO with this run's kickstart in it."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.media import Media
from steps.domain import kickstart, passwords
from steps.domain.errors import NotFound
from steps.domain.host import Host
from steps.domain.media import Lease, Origin

MARGIN_S = 3600  # for the queue of pods, the wait for a mutex, and a person who looks at a console

HIDDEN = "hidden"
HIDDEN_HASH = f"$6${HIDDEN}${'x' * 86}"


class Input(runtime.StepInput):
    host: Host
    workflow: str
    desk: str = ""


class Output(StepOutput):
    evidence: str


@runtime.step()
def prepare_config(given: Input) -> Output:
    host = given.host
    with runtime.media_at(given) as media:
        lease = _lease(media, given)
        text = kickstart.render(host, root_password_hash=_root_hash(given), callback_url=lease.callback_url)
        lease = _lease(media, given, text)
    runtime.show("kickstart.cfg", _for_people(host))
    evidence = f"ESXi {host.iso.version} build {host.iso.build} with a kickstart of {len(text)} bytes"
    runtime.progress(100, evidence)
    return Output(evidence=evidence)


def _for_people(host: Host) -> str:
    """The kickstart without the hash of the password and without the secret part of its call-back's URL."""
    return kickstart.render(host, root_password_hash=HIDDEN_HASH, callback_url=f"http://{HIDDEN}/")


def _lease(media: Media, given: Input, text: str | None = None) -> Lease:
    """The host's lease; made without a kickstart first, as the kickstart names the lease's own call-back URL."""
    host = given.host
    if text is None:
        try:
            return media.lease(run=given.run, host=host.name)
        except NotFound:
            text = ""
    return media.grant(
        run=given.run,
        host=host.name,
        serial=host.serial,
        iso_sha256=host.iso.sha256,
        kickstart=text,
        origin=Origin(
            engine="local" if runtime.engine_socket() else "argo",
            workflow=given.workflow,
            host=host,
            desk=given.desk,
        ),
        ttl_s=sum(host.timeouts.model_dump().values()) + MARGIN_S,
    )


def _root_hash(given: Input) -> str:
    """The hash for `rootpw`; run twice it is the same, so that a second try makes the same kickstart."""
    host = given.host
    password = runtime.secret(host.root_password)
    salt = passwords.salt(run=given.run, host=host.name)
    if host.proof == "one-time-password":
        password = passwords.one_time_password(password, run=given.run, host=host.name)
    return passwords.sha512_crypt(password, salt=salt)
