"""docker, podman or buildah, whichever is here, asked to build images/runner/Containerfile.

No daemon and no registry are needed: buildah works on a storage folder of its own, as root, without namespaces.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.build import BuildFailed
from tests.lab.cached import run
from tests.lab.pip_settings import build_secrets

CONTAINERFILE = Path("images/runner/Containerfile")
TOOLS = ("docker", "podman", "buildah")


@dataclass(frozen=True)
class Builder:
    """A program that builds images, with the options it is always called with.

    Its result depends on nothing but what goes in: buildah and podman date everything to the beginning of time.
    """

    tool: str
    storage: Sequence[str] = field(default=())

    def build(self, context: Path, name: str, arguments: Mapping[str, str]) -> None:
        """Build the Containerfile of this context; the image has the name afterwards."""
        command = self.command(
            "bud" if self.tool == "buildah" else "build", "-f", str(context / CONTAINERFILE), "-t", name
        )
        if self.tool == "buildah":
            command += ["--isolation", "chroot", "--layers", "--force-rm"]
        if self.tool != "docker":
            command += ["--timestamp", "0"]
        for key, value in arguments.items():
            command += ["--build-arg", f"{key}={value}"]
        with tempfile.TemporaryDirectory() as secrets:  # made with mode 0700
            run([*command, *build_secrets(Path(secrets)), str(context)], env={"DOCKER_BUILDKIT": "1"})

    def image_id(self, name: str) -> str:
        """The digest of the image's configuration, by which every tool knows it."""
        if self.tool == "buildah":
            found = run(self.command("images", "--no-trunc", "--quiet", name))
        else:
            found = run(self.command("image", "inspect", "--format", "{{.Id}}", name))
        return "sha256:" + found.split()[0].removeprefix("sha256:")

    def import_tree(self, archive: Path, name: str) -> None:
        """Make an image of one layer out of a tar archive, unless there is one of that name.

        The files keep their dates: by them Python knows whether the bytecode beside them is theirs.
        """
        if subprocess.run(self.command("inspect", "--type", "image", name), capture_output=True).returncode == 0:
            return
        container = run(self.command("from", "scratch")).strip()
        run(self.command("add", "--quiet", container, str(archive), "/"))
        run(self.command("commit", "--quiet", "--rm", container, name))

    def command(self, *arguments: str) -> list[str]:
        return [self.tool, *self.storage, *arguments]


def installed_builder() -> Builder:
    """The first of docker, podman and buildah that works here, on the images of this machine's user."""
    for tool in TOOLS:
        if shutil.which(tool) and subprocess.run([tool, "info"], capture_output=True).returncode == 0:
            return Builder(tool)
    raise BuildFailed(f"no image can be built here: none of {', '.join(TOOLS)} is installed and works")


def buildah_in(folder: Path) -> Builder:
    """buildah on a storage folder of its own, which leaves no mount behind."""
    if shutil.which("buildah") is None:
        raise BuildFailed("no image can be built here, missing: buildah (package buildah)")
    places = ["--root", str(folder / "root"), "--runroot", str(folder / "run")]
    layered = [*places, "--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"]
    if subprocess.run(["buildah", *layered, "info"], capture_output=True).returncode == 0:
        return Builder("buildah", layered)
    return Builder("buildah", [*places, "--storage-driver", "vfs"])  # works anywhere, with a copy for each layer
