"""Settings at the desk: the files they refer to, what they mean in a run, and where their secrets are."""

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from steps.domain.errors import ConfigError
from steps.domain.host import SecretRef
from steps.domain.image.bundle import BundledFile, Reference, unpack
from steps.domain.image.plan import BuildPlan
from steps.domain.image.planning import Choices
from tests.unit.domain.images import APPLIANCE, IMAGE
from workflows import image_desk
from workflows.desk_secrets import Engine
from workflows.image_desk import ImageDesk, git_describe

OWN = {"floppy_files: [ks.cfg]\n", f"files: {'1' * 64}\n"}
PLAIN = "".join(line for line in IMAGE.splitlines(keepends=True) if line not in OWN)
LITERAL = {
    "username: {secret: vcenter, key: username}": "username: somebody",
    "password: {secret: vcenter, key: password}": "password: of the file",
    "ssh_password: {secret: guest, key: password}": "ssh_password: {env: GUEST}",
}
ENVIRONMENT = {"GUEST": "of the environment"}
GIT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder has nothing in it, and no repository is around it."""
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_") and name != "GIT_CEILING_DIRECTORIES"]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the settings lie."""
    (tmp_path / "settings").mkdir()
    return tmp_path / "settings"


def desk_of(folder: Path, more: str = "", *, engine: Engine = "argo", settings: str = PLAIN) -> ImageDesk:
    """One with these settings, and more of them in a second file."""
    for old, new in LITERAL.items() if engine == "local" else ():
        settings = settings.replace(old, new)
    (folder / "image.yaml").write_text(settings)
    (folder / "more.yaml").write_text(more or "{}")
    return ImageDesk([folder / "image.yaml", folder / "more.yaml"], ENVIRONMENT, engine)


def build(desk: ImageDesk) -> BuildPlan:
    return desk.plan_build(Choices())


def faults(desk: ImageDesk) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(desk)
    return [f"{Path(fault.file).name}:{fault.line}: {fault.message}" for fault in caught.value.faults]


def bundle(desk: ImageDesk, name: str) -> list[BundledFile]:
    """What a run finds under this name of the settings."""
    target = io.BytesIO()
    build(desk)
    desk.write_bundle(target)
    target.seek(0)
    return list(unpack(target, name))


def write(path: Path, text: str = "text", *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


# The bundle


def test_the_plan_names_the_bytes_that_are_written(folder: Path) -> None:
    write(folder / "ks.cfg")
    desk, target = desk_of(folder, "floppy_files: [ks.cfg]\n"), io.BytesIO()
    plan = build(desk)
    digest = hashlib.sha256(desk.write_bundle(target).encode() and target.getvalue()).hexdigest()
    assert plan.kickstart.bundle == plan.guest.bundle == desk.write_bundle() == digest
    assert f"files: {digest}\n" in desk.text


def test_without_files_there_is_no_bundle(folder: Path) -> None:
    desk, target = desk_of(folder), io.BytesIO()
    plan = build(desk)
    assert plan.kickstart.bundle == plan.guest.bundle == desk.write_bundle(target) == ""
    assert target.getvalue() == b"" and "files:" not in desk.text


def test_the_same_files_make_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Wherever they lie, whoever owns them, whenever they were written, in whichever order they are named."""
    made = []
    for place, order in ((folder, "a.cfg, b.cfg"), (tmp_path / "other", "b.cfg, a.cfg")):
        for name in order.split(", "):
            write(place / name, name)
        made.append(desk_of(place, f"floppy_files: [{order}]\n"))
    os.utime(tmp_path / "other" / "a.cfg", (1, 1))
    (tmp_path / "other" / "b.cfg").chmod(0o600)
    one, two = (build(desk).kickstart.bundle for desk in made)
    assert one == two == made[0].write_bundle() == made[1].write_bundle()
    write(folder / "a.cfg", "another")
    assert build(desk_of(folder, "floppy_files: [a.cfg, b.cfg]\n")).kickstart.bundle != one


def test_of_a_file_its_name_and_whether_it_is_run(folder: Path) -> None:
    write(folder / "scripts" / "one.sh", "one", mode=0o700)
    write(folder / "ks.cfg", "two", mode=0o640)
    desk = desk_of(folder, "floppy_files: [ks.cfg]\nprovision: [{script: scripts/one.sh}]\n")
    assert bundle(desk, "scripts/one.sh") == [BundledFile("one.sh", b"one", True)]
    assert bundle(desk, "ks.cfg") == [BundledFile("ks.cfg", b"two", False)]
    target = io.BytesIO()
    desk.write_bundle(target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        told = {(each.mode, each.uid, each.gid, each.uname, each.mtime) for each in tar}
    assert told == {(0o755, 0, 0, "", 0), (0o644, 0, 0, "", 0)}


@pytest.mark.parametrize(
    ("setting", "name", "paths"),
    [
        ("floppy_dirs: [ks]", "ks", ["ks/a.cfg", "ks/deep/b.cfg"]),
        ("floppy_dirs: [ks/]", "ks/", ["a.cfg", "deep/b.cfg"]),
        ("http_directory: ks", "ks", ["a.cfg", "deep/b.cfg"]),
        ("cd_files: ['ks/*']", "ks/*", ["a.cfg", "deep/b.cfg"]),
        ("cd_files: ['ks/*.cfg']", "ks/*.cfg", ["a.cfg"]),
        ("provision: [{upload: ks, to: /srv}]", "ks", ["ks/a.cfg", "ks/deep/b.cfg"]),
        ("provision: [{upload: ks/, to: /srv}]", "ks/", ["a.cfg", "deep/b.cfg"]),
    ],
)
def test_what_a_name_means(folder: Path, setting: str, name: str, paths: list[str]) -> None:
    write(folder / "ks" / "a.cfg")
    write(folder / "ks" / "deep" / "b.cfg")
    assert [each.path for each in bundle(desk_of(folder, f"{setting}\n"), name)] == paths


def test_a_name_is_looked_for_beside_the_last_settings_first_and_in_this_folder_last(tmp_path: Path) -> None:
    for place in ("one", "two", "nowhere"):
        for name in ("a.cfg", "b.cfg", "c.cfg")[: ("two", "one", "nowhere").index(place) + 1]:
            write(tmp_path / place / name, place)
    (tmp_path / "two" / "b.cfg").unlink(missing_ok=True)
    (tmp_path / "one" / "image.yaml").write_text(PLAIN)
    (tmp_path / "two" / "more.yaml").write_text("floppy_files: [a.cfg, b.cfg, c.cfg]\n")
    desk = ImageDesk([tmp_path / "one" / "image.yaml", tmp_path / "two" / "more.yaml"], {}, "argo")
    assert [bundle(desk, name)[0].content for name in ("a.cfg", "b.cfg", "c.cfg")] == [b"two", b"one", b"nowhere"]
    assert {reference.name for reference in desk.members} == {"a.cfg", "b.cfg", "c.cfg"}


@pytest.mark.parametrize("name", ["gone.cfg", "gone/*", "empty", "pipe", "dangling", "/gone/*"])
def test_a_name_that_means_no_file(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to("gone")
    assert faults(desk_of(folder, f"floppy_files: ['{name}']\n")) == [f"more.yaml:1: there is no '{name}'"]


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "ks.cfg")
    desk = desk_of(folder, "floppy_files: [ks.cfg]\n")

    def refused(members: object, target: object) -> str:
        raise PermissionError(13, "Permission denied", str(folder / "ks.cfg"))

    monkeypatch.setattr(image_desk, "pack", refused)
    assert faults(desk) == ["ks.cfg:0: cannot be read: Permission denied"]


def test_the_bundle_is_named_by_the_desk_alone(folder: Path) -> None:
    assert faults(desk_of(folder, f"files: {'2' * 64}\n")) == ["more.yaml:1: files is set by hera alone"]


# Paths of this machine


@pytest.mark.parametrize("name", ["a linux.iso", "isos/größe.iso"])
def test_an_iso_of_this_machine_is_a_url_of_it(folder: Path, name: str) -> None:
    write(folder / name)
    desk = desk_of(folder, f"iso_url: {name}\n", engine="local")
    (url,) = build(desk).iso.urls
    assert url == (folder / name).as_uri() and url.isascii() and " " not in url
    assert url in desk.text


def test_an_iso_of_this_machine_among_mirrors(folder: Path) -> None:
    write(folder / "linux.iso")
    desk = desk_of(folder, f"iso_url: [https://mirror.example.com/x.iso, {folder}/linux.iso]\n", engine="local")
    assert build(desk).iso.urls == ("https://mirror.example.com/x.iso", f"file://{folder}/linux.iso")


def test_an_iso_of_this_machine_that_is_not_there(folder: Path) -> None:
    told = faults(desk_of(folder, "# a line\niso_url: [https://a.example.com/x.iso, gone.iso]\n", engine="local"))
    assert told == [f"more.yaml:2: there is no file {folder}/gone.iso"]


def test_an_iso_of_this_machine_is_none_of_a_pods(folder: Path) -> None:
    write(folder / "linux.iso")
    assert faults(desk_of(folder, "iso_url: linux.iso\n")) == ["more.yaml:1: a pod cannot read linux.iso"]


@pytest.mark.parametrize("engine", ["local", "argo"])
def test_urls_stay_as_they_are(folder: Path, engine: Engine) -> None:
    assert build(desk_of(folder, engine=engine)).iso.urls == ("https://mirror.example.com/linux.iso",)


def test_an_ova_goes_to_a_folder_relative_to_this_one(folder: Path, tmp_path: Path) -> None:
    desk = desk_of(folder, "output_dir: out\n", engine="local", settings=APPLIANCE)
    export = desk.plan_appliance(Choices()).export
    assert export is not None and export.folder == f"{tmp_path}/nowhere/out"


# Secrets


def test_a_secret_that_stands_in_a_file_is_taken_out_of_it(folder: Path) -> None:
    desk = desk_of(folder, engine="local")
    plan = build(desk)
    assert plan.vcenter.password == SecretRef(name="herasphere-desk", key="setting.password")
    assert desk.secrets.texts[plan.vcenter.password] == "of the file"
    assert "of the file" not in desk.text + plan.model_dump_json()
    assert "password:\n  secret: herasphere-desk\n  key: setting.password\n" in desk.text
    assert [note.message.split(":")[0] for note in desk.notes] == [
        "username stands in a file",
        "password stands in a file",
    ]


def test_a_secret_by_reference_stays_one(folder: Path) -> None:
    desk = desk_of(folder, engine="local")
    login = build(desk).guest.login
    assert login is not None and login.password is not None
    assert desk.secrets.texts[login.password] == "of the environment"
    assert "ssh_password:\n  env: GUEST\n" in desk.text and "of the environment" not in desk.text


def test_a_secret_of_the_cluster_is_read_there_alone(folder: Path) -> None:
    desk = desk_of(folder)
    plan = build(desk)
    assert desk.secrets.texts == {}
    assert plan.vcenter.password in desk.secrets.references
    (folder / "again.yaml").write_text(PLAIN)
    told = faults(ImageDesk([folder / "again.yaml"], {}, "local"))
    assert len(told) == 3 and all("cannot be read by a run on this machine" in each for each in told)


def test_a_file_with_a_secret_is_looked_for_beside_the_settings(folder: Path) -> None:
    (folder / "password").write_text("of a file beside\n")
    desk = desk_of(folder, "ssh_password: {file: password}\n", engine="local")
    login = build(desk).guest.login
    assert login is not None and login.password is not None
    assert desk.secrets.texts[login.password] == "of a file beside"


# The version


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "init.defaultBranch=main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **GIT}).stdout.strip()


def repository(folder: Path) -> None:
    git(folder, "init", "-q")
    write(folder / "file")
    git(folder, "add", "file")
    git(folder, "commit", "-qm", "first")


def test_the_version_of_a_repository(folder: Path) -> None:
    repository(folder)
    assert git_describe(folder) == git(folder, "rev-parse", "--short", "HEAD")
    git(folder, "tag", "-am", "1.0", "v1.0")
    assert git_describe(folder) == "v1.0"
    write(folder / "file", "changed")
    assert git_describe(folder) == "v1.0-dirty"
    git(folder, "commit", "-qam", "second")
    assert git_describe(folder) == f"v1.0-1-g{git(folder, 'rev-parse', '--short', 'HEAD')}"


def test_outside_of_a_repository_there_is_no_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_describe(folder) == git_describe(folder / "gone") == ""
    git(folder, "init", "-q")
    assert git_describe(folder) == ""  # nothing is committed
    repository(folder)
    monkeypatch.setenv("PATH", str(folder))
    assert git_describe(folder) == ""


def test_an_appliance_has_the_version_of_its_settings_repository(folder: Path) -> None:
    def version(choices: Choices, more: str = "") -> str:
        return (
            desk_of(folder, more, settings=APPLIANCE.replace("/var/lib", "pvc:out"))
            .plan_appliance(choices)
            .facts.version
        )

    assert version(Choices()) == ""
    repository(folder)
    git(folder, "tag", "-am", "1.0", "v1.0")
    assert version(Choices()) == "v1.0"
    assert version(Choices(version="v7")) == "v7"
    assert version(Choices(version="v7"), "build_version: v8\n") == "v8"


def test_names_of_a_bundle_are_told_apart_by_their_text_alone() -> None:
    assert Reference("ks").folder == Reference("ks", inside=True).folder != Reference("ks/").folder
