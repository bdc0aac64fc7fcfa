"""The files that image settings refer to, handed to the media service that the run's steps take them from."""

from pathlib import Path
from tempfile import TemporaryFile

from steps.clients.media import Media
from workflows.image_order import ImageOrder


def send_bundles(order: ImageOrder, service: Media) -> None:
    """The media service has the files that the settings refer to, if there are any."""
    for part in order.parts:
        with TemporaryFile() as file:
            if part.desk.write_bundle(file):
                file.flush()
                service.put_bundle(Path(f"/proc/self/fd/{file.fileno()}"))
