"""A second CD with an installer's files: ISO 9660 with Joliet and Rock Ridge names: every installer finds them."""

import io
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pycdlib

from steps.domain.errors import Unsupported

PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
LABEL_BYTES, JOLIET_LABEL = 32, 16  # Joliet has half the room: readers complete its label by the other one


def cd(files: Mapping[str, bytes], label: str) -> bytes:
    """An image with these files, by their path with '/'; Unsupported for names or a label that it cannot have."""
    if len(label) > LABEL_BYTES or not label.isascii():
        raise Unsupported(f"no CD can be called {label!r}", where="cd_label", hint=f"{LABEL_BYTES} plain characters")
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, vol_ident=label[:JOLIET_LABEL], joliet=3, rock_ridge="1.09")
    image.pvd.volume_identifier = label.encode().ljust(LABEL_BYTES)
    names = _Names(image)
    for path in sorted(files):
        try:
            names.add(PurePosixPath(path.strip("/")), files[path])
        except pycdlib.pycdlibexception.PyCdlibException as error:
            what = f"no CD can have {path}: {error}"
            raise Unsupported(what, where="cd_files", hint="shorter names, each once in its folder") from error
    target = io.BytesIO()
    image.write_fp(target)
    return target.getvalue()


class _Names:
    """An image's files and folders in its three trees."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._short = _ShortNames()
        self._made: set[PurePosixPath] = set()

    def add(self, path: PurePosixPath, content: bytes) -> None:
        for folder in reversed(path.parents[:-1]):
            if folder not in self._made:
                self._made.add(folder)
                self._image.add_directory(self._short.folder(folder), rr_name=folder.name, joliet_path=f"/{folder}")
        file, short = io.BytesIO(content), self._short.file(path)
        self._image.add_fp(file, len(content), short, rr_name=path.name, joliet_path=f"/{path}")


class _ShortNames:
    """Names of ISO 9660's own tree, each once in its folder: readers without Rock Ridge or Joliet see them."""

    def __init__(self) -> None:
        self._paths: dict[PurePosixPath, str] = {PurePosixPath("."): ""}
        self._taken: set[str] = set()

    def folder(self, path: PurePosixPath) -> str:
        return self._kept(path, _plain(path.name)[:31], "")

    def file(self, path: PurePosixPath) -> str:
        return self._kept(path, _plain(path.stem)[:20], f".{_plain(path.suffix[1:])[:3]};1")

    def _kept(self, path: PurePosixPath, stem: str, end: str) -> str:
        above = self._paths[path.parent]
        for number in range(1, 100_000):
            made = f"{above}/{stem if number == 1 else f'{stem[:15]}_{number}'}{end}"
            if made not in self._taken:
                self._taken.add(made)
                self._paths[path] = made
                return made
        raise Unsupported(f"there are too many names like {path}", where="cd_files", hint="shorter names")


def _plain(name: str) -> str:
    return "".join(each if each in PLAIN else "_" for each in name.upper())
