"""Paths in image settings: what they mean on this machine, and which of them a pod cannot reach."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from steps.domain.image.layers import Layers
from steps.domain.image.plan import CLAIM
from steps.domain.image.settings import Settings
from steps.domain.source import Path as Place
from workflows.desk_secrets import Engine, found


def located(
    settings: Settings, layers: Layers, keys: Collection[str], *, folders: Sequence[Path], engine: Engine
) -> Settings:
    """The settings with these paths as a run finds them from anywhere; what it cannot find is a fault of the layers.

    folders: where files that are read are looked for; what is written is relative to the current one
    """
    changes: dict[str, Any] = {}
    if "iso_url" in keys:
        changes["iso_url"] = tuple(
            _to_read(url, ("iso_url", index), layers, folders, engine) for index, url in enumerate(settings.iso_url)
        )
    if "base_ova" in keys and settings.base_ova:
        changes["base_ova"] = _to_read(settings.base_ova, ("base_ova",), layers, folders, engine)
    if "output_dir" in keys and settings.output_dir:
        changes["output_dir"] = _to_write(settings.output_dir, ("output_dir",), layers, engine)
    changes = {key: value for key, value in changes.items() if value != getattr(settings, key)}
    layers.data |= {key: list(value) if isinstance(value, tuple) else value for key, value in changes.items()}
    return settings.model_copy(update=changes)


def _to_read(name: str, at: Place, layers: Layers, folders: Sequence[Path], engine: Engine) -> str:
    if "://" in name:
        return name
    path = found(folders, name).absolute()
    if engine == "argo":
        layers.faults.append(layers.fault(at, f"a pod cannot read {name}", "a URL: http:// or https://"))
    elif not path.is_file():
        layers.faults.append(layers.fault(at, f"there is no file {path}", "correct the path"))
    return path.as_uri()


def _to_write(name: str, at: Place, layers: Layers, engine: Engine) -> str:
    is_on_a_claim = name.startswith(CLAIM)
    if engine == "argo" and not is_on_a_claim:
        what = f"{name} would be a folder of a pod, which is gone with it"
        layers.faults.append(layers.fault(at, what, "pvc:CLAIM/FOLDER of a volume in the cluster; or s3"))
    if engine == "local" and is_on_a_claim:
        what = f"{name} is a volume of a cluster, and the run is on this machine"
        layers.faults.append(layers.fault(at, what, "a folder of this machine; or s3"))
    return name if is_on_a_claim else str(Path(name).absolute())
