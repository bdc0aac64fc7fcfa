"""A bucket of a real S3 server: Versity's gateway over a folder, built from its Go module, which go.sum pins.

What it cannot show: what AWS does by itself, such as eventual errors under load, or roles.
"""

import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steps.domain.wait import wait_until
from tests.lab.build import BuildFailed, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.children import start

HERE = Path(__file__).parent
PROGRAM = "versitygw"
PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
NAME, REGION = "lab", "us-east-1"
ACCESS_KEY, SECRET_KEY = "lab-access", "lab-secret-of-the-bucket"
KEPT_BUILDS = 2


@dataclass(frozen=True)
class Bucket:
    """Where it is, and its keys. folder: its objects as files"""

    address: str
    name: str
    folder: Path
    region: str = REGION
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"


@contextmanager
def bucket(folder: Path, *, host: str = "127.0.0.1") -> Iterator[Bucket]:
    """An empty bucket, served for as long as the context lasts. host: of this machine, where it listens"""
    objects, metadata = folder / "objects", folder / "metadata"
    (objects / NAME).mkdir(parents=True)
    metadata.mkdir()
    port = _free_port(host)
    command = [str(program()), "--port", f"{host}:{port}", "--region", REGION, "posix", "--sidecar", str(metadata)]
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    with (folder / "gateway.log").open("wb") as log:
        process = start([*command, str(objects)], log, env=keys)
        try:
            wait_until(
                lambda: process.poll() is not None or _answers(host, port),
                what="the S3 server",
                where=f"{host}:{port}",
                hint=str(folder / "gateway.log"),
                timeout_s=30,
                every_s=0.1,
            )
            yield Bucket(f"{host}:{port}", NAME, objects / NAME)
        finally:
            process.terminate()
            process.wait(30)


def program() -> Path:
    """The server's program, out of the cache or built now."""
    root = cache_folder()
    pins = b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))
    folder = root / f"s3-{hashlib.sha256(pins).hexdigest()[:16]}"
    with locked(root / "s3.lock"):
        if not folder.exists():
            if shutil.which("go") is None:
                raise BuildFailed("the S3 server cannot be built here, missing: go (package golang-go)")
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
                run(["go", "build", "-mod=readonly", "-o", str(Path(work) / "s3" / PROGRAM), PACKAGE], cwd=HERE)
                (Path(work) / "s3").rename(folder)
            keep_newest(root, "s3-*/", KEPT_BUILDS)
        os.utime(folder)
    return folder / PROGRAM


def _free_port(host: str) -> int:
    with socket.socket() as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
