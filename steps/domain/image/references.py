"""Which files the settings refer to."""

from collections.abc import Iterator

from steps.domain.image.bundle import Reference
from steps.domain.image.keys.guest import UploadEntry
from steps.domain.image.settings import Settings


def references(settings: Settings) -> Iterator[Reference]:
    """Every name of a file or folder."""
    for name in (*settings.floppy_files, *settings.floppy_dirs, *settings.cd_files, *settings.eula):
        yield Reference(name)
    if settings.http_directory:
        yield Reference(settings.http_directory, inside=True)
    for step in settings.provision:
        file = step.upload if isinstance(step, UploadEntry) else step.script
        if file:
            yield Reference(file)
