"""A second CD with an installer's files: ISO 9660 with Joliet and Rock Ridge names: every installer finds them."""

import io
from collections.abc import Mapping
from pathlib import PurePosixPath

import pycdlib

from steps.domain.errors import Unsupported

PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def cd(files: Mapping[str, bytes], label: str) -> bytes:
    """An image with these files, by their path with '/'; Unsupported for names or a label that it cannot have."""
    image = pycdlib.PyCdlib()
    try:
        image.new(interchange_level=3, vol_ident=label, joliet=3, rock_ridge="1.09")
        short = _ShortNames()
        made: set[PurePosixPath] = set()
        for path in sorted(files):
            whole = PurePosixPath(path.strip("/"))
            for folder in reversed(whole.parents[:-1]):
                if folder not in made:
                    made.add(folder)
                    image.add_directory(short.folder(folder), rr_name=folder.name, joliet_path=f"/{folder}")
            content = files[path]
            image.add_fp(
                io.BytesIO(content), len(content), short.file(whole), rr_name=whole.name, joliet_path=f"/{whole}"
            )
        target = io.BytesIO()
        image.write_fp(target)
        return target.getvalue()
    except pycdlib.pycdlibexception.PyCdlibException as error:
        hint = "shorter names; a plain label"
        raise Unsupported(f"no CD can be made: {error}", where="cd_files", hint=hint) from error


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
