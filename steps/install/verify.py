"""Afterwards the host is proved to run this run's installation of what the table asks for, with its password."""

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients import esxi
from steps.clients.media import Media
from steps.domain import passwords
from steps.domain.errors import AccessDenied, Unavailable, VerifyFailed
from steps.domain.esxi import EsxiFacts
from steps.domain.host import Host
from steps.domain.identity import Before, must_be_wanted
from steps.domain.proof import PROVED_MARK, check_asked_for, judge
from steps.domain.wait import wait_until

API_SETTLES_S = 240.0  # hostd answers before it lets anybody in, and restarts once while it configures itself


class Input(runtime.StepInput):
    host: Host
    before: Before


class Output(StepOutput):
    evidence: str


@runtime.step()
def verify(given: Input) -> Output:
    host = given.host
    with runtime.media_at(given) as media:
        must_be_wanted(host, media.lease(run=given.run, host=host.name))
        facts, by_one_time = wait_until(
            lambda: _log_in(given),
            what="a login to the new ESXi",
            where=f"{host.name}, {host.network.address}",
            hint="the host answers but lets nobody in: look at its console",
            timeout_s=API_SETTLES_S,
            every_s=5.0,
        )
        check_asked_for(host, facts)
        reasons = _prove(given, media, facts, by_one_time=by_one_time)
        if by_one_time:
            _replace_password(given, media, facts)
    evidence = f"ESXi {facts.version} build {facts.build}: {'; '.join(reasons)}"
    runtime.progress(100, evidence)
    return Output(evidence=evidence)


def _log_in(given: Input) -> tuple[EsxiFacts, bool] | None:
    """What the host shows of itself, and whether the one-time password opened it; None while it is not ready."""
    host = given.host
    address, port = host.api_endpoint
    password = runtime.secret(host.root_password)
    tries = [(password, False)]
    if host.proof == "one-time-password":
        tries.insert(0, (passwords.one_time_password(password, run=given.run, host=host.name), True))
    denied: AccessDenied | None = None
    for attempt, is_one_time in tries:
        try:
            with esxi.login(address, port, password=attempt) as client:
                return client.facts(), is_one_time
        except AccessDenied as error:
            denied = error
        except Unavailable as error:
            runtime.say(f"the API is not ready: {error.what}")
            return None
    raise VerifyFailed(
        "the host does not accept the password of this run's kickstart",
        where=f"{host.name}, {address}",
        hint="another installation is answering: check boot mode and boot order at the BMC",
    ) from denied


def _prove(given: Input, media: Media, facts: EsxiFacts, *, by_one_time: bool) -> tuple[str, ...]:
    host = given.host
    verdict = judge(
        host.proof,
        before=given.before,
        after=facts,
        iso=host.iso,
        lease=media.lease(run=given.run, host=host.name),
        logged_in_with_one_time_password=by_one_time,
    )
    if not verdict.proven:
        raise VerifyFailed(
            f"not this run's installation: {'; '.join(verdict.reasons)}",
            where=f"{host.name}, {host.network.address}",
            hint=verdict.hint,
        )
    return verdict.reasons


def _replace_password(given: Input, media: Media, facts: EsxiFacts) -> None:
    """Give root the table's password; the proof is noted first, so that a second try of this step still has it."""
    host = given.host
    address, port = host.api_endpoint
    password = runtime.secret(host.root_password)
    media.mark(run=given.run, host=host.name, name=PROVED_MARK, value=facts.thumbprint)
    one_time = passwords.one_time_password(password, run=given.run, host=host.name)
    with esxi.login(address, port, password=one_time, thumbprint=facts.thumbprint) as client:
        client.set_root_password(password)
    with esxi.login(address, port, password=password, thumbprint=facts.thumbprint):
        runtime.say("root has the password of the table")
