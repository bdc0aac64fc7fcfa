"""Where installers' ISOs lie in a datastore: under their checksum, so that a file there is whole and the right one."""

from steps.domain.image.plan import IsoSource

FOLDER = "herasphere/iso"


def folder_of(iso: IsoSource, run: str) -> str:
    """The folder of this ISO; of one whose checksum nobody knows it is the run's own, and goes with it."""
    return f"{FOLDER}/{iso.checksum}-{iso.digest}" if iso.digest else unchecked_folder(run)


def unchecked_folder(run: str) -> str:
    """Where a run keeps an ISO that it cannot check."""
    return f"{FOLDER}/run-{run}"


def path_of(iso: IsoSource, run: str) -> str:
    """Its path below the datastore once it is whole."""
    return f"{folder_of(iso, run)}/{iso.name}"


def partial_path_of(iso: IsoSource, run: str) -> str:
    """Its path while it comes: each run's own, as two may fetch the same."""
    return f"{path_of(iso, run)}.{run}.part"
