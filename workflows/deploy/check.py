"""What a cluster lacks for us, found without changing anything."""

from collections.abc import Iterator

from steps.domain.errors import HerasphereError, NotFound
from steps.domain.outcome import mapping
from workflows.backends.argo.api import KubernetesBackend
from workflows.catalog import CATALOG
from workflows.defaults import VERSION
from workflows.deploy import controller
from workflows.deploy.apply import rehearsed
from workflows.deploy.finding import Finding
from workflows.deploy.kinds import ARGO, KINDS
from workflows.deploy.manifest import VERSION_LABEL
from workflows.deploy.media import NAME
from workflows.deploy.objects import objects
from workflows.deploy.readiness import look, unreached
from workflows.deploy.server import Server
from workflows.deploy.settings import Settings

CRDS = ("workflows", "workflowtemplates", "cronworkflows", "workflowtaskresults")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def before(server: Server, settings: Settings) -> Iterator[Finding]:
    """What must be there before anything can be applied."""
    yield _argo(server)
    yield _rights(server)
    yield _storage(server, settings)
    yield from controller.findings(server, artifacts=settings.artifacts)


def after(server: Server, settings: Settings, media_token: str = "") -> Iterator[Finding]:
    """What a deployment brings. media_token: the media service's; empty: it is read from its Secret"""
    yield _namespace(server)
    yield from _templates(server)
    yield _objects(server, settings)
    found = look(server, settings)
    if not found.url:
        hint = "`hera deploy` waits for it and says why it does not come up"
        yield Finding("fault", "media service", f"is not ready: {found.reason or 'it is starting'}", hint)
        return
    yield _outside(found.url)
    yield _control(server, media_token)


def _argo(server: Server) -> Finding:
    """By what the API serves, which every user may ask; the CRDs themselves are for administrators."""
    try:
        known = {each["name"] for each in server.asked(f"/apis/{ARGO}", "look for Argo's CRDs")["resources"]}
    except NotFound:
        known = set()
    if missing := [name for name in CRDS if name not in known]:
        hint = "install Argo Workflows first: docs/deploy.md has the command"
        return Finding("fault", "Argo Workflows", f"the cluster has no CRD {', '.join(missing)}", hint)
    return Finding("ok", "Argo Workflows", "its CRDs are there")


def _rights(server: Server) -> Finding:
    """Whether this user may apply every kind. A namespace or Role may still be refused; applying tries it first."""
    denied = [
        f"{verb} {kind.plural}"
        for kind in KINDS.values()
        if kind.name != "ConfigMap"
        for verb in (("create",) if kind.name == "Secret" else ("get", "create", "patch"))
        if not server.may(verb, kind)
    ]
    if denied:
        hint = "deploy as an administrator; to submit, the role herasphere-operator is enough"
        return Finding("fault", "this user's rights", f"may not {', '.join(denied)}", hint)
    return Finding("ok", "this user's rights", "may apply all of it")


def _storage(server: Server, settings: Settings) -> Finding:
    try:
        claim = server.get("PersistentVolumeClaim", NAME)
        classes = server.asked("/apis/storage.k8s.io/v1/storageclasses", "list storage classes")["items"]
    except HerasphereError as error:
        return Finding("note", "storage", f"cannot be looked at: {error.what}", "ask an administrator")
    if claim:
        phase = str(mapping(claim.get("status")).get("phase", ""))
        shown = f"volume claim {NAME} of {claim['spec']['resources']['requests']['storage']}, {phase}"
        return Finding(
            "ok" if phase == "Bound" else "warning", "storage", shown, "" if phase == "Bound" else "it waits"
        )
    annotations = {each["metadata"]["name"]: each["metadata"].get("annotations") or {} for each in classes}
    known = ", ".join(sorted(annotations)) or "none"
    default = [name for name, told in annotations.items() if told.get(DEFAULT_CLASS) == "true"]
    if settings.storage_class and settings.storage_class not in annotations:
        return Finding("fault", "storage", f"there is no class {settings.storage_class}", f"there is: {known}")
    if settings.storage_class or default:
        return Finding("ok", "storage", f"class {settings.storage_class or default[0]}")
    return Finding("fault", "storage", "there is no default class", f"--storage-class names one; there is: {known}")


def _namespace(server: Server) -> Finding:
    try:
        is_there = server.get("Namespace", server.namespace) is not None
    except HerasphereError as error:
        return Finding("note", "namespace", f"{server.namespace} cannot be looked at: {error.what}", "it may be there")
    if is_there:
        return Finding("ok", "namespace", server.namespace)
    return Finding("fault", "namespace", f"there is no {server.namespace}", "`hera deploy` makes it")


def _templates(server: Server) -> Iterator[Finding]:
    """Table, parameters and the plan's digest belong together within a minor version; `hera submit` refuses others."""
    for name in CATALOG:
        found = server.get("WorkflowTemplate", name)
        if found is None:
            yield Finding("fault", f"template {name}", "is not there", "`hera deploy` brings it")
            continue
        version = str((found["metadata"].get("labels") or {}).get(VERSION_LABEL, "unknown"))
        if version == VERSION:
            yield Finding("ok", f"template {name}", f"version {version}")
            continue
        fits = version.split(".")[:2] == VERSION.split(".")[:2]
        shown = f"version {version}, this desk is {VERSION}"
        yield Finding("warning" if fits else "fault", f"template {name}", shown, "`hera deploy` brings this version")


def _objects(server: Server, settings: Settings) -> Finding:
    """By a rehearsal on the server."""
    try:
        changes = rehearsed(server, objects(settings))
    except HerasphereError as error:
        return Finding("fault", "objects", f"{error.where}: {error.what}", error.hint)
    away = [str(each) for each in changes if each.done != "unchanged"]
    if away:
        shown = ", ".join(away[:3]) + (f" and {len(away) - 3} more" if len(away) > 3 else "")
        return Finding("fault", "objects", f"not as this version has them: {shown}", "`hera deploy` brings them")
    return Finding("ok", "objects", f"all {len(changes)} as this version has them")


def _outside(url: str) -> Finding:
    if why := unreached(url):
        hint = "BMCs may reach it all the same; if they do not: --media-address, or the firewall"
        return Finding("warning", "media service", f"for BMCs at {url}; this desk does not reach it: {why}", hint)
    return Finding("ok", "media service", f"for BMCs at {url}, which this desk reaches")


def _control(server: Server, token: str) -> Finding:
    try:
        with KubernetesBackend(server.kube, media_token=token).media() as media:
            count = len(media.isos())
    except HerasphereError as error:
        return Finding("fault", "media service", f"for desks: {error.what}", error.hint)
    hint = "" if count else "`hera media add FILE --cluster` gives it an ESXi ISO"
    return Finding("ok" if count else "note", "media service", f"holds {count} ISO{'s' if count != 1 else ''}", hint)
