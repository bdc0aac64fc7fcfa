"""Afterwards each upload is in the guest and each script has run in it, in their order, once each."""

import posixpath
from pathlib import PurePosixPath

from hera.workflows.io import Output as StepOutput

from steps import runtime
from steps.clients.media import Media
from steps.clients.ssh import Guest
from steps.domain.errors import VerifyFailed
from steps.domain.image import bundle
from steps.domain.image.bundle import BundledFile
from steps.domain.image.guest_commands import Order, order_of
from steps.domain.image.plan import Login, Script, Upload
from steps.vcenter import VmInput, guest_at, password_of, work_on

LAST_LINES = 20


class Input(VmInput):
    address: str


class Output(StepOutput):
    evidence: str


@runtime.step()
def provision_guest(given: Input) -> Output:
    guest, steps = given.plan.guest, given.plan.guest.steps
    if guest.login is None or not steps:
        runtime.progress(100, "nothing to provision")
        return Output(evidence="nothing to provision")
    with work_on(given) as work, runtime.media_at(given) as media, guest_at(guest.login, given.address) as inside:
        done = int(work.vm.look().notes.get("provisioned", "0"))
        if done:
            runtime.say(f"{done} of {len(steps)} steps were done before")
        for number, step in enumerate(steps[done:], done + 1):
            name = _name_of(step)
            runtime.progress(100 * (number - 1) // len(steps), f"{number} of {len(steps)}: {name}")
            if isinstance(step, Upload):
                _upload(inside, step, _files(media, guest.bundle, step.upload))
            else:
                _run(inside, guest.login, step, _script(media, guest.bundle, step), name)
            work.vm.note({"provisioned": str(number)})
    evidence = f"{len(steps)} steps of provisioning done"
    runtime.progress(100, evidence)
    return Output(evidence=evidence)


def _name_of(step: Upload | Script) -> str:
    if isinstance(step, Upload):
        return f"{step.upload} to {step.to}"
    return step.script or step.inline[0][:60]


def _files(media: Media, digest: str, name: str) -> list[BundledFile]:
    with media.bundle(digest) as packed:
        return list(bundle.unpack(packed, name))


def _upload(inside: Guest, step: Upload, found: list[BundledFile]) -> None:
    """A file goes to the path, or into the folder that it names with '/' at its end; a folder's files below it."""
    is_file = len(found) == 1 and found[0].path == PurePosixPath(step.upload).name
    for each in found:
        target = step.to if is_file and not step.to.endswith("/") else posixpath.join(step.to, each.path)
        mode = int(step.mode, 8) if step.mode else 0o755 if each.is_executable else 0o644
        inside.put(each.content, target, mode)


def _script(media: Media, digest: str, step: Script) -> bytes:
    if step.inline:
        return "\n".join(["#!/bin/sh -e", *step.inline, ""]).encode()
    (found,) = _files(media, digest, step.script)
    return found.content


def _run(inside: Guest, login: Login, step: Script, script: bytes, name: str) -> None:
    order: Order = order_of(login.username, script, sudo=step.sudo, environment=step.environment)
    lines: list[str] = []

    def tell(line: str) -> None:
        runtime.say(line)
        lines.append(line)
        del lines[:-LAST_LINES]

    code = inside.execute(order, password=password_of(login), timeout_s=step.timeout_s, line=tell)
    if code not in step.allowed_codes:
        said = f": {lines[-1]}" if lines else ""
        hint = "see the step's log; allowed_codes names codes that are no failure"
        raise VerifyFailed(f"{name} ended with {code}{said}", where=inside.where, hint=hint)
