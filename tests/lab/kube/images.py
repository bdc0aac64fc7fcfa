"""Container images of the lab's cluster, each one program on nothing: no registry is needed.

The folder is ~/.cache/herasphere/lab/images-<key>; the key is a hash of the programs and of this recipe.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.build import BUSYBOX, BuildFailed, Say, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.containers import Builder, buildah_in
from tests.lab.kube.build import ARGO_MODULE, Programs, version_of

ARGO_VERSION = version_of("argo", ARGO_MODULE)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
USER = "8737"  # Argo's own images run as this one
KEPT_BUILDS = 2


@dataclass(frozen=True)
class Image:
    """An image and how it is made. Files: where to, where from; {bin} is the folder of the programs."""

    name: str
    files: Mapping[str, str]
    settings: tuple[str, ...]

    @property
    def reference(self) -> str:
        return f"lab.test/{self.name}:{ARGO_VERSION}"

    @property
    def archive(self) -> str:
        return f"{self.name}.tar"


def _program(name: str) -> Image:
    path = f"/bin/{name}"
    settings = ("--entrypoint", f'["{path}"]', "--cmd", "", "--user", USER, "--env", "PATH=/bin", "--env", "HOME=/tmp")
    return Image(name, {path: f"{{bin}}/{name}", str(CERTIFICATES): str(CERTIFICATES)}, settings)


PAUSE = Image("pause", {"/bin/busybox": str(BUSYBOX)}, ("--cmd", '["/bin/busybox","sleep","2147483647"]'))
EXECUTOR, CONTROLLER, SERVER = _program("argoexec"), _program("workflow-controller"), _program("argo")
IMAGES = (PAUSE, EXECUTOR, CONTROLLER, SERVER)


def images(programs: Programs, say: Say = lambda text: print(text, file=sys.stderr)) -> dict[str, Path]:
    """The archive of each image, by the name that manifests write; out of the cache or made now."""
    root = cache_folder()
    folder = root / f"images-{_key(programs)}"
    with locked(root / "images.lock"):
        if not folder.exists():
            say(f"building the cluster's images into {folder}")
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
                result = Path(work) / "result"
                result.mkdir()
                builder = buildah_in(Path(work) / "storage")
                for image in IMAGES:
                    _build(builder, image, programs, result / image.archive)
                result.rename(folder)
            keep_newest(root, "images-*/", KEPT_BUILDS)
        os.utime(folder)
    return {image.reference: folder / image.archive for image in IMAGES}


def _key(programs: Programs) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes() + programs.folder.name.encode())
    for path in (BUSYBOX, CERTIFICATES):
        if not path.exists():
            raise BuildFailed(f"no {path}: install the packages busybox-static and ca-certificates")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(builder: Builder, image: Image, programs: Programs, archive: Path) -> None:
    container = run(builder.command("from", "scratch")).strip()
    for target, source in image.files.items():
        run(builder.command("copy", "--quiet", container, source.format(bin=programs.bin), target))
    run(builder.command("config", *image.settings, container))
    run(builder.command("commit", "--quiet", "--rm", container, image.reference))
    run(builder.command("push", "--quiet", image.reference, f"docker-archive:{archive}:{image.reference}"))
