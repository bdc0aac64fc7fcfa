"""mtools and fsck.fat read the floppy: every file under its name, and no fault in it."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.domain.errors import Unsupported
from steps.domain.image.floppy import CLUSTERS, ROOT_ENTRIES, SECTOR, floppy
from tests.unit.domain.image import fat

ROOM = CLUSTERS * SECTOR
IMAGE = "test.flp"
name_characters = st.sampled_from("aAbB019-_.~+ é日")
names = st.text(name_characters, min_size=1, max_size=40).filter(lambda name: name.strip(". ") == name)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
contents = st.binary(max_size=40) | st.integers(0, 3 * SECTOR).map(lambda size: pattern(size))


def pattern(size: int) -> bytes:
    """Bytes of which no two sectors are the same."""
    return hashlib.shake_128(str(size).encode()).digest(size)


def tool(name: str, package: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[bytes]":
    """What the tool says of the image in this folder."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (package {package})")
    command = [name, *options]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=folder, capture_output=True, env=environment, stdin=subprocess.DEVNULL)


def mtool(folder: Path, name: str, *options: str) -> bytes:
    done = tool(name, "mtools", folder, "-i", IMAGE, *options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout


def checked(folder: Path, files: Mapping[str, bytes], label: str = "") -> bytes:
    """The image, written into this folder, in which fsck.fat finds as many files and folders as there are."""
    image = floppy(files, label)
    assert len(image) == 1440 * 1024
    assert image[SECTOR : 10 * SECTOR] == image[10 * SECTOR : 19 * SECTOR]  # both FATs
    (folder / IMAGE).write_bytes(image)
    done = tool("fsck.fat", "dosfstools", folder, "-n", IMAGE)
    assert done.returncode == 0, done.stdout.decode()
    folders = {above for path in files for above in Path(path).parents}
    told = len(files) + len(folders - {Path()}) + bool(label)
    assert f"{IMAGE}: {told} files, " in done.stdout.decode()
    return image


def copied(folder: Path) -> dict[str, bytes]:
    """Every file, as mcopy brings it over."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        mtool(folder, "mcopy", "-s", "::/", name)
        return {
            path.relative_to(name).as_posix(): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()
        }


FILES = {
    "ks.cfg": b"text\n",
    "empty": b"",
    "one sector": pattern(SECTOR),
    "many clusters": pattern(700 * SECTOR + 1),
    "a.b.c.tar.gz": b"dots",
    ".hidden": b"a dot first",
    "A rather long name, with capitals And spaces.conf": b"long",
    "exactly-26-characters.conf": b"two entries without an end",
    "größe-日本.cfg": b"not ASCII",
    "one/two/three/four.txt": b"nested",
    "one/two/beside.txt": b"nested less",
    "one/empty": b"",
    **{f"full/{number:03} of a hundred": str(number).encode() for number in range(100)},
}


ONES = [path for path in FILES if not path.startswith("full/")]


@pytest.mark.parametrize("path", ONES)
def test_a_file_by_itself(path: str, tmp_path: Path) -> None:
    image = checked(tmp_path, {path: FILES[path]})
    assert fat.read(image) == {path: FILES[path]}
    assert mtool(tmp_path, "mtype", f"::/{path}") == FILES[path]


def test_all_of_them_at_once_with_a_folder_of_many_clusters(tmp_path: Path) -> None:
    image = checked(tmp_path, FILES)
    assert copied(tmp_path) == FILES == fat.read(image)


def is_for_readers_that_know_no_capitals(files: Mapping[str, bytes]) -> bool:
    """Whether no two names of a folder are one to them."""
    folders = {str(above) for path in files for above in Path(path).parents}
    return len({path.upper() for path in (*files, *folders)}) == len(files) + len(folders)


@settings(max_examples=60)
@given(files=st.dictionaries(paths, contents, max_size=12).filter(is_for_readers_that_know_no_capitals))
def test_whatever_is_written_comes_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        checked(Path(name), files)
        assert copied(Path(name)) == files
        for path, content in files.items():  # and not another one whose short name this is
            assert mtool(Path(name), "mtype", f"::/{path}") == content


def short_names(image: bytes) -> list[str]:
    """Of the files in the root, in the order of their entries."""
    entries = [image[start : start + 32] for start in range(fat.ROOT * SECTOR, fat.DATA * SECTOR, 32)]
    names = [entry[:11].decode() for entry in entries if entry[0] and entry[11] != fat.LONG_NAME]
    return [f"{name[:8].rstrip()}.{name[8:].rstrip()}".rstrip(".") for name in names]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["longfile-one.txt", "longfile-two.txt"], ["LONGFI~1.TXT", "LONGFI~2.TXT"]),
        (["page.htm", "page.html"], ["PAGE.HTM", "PAGE~1.HTM"]),
        (["a+b", "a_b"], ["A_B~1", "A_B"]),
        (["a b.cfg", "a_b~1.cfg"], ["A_B~2.CFG", "A_B~1.CFG"]),
        (["ä.cfg", "ö.cfg"], ["_~1.CFG", "_~2.CFG"]),
        ([f"longfile-{number:02}" for number in range(11)], [f"LONGFI~{number}" for number in range(1, 10)]),
    ],
    ids=lambda names: names[0],
)
def test_names_that_are_one_in_eight_characters_and_three(names: list[str], short: list[str], tmp_path: Path) -> None:
    image = checked(tmp_path, {name: name.encode() for name in names})
    made = short_names(image)
    assert made[: len(short)] == short and len(set(made)) == len(names)
    for name in names:
        assert mtool(tmp_path, "mtype", f"::/{name}") == name.encode()
    for name, told in zip(names, short, strict=False):
        assert mtool(tmp_path, "mtype", f"::/{told}") == name.encode()


@pytest.mark.parametrize("short", [6, 7, 8])
@pytest.mark.parametrize("name", ["", "fourteen_chars"])
def test_a_folder_around_the_end_of_its_cluster(short: int, name: str, tmp_path: Path) -> None:
    """Sixteen entries fill it: two of its own, two for each short name, three for the other one."""
    files = {f"folder/{number}": b"x" for number in range(short)} | ({f"folder/{name}": b"y"} if name else {})
    checked(tmp_path, files | {"next/file": b"z"})
    assert copied(tmp_path) == files | {"next/file": b"z"}


@pytest.mark.parametrize("name", ["KS.CFG", "ks.cfg", "Ks.Cfg"])
def test_who_reads_no_long_names_finds_a_kickstart_by_its_own(name: str) -> None:
    root = floppy({name: b"text"})[fat.ROOT * SECTOR :]
    long_name, entry = root[:32], root[32:64]
    assert long_name[11] == fat.LONG_NAME and entry[:11] == b"KS      CFG"


def test_names_outside_of_the_first_plane_take_two_places_a_character(tmp_path: Path) -> None:
    files = {f"folder/{'😀' * 15}{number}": str(number).encode() for number in range(9)} | {"next/file": pattern(600)}
    assert fat.read(checked(tmp_path, files)) == files


def test_the_longest_name_that_there_is(tmp_path: Path) -> None:
    files = {"x" * 255: b"root", f"folder/{'y' * 255}": b"below"}
    checked(tmp_path, files)
    assert copied(tmp_path) == files


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["KS.cfg", "ks.cfg"], "both 'KS.cfg' and 'ks.cfg'"),
        (["a/b/Größe", "a/b/GRÖSSE", "a/b/GRÖẞE"], "both 'GRÖSSE' and 'Größe'"),
        (["Folder/a", "folder/b"], "both 'Folder' and 'folder'"),
        (["a", "a/b"], "both 'a' and 'a'"),
    ],
)
def test_two_names_that_are_one_to_a_reader(files: list[str], told: str) -> None:
    with pytest.raises(Unsupported, match=told) as caught:
        floppy(dict.fromkeys(files, b""))
    assert caught.value.where == "floppy"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("OEMDRV", "OEMDRV"),
        ("my label", "MY LABEL"),
        ("eleven-char", "ELEVEN-CHAR"),
        ("twelve-chars", "TWELVE-CHAR"),
        ("a?b.é", "A_B__"),
        (" x ", "X"),
    ],
)
def test_a_label_stands_in_the_root_and_in_the_boot_sector(label: str, shown: str, tmp_path: Path) -> None:
    checked(tmp_path, {"ks.cfg": b"text"}, label)
    assert mtool(tmp_path, "mlabel", "-s", "::").decode().strip() == f"Volume label is {shown}"
    assert f'disk label="{shown:11}"' in mtool(tmp_path, "minfo", "::").decode()


@pytest.mark.parametrize("label", ["", "  "])
def test_without_a_label_it_has_no_name(label: str, tmp_path: Path) -> None:
    image = floppy({"ks.cfg": b"text"}, label)
    (tmp_path / IMAGE).write_bytes(image)
    assert b"has no label" in mtool(tmp_path, "mlabel", "-s", "::")
    assert image[43:54] == b"NO NAME    "


def test_it_is_a_floppy_as_mformat_makes_one(tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    peer = tmp_path / "peer" / IMAGE
    peer.write_bytes(bytes(1440 * 1024))
    mtool(peer.parent, "mformat", "-f", "1440", "-N", "20200101", "::")
    (tmp_path / IMAGE).write_bytes(floppy({}))
    told = [mtool(folder, "minfo", "::").decode().splitlines() for folder in (tmp_path, peer.parent)]
    own, other = ({line for line in lines if not line.startswith(("banner", "disk label"))} for lines in told)
    assert own == other and "sectors per fat: 9" in own


def test_a_full_root(tmp_path: Path) -> None:
    """A name of eight characters takes two of its places, and the label one."""
    files = {f"{number:08}": b"x" for number in range(ROOT_ENTRIES // 2)}
    checked(tmp_path, files)
    assert copied(tmp_path) == files
    with pytest.raises(Unsupported, match="too many files for a floppy's root") as caught:
        floppy(files, label="one more")
    assert "floppy_dirs" in caught.value.hint
    with pytest.raises(Unsupported, match="too many files for a floppy's root"):
        floppy(files | {"another": b""})
    checked(tmp_path, {f"folder/{name}": content for name, content in files.items()} | {"another": b""})


@pytest.mark.parametrize(
    "files",
    [{"one": ROOM}, {"one": ROOM - SECTOR, "two": 1}, {"folder/one": ROOM - SECTOR}],
    ids=["one file", "two files", "a folder takes a sector"],
)
def test_a_full_floppy(files: dict[str, int], tmp_path: Path) -> None:
    whole = {path: pattern(size) for path, size in files.items()}
    image = checked(tmp_path, whole)
    assert copied(tmp_path) == whole and image[-SECTOR:] != bytes(SECTOR)
    with pytest.raises(Unsupported, match=f"do not fit on a floppy of {ROOM} bytes") as caught:
        floppy(whole | {"zz": b"x"})
    assert "cd_files" in caught.value.hint


def test_the_same_files_make_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = floppy(FILES, "label")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert floppy(dict(reversed(FILES.items())), "label") == made
    assert floppy({f"/{path}": content for path, content in FILES.items()}, "label") == made
    assert floppy(FILES | {"ks.cfg": b"other"}, "label") != made
