"""Where a run's report and its steps' logs are kept: a folder of `hera run`, or the media service's volume."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steps.clients.media import Media


class RunStore(Protocol):
    """Keeps the text files of one run."""

    def put(self, name: str, text: str) -> str:
        """Keep this file, one of the same name is replaced whole; returns where it is, for people."""


@dataclass(frozen=True)
class FolderStore:
    """A folder on this machine."""

    folder: Path

    def put(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")  # whoever reads it sees the old file or the new one, never a part
        new.write_text(text, encoding="utf-8")
        new.replace(path)
        return str(path)


@dataclass(frozen=True)
class MediaStore:
    """The media service's volume, through its control API."""

    media_at: Callable[[], Media]
    run: str

    def put(self, name: str, text: str) -> str:
        with self.media_at() as media:
            media.put_file(self.run, name, text)
        return f"{name} of {self.run} (hera report {self.run})"


def log_name(node: str, template: str) -> str:
    """The file that keeps a pod's log. node: <workflow>-<number>, as Argo names it"""
    workflow, _, number = node.rpartition("-")
    return f"logs/{workflow}/{template}.{number}.jsonl"
