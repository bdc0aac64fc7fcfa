"""Options that several commands share, so that they read and mean the same everywhere."""

import functools
import inspect
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from steps.clients import kube
from steps.domain.errors import AccessDenied, NotFound
from workflows.backends.argo.api import KubernetesBackend
from workflows.backends.argo.backend import Backend
from workflows.backends.argo.server import ServerBackend
from workflows.desk import Desk
from workflows.desk_secrets import Engine

Tables = Annotated[
    list[Path], typer.Option("--file", "-f", metavar="FILE", help="host table (YAML); see docs/host-table.md")
]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", metavar="FILE", help="host table; of images their settings, later ones win"),
]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="HOST", help="take this host alone; repeatable")]
Reinstall = Annotated[bool, typer.Option("--reinstall", help="install over an ESXi where one is found")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask before hosts are erased")]
Limit = Annotated[int, typer.Option(min=0, help="hosts at the same time; 0: as the table says")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
For = Annotated[Engine, typer.Option("--for", help="where the run will happen: on this machine, or on a cluster")]

Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", metavar="NAME", envvar="HERASPHERE_NAMESPACE", help="where the workflows run"),
]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", metavar="FILE", help="as kubectl's; default: $KUBECONFIG")]
Context = Annotated[str, typer.Option("--context", metavar="NAME", help="of the kubeconfig; default: its current one")]
Server = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="ARGO_SERVER",
        help="an Argo server, instead of the Kubernetes API; $ARGO_TOKEN",
    ),
]
ServerCa = Annotated[str, typer.Option("--server-ca", metavar="FILE", help="certificates to trust it by")]
NAMESPACE = "herasphere"


@dataclass(frozen=True)
class Kubernetes:
    """Which namespace of which cluster a command is for, as its options say. Each field is one of them."""

    namespace: Namespace = NAMESPACE
    kubeconfig: Kubeconfig = ""
    context: Context = ""

    def kube(self) -> kube.Kube:
        """The Kubernetes API."""
        return kube.connect(kubeconfig=self.kubeconfig, context=self.context, namespace=self.namespace)


@dataclass(frozen=True)
class Cluster(Kubernetes):
    """The same for commands that can do with an Argo server; for what that has no calls for there is kube()."""

    server: Server = ""
    server_ca: ServerCa = ""

    def backend(self) -> Backend:
        """The way to it."""
        if not self.server:
            return KubernetesBackend(self.kube(), media_token=os.environ.get("HERASPHERE_MEDIA_TOKEN", ""))
        token = os.environ.get("ARGO_TOKEN", "")
        if not token:
            hint = "export ARGO_TOKEN: `argo auth token`, or a ServiceAccount's token"
            raise AccessDenied("there is no token for the Argo server", where=self.server, hint=hint)
        if self.server_ca and not Path(self.server_ca).is_file():
            raise NotFound("there is no such file", where=f"--server-ca {self.server_ca}", hint="correct the path")
        url = self.server if "://" in self.server else f"https://{self.server}"  # as Argo's own command takes it
        return ServerBackend(url, token, namespace=self.namespace, ca=self.server_ca)


Command = Callable[..., None]


def taking(**groups: type[Any]) -> Callable[[Command], Command]:
    """A command with the fields of a dataclass as options in the place of the parameter of that name."""

    def decorated(command: Command) -> Command:
        own, named = inspect.signature(command), inspect.Parameter.KEYWORD_ONLY
        options = {
            group: [inspect.Parameter(f.name, named, default=f.default, annotation=f.type) for f in fields(kind)]
            for group, kind in groups.items()
        }

        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            made = {
                group: kind(**{option.name: values.pop(option.name) for option in options[group]})
                for group, kind in groups.items()
            }
            command(**values, **made)

        parameters = [each.replace(kind=named) for name, each in own.parameters.items() if name not in groups]
        for several in options.values():
            parameters += several
        with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorated


takes_cluster = taking(cluster=Cluster)
takes_kubernetes = taking(cluster=Kubernetes)


def desk_of(table: Path, engine: Engine = "local") -> Desk:
    """The desk for this table, with this process's environment."""
    return Desk(table, os.environ, engine)


def one_table(files: Sequence[Path]) -> Path:
    """The only file; typer.BadParameter for none or several."""
    if len(files) != 1:
        raise typer.BadParameter("give one host table", param_hint="--file")
    return files[0]


def state_folder() -> Path:
    """Where runs, their logs and the media service's state are kept."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "herasphere"


def made(folder: Path) -> Path:
    """The folder, made if it was not there; a HerasphereError where files cannot be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        hint = "give a folder that can be written; XDG_STATE_HOME names the one for runs"
        raise NotFound(f"no files can be made there: {error.strerror}", where=str(folder), hint=hint) from error
