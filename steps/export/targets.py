"""Where an OVA goes while it is written: a folder, a bucket, or both at once. Nobody sees it before it is whole."""

import errno
import os
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from steps import runtime
from steps.clients import s3
from steps.domain.errors import AccessDenied, Conflict, HerasphereError, NotFound, Unavailable
from steps.domain.image.plan import AppliancePlan, Export, S3Target
from steps.domain.ova import FileTarget, Target, TeeTarget
from steps.domain.ova.archive import Readable


def folder_of(export: Export) -> Path:
    """The folder that the settings mean, as this step sees it."""
    return runtime.output_folder() / export.path if export.claim else Path(export.path)


def key_of(target: S3Target, name: str) -> str:
    """The object's key of a file of this name."""
    return posixpath.join(target.prefix, name)


def bucket_of(target: S3Target) -> s3.Bucket:
    """The bucket, with the keys to it."""
    return s3.bucket(
        target.bucket,
        region=target.region,
        access_key=runtime.secret(target.access_key),
        secret_key=runtime.secret(target.secret_key),
        endpoint=target.endpoint,
    )


@contextmanager
def written(plan: AppliancePlan, run: str, most_bytes: int) -> Iterator[Target]:
    """What the OVA is written to; whole under its name in every place once the context ended well, and only then."""
    export = plan.export
    assert export is not None
    name = f"{export.name}.ova"
    with ExitStack() as stack:
        targets: list[Target] = []
        upload: s3.Upload | None = None
        if export.s3:
            bucket, key = bucket_of(export.s3), key_of(export.s3, name)
            bucket.abandoned(key)
            upload = stack.enter_context(bucket.writing(key, most_bytes=most_bytes))
            targets.append(upload)
        files = [stack.enter_context(_file(folder_of(export), name, run))] if export.folder else []
        targets += [FileTarget(file) for file in files]
        yield targets[0] if len(targets) == 1 else TeeTarget(targets)
        for file in files:  # which may fail for want of room: before the bucket shows anything
            file.flush()
            os.fsync(file.fileno())
        if upload is not None:
            upload.finish()


@contextmanager
def _file(folder: Path, name: str, run: str) -> Iterator[BinaryIO]:
    """A file that has its name once the context ended well, and else is gone."""
    partial = folder / f".{name}.{run}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        partial.replace(folder / name)
    except OSError as error:
        raise _of_file(error, folder) from error
    finally:
        with suppress(OSError):  # what went wrong before is the cause
            partial.unlink()


@contextmanager
def opened(export: Export) -> Iterator[Readable]:
    """The OVA as it is in the first of its places."""
    name = f"{export.name}.ova"
    if not export.folder and export.s3:
        with bucket_of(export.s3).reading(key_of(export.s3, name)) as body:
            yield body
        return
    path = folder_of(export) / name
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise NotFound(f"it cannot be read: {error.strerror}", where=str(path), hint="start the build again") from error


def keep(plan: AppliancePlan, name: str, content: bytes) -> list[str]:
    """Write a small file beside the OVA, in every place of it; where they are."""
    export = plan.export
    assert export is not None
    places = []
    if export.folder:
        folder = folder_of(export)
        try:
            with TemporaryDirectory(dir=folder, prefix=".") as work:
                (Path(work) / name).write_bytes(content)
                (Path(work) / name).replace(folder / name)
        except OSError as error:
            raise _of_file(error, folder) from error
        places.append(str(Path(export.folder) / name))
    if export.s3:
        bucket_of(export.s3).put(key_of(export.s3, name), content)
        places.append(f"s3://{export.s3.bucket}/{key_of(export.s3, name)}")
    return places


def _of_file(error: OSError, folder: Path) -> HerasphereError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Conflict("there is no room", where=str(folder), hint="make room, or another output_dir")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return Conflict("there is a file in the place of the folder", where=str(folder), hint="another output_dir")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what, hint = f"it cannot be written: {error.strerror}", "look at the folder's owner and at how it is mounted"
        return AccessDenied(what, where=str(folder), hint=hint)
    return Unavailable(f"it cannot be written: {error.strerror}", where=str(folder), hint="look at its file system")
