"""What a step sees of the secrets: exactly what its volumes name, as links to the folder that holds them all."""

import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from steps.domain.errors import NotFound
from workflows.backends.local.reading import SECRETS_PATH


class SecretViews:
    """Folders of links, made below `place`; a step finds the same names there as in its pod."""

    def __init__(self, secrets: Path, place: Path) -> None:
        self.secrets = secrets.absolute()
        self.place = place
        self.made: dict[str, Path] = {}

    def view(self, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]]) -> Path:
        """The folder for HERASPHERE_SECRETS of a step with these mounts."""
        links = dict(self._links(volumes, mounts))
        key = repr(sorted(links.items()))
        if key not in self.made:
            folder = Path(tempfile.mkdtemp(prefix="secrets-", dir=self.place))
            for name, target in links.items():
                link = folder / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target)
            self.made[key] = folder
        return self.made[key]

    def require(self, volumes: list[dict[str, Any]], where: str) -> None:
        """Raise NotFound unless every secret that the volumes name is there; Argo's pod would wait for ever."""
        for source in (s for volume in volumes for s in sources_of(volume)):
            name = source["name"]
            keys = [item["key"] for item in source.get("items") or []]
            missing = [key for key in keys if not (self.secrets / name / key).is_file()]
            if source.get("optional") or (not missing and (self.secrets / name).is_dir()):
                continue
            raise NotFound(
                f"the secret {name} is missing" + (f" the key {missing[0]}" if missing else ""),
                where=where,
                hint="give its value by environment or file, or name another in the host table",
            )

    def _links(self, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]]) -> Iterator[tuple[str, Path]]:
        by_name = {volume["name"]: volume for volume in volumes}
        for mount in mounts:
            below = PurePosixPath(mount["mountPath"])
            for source in sources_of(by_name.get(mount["name"], {})):
                folder = self.secrets / source["name"]
                for key, path in _items(source, folder):
                    if (folder / key).is_file():
                        yield str(below.relative_to(SECRETS_PATH) / path), folder / key


def sources_of(volume: dict[str, Any]) -> list[dict[str, Any]]:
    """The Secrets in a volume, each with name, items and optional."""
    if "secret" in volume:
        return [volume["secret"] | {"name": volume["secret"]["secretName"]}]
    return [each["secret"] for each in (volume.get("projected") or {}).get("sources") or []]


def _items(source: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    if source.get("items"):
        return [(item["key"], item["path"]) for item in source["items"]]
    return [(file.name, file.name) for file in sorted(folder.glob("*"))]
