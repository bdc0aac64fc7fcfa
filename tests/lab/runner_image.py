"""The runner image: `make image` with what is installed here, or for the lab on a base that needs no registry.

python -m tests.lab.runner_image [--base IMAGE]
"""

import argparse
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.build import BuildFailed, Say, cache_folder
from tests.lab.cached import keep_newest, locked, run
from tests.lab.containers import CONTAINERFILE, Builder, buildah_in, installed_builder
from tests.lab.debian import DebianBase, debian_base

SOURCE = Path(__file__).parents[2]
CONTEXT = (CONTAINERFILE, ".dockerignore", "pyproject.toml", "README.md", "requirements.lock", "steps", "workflows")
KEPT_IMAGES = 3
STORAGE_LIMIT_MIB = 6 << 10
BOOTSTRAP = "debootstrap"


@dataclass(frozen=True)
class RunnerImage:
    """A built image.

    name:    as manifests write it
    archive: OCI archive, holding it under `reference`
    digest:  of its manifest: the archive's image is `reference@digest`
    """

    name: str
    archive: Path
    digest: str

    @property
    def reference(self) -> str:
        """The name as Kubernetes completes it before it asks containerd."""
        return reference(self.name)


def reference(name: str) -> str:
    return f"docker.io/{name}"


def image_name() -> tuple[str, str]:
    """The image's name with its tag, and the tag alone: the package's version."""
    version = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]["version"]
    return f"herasphere/runner:{version}", version


def runner_image(say: Say = lambda text: print(text, file=sys.stderr)) -> RunnerImage:
    """Return the image of the sources as they are now, on the bootstrapped base; needs root."""
    base, root = debian_base(say), cache_folder()
    with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work, locked(root / "runner.lock"):
        context = Path(work) / "context"
        key = _copy_context(context, base)
        folder = root / f"runner-{key}"
        if not folder.exists():
            say(f"building the runner image into {folder}")
            result = Path(work) / "result"
            result.mkdir()
            _build(context, base, result / "runner.tar")
            result.rename(folder)
        folder.touch()
        keep_newest(root, "runner-*/", KEPT_IMAGES)
    archive = folder / "runner.tar"
    return RunnerImage(image_name()[0], archive, _digest(archive))


def _copy_context(target: Path, base: DebianBase) -> str:
    """A copy that stays as it is while it is built; returns a hash of all that goes into the image."""
    digest = hashlib.sha256(base.key.encode())
    for path in sorted(_context_files()):
        copy = target / path.relative_to(SOURCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        digest.update(f"{copy.relative_to(target)}\0{hashlib.sha256(copy.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _context_files() -> Iterator[Path]:
    for name in CONTEXT:
        path = SOURCE / name
        yield from [path] if path.is_file() else (file for file in path.rglob("*") if _is_source(file))


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _build(context: Path, base: DebianBase, archive: Path) -> None:
    storage = cache_folder() / "containers"
    if storage.exists() and int(run(["du", "-sm", str(storage)]).split()[0]) > STORAGE_LIMIT_MIB:
        shutil.rmtree(storage)  # layers of earlier builds, none of which is needed
    builder = buildah_in(storage)
    run(builder.command("rm", "--all"))  # of a build that was killed
    name, version = image_name()
    builder.build(context, reference(name), _arguments(builder, base) | {"VERSION": version})
    run(builder.command("push", "--quiet", reference(name), f"oci-archive:{archive}:{reference(name)}"))


def _arguments(builder: Builder, base: DebianBase) -> dict[str, str]:
    names = {"BASE": f"localhost/{base.key}:base", "BUILDER": f"localhost/{base.key}:builder"}
    builder.import_tree(base.base, names["BASE"])
    builder.import_tree(base.builder, names["BUILDER"])
    return names


def _digest(archive: Path) -> str:
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        return str(json.load(index)["manifests"][0]["digest"])


def main() -> int:
    """Build as the options say; prints the image's name and digest."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.runner_image", description="Build the runner image.")
    about = f"image to build on; {BOOTSTRAP}: Debian, made here without a registry; default: the Containerfile's"
    parser.add_argument("--base", default="", help=about)
    parser.add_argument("--builder", default="", help="the same with pip, where the base has none")
    options = parser.parse_args()
    try:
        if options.base == BOOTSTRAP:
            image = runner_image()
            print(f"{image.name}\n{image.digest}\n{image.archive}")
        else:
            print("\n".join(_build_here(options.base, options.builder)))
    except BuildFailed as error:
        print(f"runner image: {error}", file=sys.stderr)
        if not options.base:
            print("(hint: name a base that can be reached, BASE=IMAGE, or make one: BASE=debootstrap)", file=sys.stderr)
        return 1
    return 0


def _build_here(base: str, builder_base: str) -> tuple[str, str]:
    builder, (name, version) = installed_builder(), image_name()
    print(f"building {name} with {builder.tool}", file=sys.stderr)
    given = {"BASE": base, "BUILDER": builder_base, "VERSION": version}
    builder.build(SOURCE, name, {key: value for key, value in given.items() if value})
    return name, builder.image_id(name)


if __name__ == "__main__":
    sys.exit(main())
