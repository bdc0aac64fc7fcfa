"""What env: and file: references mean on this machine."""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Literal

from steps.domain.errors import NotFound
from steps.domain.host import SecretRef
from steps.domain.table import SecretEntry

Engine = Literal["local", "argo"]

MAX_SECRET_BYTES = 64 * 1024  # a bundle of CA certificates is the largest


@dataclass
class DeskSecrets:
    """Reads references for a run.

    folders: where files are looked for, in this order
    engine:  where the run will happen; a reference that cannot be resolved there is a fault
    texts and references: what has been met so far, for the run to hand on
    """

    folders: Sequence[Path]
    environment: Mapping[str, str]
    engine: Engine = "local"
    texts: dict[SecretRef, str] = field(default_factory=dict)
    references: set[SecretRef] = field(default_factory=set)

    def read(self, entry: SecretEntry) -> str | None:
        """The secret's text; None for a Kubernetes Secret, which only the cluster can read."""
        self.references.add(entry.ref)
        if entry.ref in self.texts:
            return self.texts[entry.ref]
        if entry.secret:
            if self.engine == "local":
                hint = "use {env: NAME} or {file: PATH}, or submit the run to the cluster"
                raise NotFound(f"{entry} cannot be read by a run on this machine", hint=hint)
            return None
        text = self._from_environment(entry.env) if entry.env else self._from_file(entry.file or "")
        self.texts[entry.ref] = text
        return text

    def keep(self, entry: SecretEntry, text: str) -> None:
        """From now on this is what the entry means."""
        self.references.add(entry.ref)
        self.texts[entry.ref] = text

    def _from_environment(self, name: str) -> str:
        if name not in self.environment:
            raise NotFound(f"environment variable {name} is not set", hint=f"export {name}, or use {{file: PATH}}")
        return self.environment[name]

    def _from_file(self, name: str) -> str:
        path = found(self.folders, name)
        try:
            with opened(path) as file:
                text = file.read(MAX_SECRET_BYTES + 1).decode()
        except OSError as error:
            raise NotFound(f"file {path} cannot be read: {error.strerror}", hint="correct the path") from error
        except UnicodeDecodeError as error:
            raise NotFound(f"file {path} is no text", hint="a file that holds only the secret") from error
        if len(text) > MAX_SECRET_BYTES:
            what = f"file {path} is larger than {MAX_SECRET_BYTES // 1024} KiB"
            raise NotFound(what, hint="a file that holds only the secret")
        return text.removesuffix("\n").removesuffix("\r")


def found(folders: Sequence[Path], name: str) -> Path:
    """The path of this name in the first folder that has it; in the first folder if none has."""
    places = [folder / name for folder in folders]
    return next((path for path in places if path.exists()), places[0])


def opened(path: Path) -> BufferedReader:
    """The file at this path; OSError for what is none: a device may never end, a pipe may never begin."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, "a file name has no NUL character") from error
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):  # a DVD drive is a block device
        raise OSError(errno.EINVAL, "it is no file, but a device or a pipe")
    return path.open("rb")
