"""isoinfo and blkid read the CD: in each of its three trees every file, with its content."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.domain.errors import Unsupported
from steps.domain.image.cd import cd

FILES = {
    "ks.cfg": b"text\n",
    "empty": b"",
    "a sector and a byte": bytes(range(256)) * 8 + b"x",
    "A rather long name, with capitals And spaces.conf.j2": b"long",
    f"{'x' * 60}.cfg": b"as long as Joliet has them",
    "größe-日本.cfg": b"not ASCII",
    ".hidden": b"a dot first",
    "one/two/three/four.txt": b"nested",
    "one/two/beside.txt": b"nested less",
    "one.d/ks.cfg": b"another folder's",
}
DEEP = {"a/b/c/d/e/f/g/h/i/j/ks.cfg": b"deeper than ISO 9660 goes"}
names = st.text(st.sampled_from("abAB01-_.+ é"), min_size=1, max_size=40).filter(lambda name: name.strip(". ") == name)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def isoinfo(folder: Path, *options: str | bytes) -> bytes:
    if shutil.which("isoinfo") is None:
        pytest.skip("isoinfo is not installed (package genisoimage)")
    done = subprocess.run(["isoinfo", "-i", "test.iso", *options], cwd=folder, capture_output=True, check=True)
    return done.stdout


def shown(path: str, tree: str) -> bytes:
    """As isoinfo has it: of Joliet's names it knows Latin characters alone."""
    return path.encode() if tree == "-R" else path.encode("latin-1", "replace").replace(b"?", b"_")


def listed(folder: Path, *tree: str) -> list[bytes]:
    return sorted(path.removeprefix(b"/") for path in isoinfo(folder, *tree, "-f").splitlines())


def everything(files: dict[str, bytes], tree: str) -> list[bytes]:
    """Files and folders, as listed."""
    return sorted(shown(path, tree) for path in {*files, *folders(files)})


def content(folder: Path, path: str, tree: str) -> bytes:
    return isoinfo(folder, tree, "-x", b"/" + shown(path, tree))


def written(folder: Path, files: dict[str, bytes], label: str = "OEMDRV") -> None:
    (folder / "test.iso").write_bytes(cd(files, label))


def folders(files: dict[str, bytes]) -> set[str]:
    return {str(above) for path in files for above in list(Path(path).parents)[:-1]}


@pytest.mark.parametrize("tree", ["-R", "-J"], ids=["Rock Ridge", "Joliet"])
@pytest.mark.parametrize("path", FILES)
def test_files_are_read_under_their_names(path: str, tree: str, tmp_path: Path) -> None:
    written(tmp_path, FILES)
    assert listed(tmp_path, tree) == everything(FILES, tree)
    assert content(tmp_path, path, tree) == FILES[path]


@settings(max_examples=40)
@given(
    files=st.dictionaries(paths, st.binary(max_size=40), max_size=8).filter(
        lambda files: not files.keys() & folders(files)
    )
)
def test_whatever_is_written_comes_back(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cd")
    written(folder, files)
    for tree in ("-R", "-J"):
        assert listed(folder, tree) == everything(files, tree)
        assert {path: content(folder, path, tree) for path in files} == files


def test_readers_of_iso_9660_alone_see_each_name_once_in_its_folder(tmp_path: Path) -> None:
    files = [
        "KS.CFG",
        "ks.cfg",
        "ks-a.cfg",
        "ks+a.cfg",
        f"{'x' * 30}1.conf",
        f"{'x' * 30}2.conf",
        "x.d/ks.cfg",
        "x+d/y",
    ]
    written(tmp_path, {path: path.encode() for path in files})
    told = [
        "KS.CFG;1", "KS_2.CFG;1", "KS_A.CFG;1", "KS_A_2.CFG;1", "X_D/Y.;1", "X_D_2/KS.CFG;1",
        f"{'X' * 20}.CON;1", f"{'X' * 15}_2.CON;1",
    ]  # fmt: skip
    assert listed(tmp_path) == sorted(path.encode() for path in [*told, "X_D", "X_D_2"])
    assert {isoinfo(tmp_path, "-x", f"/{path}").decode() for path in told} == set(files)


def test_folders_deeper_than_iso_9660_has_them(tmp_path: Path) -> None:
    written(tmp_path, DEEP)
    (path,) = DEEP
    assert content(tmp_path, path, "-J") == DEEP[path]
    assert listed(tmp_path, "-J") == everything(DEEP, "-J")


@pytest.mark.parametrize(
    "label", ["OEMDRV", "cidata", "sixteen-letters.", "one more than 16.", "thirty-two characters, as many.."]
)
def test_a_label_as_others_read_it(label: str, tmp_path: Path) -> None:
    written(tmp_path, FILES, label)
    assert f"Volume id: {label}\n" in isoinfo(tmp_path, "-d").decode()
    if shutil.which("blkid") is None:
        pytest.skip("blkid is not installed (package util-linux)")
    command = ["blkid", "-p", "-o", "value", "-s", "LABEL", "test.iso"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == f"{label}\n"


def test_joliet_has_names_that_are_not_latin() -> None:
    assert "größe-日本.cfg".encode("utf-16-be") in cd(FILES, "OEMDRV")


def test_there_is_joliet_and_rock_ridge(tmp_path: Path) -> None:
    written(tmp_path, FILES)
    told = isoinfo(tmp_path, "-d").decode()
    assert "Joliet with UCS level 3 found" in told and "Rock Ridge signatures version 1 found" in told


@pytest.mark.parametrize("label", ["größe", "x" * 33])
def test_a_label_that_none_can_have(label: str) -> None:
    with pytest.raises(Unsupported, match="no CD can be called") as caught:
        cd(FILES, label)
    assert caught.value.where == "cd_label"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["good", "x" * 65], f"no CD can have {'x' * 65}: Joliet names can be a maximum of 64"),
        (["good", f"{'x' * 65}/y"], f"no CD can have {'x' * 65}/y: "),
        (["a", "a/b"], "no CD can have a/b: .*duplicate"),
    ],
)
def test_files_that_none_can_have_are_named(files: list[str], told: str) -> None:
    with pytest.raises(Unsupported, match=told) as caught:
        cd(dict.fromkeys(files, b""), "OEMDRV")
    assert caught.value.where == "cd_files"


def test_but_for_its_dates_the_same_files_make_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1.6e9)
    made = cd(FILES, "label")
    assert cd(dict(reversed(FILES.items())), "label") == made
    assert cd({f"/{path}": content for path, content in FILES.items()}, "label") == made
    assert cd(FILES | {"ks.cfg": b"other"}, "label") != made
