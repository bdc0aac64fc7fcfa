"""A spliced view is a sound image in other people's eyes, and differs from its source only where it should."""

import io
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pycdlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.domain.errors import HerasphereError, Unsupported, VerifyFailed
from steps.domain.iso import IsoImage, inspect
from steps.domain.splice import (
    GAP_BYTES,
    SLOT_BYTES,
    TAIL_BYTES,
    Splice,
    SplicedImage,
    Template,
    make_template,
    materialize,
    with_kickstart,
)
from tests.unit.domain.isos import BOOT_CFG, esxi_tree, genisoimage

KICKSTART = b"vmaccepteula\nreboot\n"
# 34 bytes a record and more with Rock Ridge: somewhere in 5 to 40 files the root directory just fills its sector
OPTIONS: dict[str, tuple[str, ...]] = {"plain": (), "joliet": ("-J",), "rock-ridge": ("-R",), "both": ("-J", "-R")}
SHAPES = {f"{name}-{files}": (OPTIONS[name], files) for name in OPTIONS for files in (5, 14, 38, 300)}


def view_of(source: Path, folder: Path, kickstart: bytes = KICKSTART) -> Path:
    """The spliced view written as a file."""
    out = folder / "view.iso"
    with source.open("rb") as file, out.open("w+b") as target:
        materialize(make_template(file).view(kickstart), file, target)
    return out


def contents(path: Path, tree: str) -> dict[str, bytes]:
    """Every file of one tree, as pycdlib reads it."""
    image = pycdlib.PyCdlib()
    image.open(str(path))
    found: dict[str, bytes] = {}
    for folder, _, names in image.walk(**{f"{tree}_path": "/"}):
        for name in names:
            full = f"{folder.rstrip('/')}/{name}"
            data = io.BytesIO()
            image.get_file_from_iso_fp(data, **{f"{tree}_path": full})
            found[full.split(";")[0].rstrip(".")] = data.getvalue()
    image.close()
    return found


@pytest.fixture(params=SHAPES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[str]]:
    options, files = SHAPES[request.param]
    esxi_tree(tmp_path / "tree", files=files)
    trees = ["iso", *(["joliet"] if "-J" in options else []), *(["rr"] if "-R" in options else [])]
    return genisoimage(tmp_path / "tree", tmp_path / "source.iso", *options), trees


def test_another_reader_sees_every_old_file_and_the_new_one(source: tuple[Path, list[str]], tmp_path: Path) -> None:
    iso, trees = source
    view = view_of(iso, tmp_path)
    for tree in trees:
        before, after = contents(iso, tree), contents(view, tree)
        assert after.pop("/KS.CFG").rstrip(b"\n") + b"\n" == KICKSTART
        for name in ("/BOOT.CFG", "/EFI/BOOT/BOOT.CFG"):
            text = after.pop(name).decode()
            assert "kernelopt=runweasel cdromBoot ks=cdrom:/KS.CFG\n" in text
            assert text == with_kickstart(before.pop(name).decode())
        assert after == before, tree


def test_xorriso_finds_the_files_and_both_boot_images(source: tuple[Path, list[str]], tmp_path: Path) -> None:
    if shutil.which("xorriso") is None:
        pytest.skip("xorriso is not installed (package xorriso)")
    iso, _ = source
    view = view_of(iso, tmp_path)

    def xorriso(path: Path, *command: str) -> str:
        done = subprocess.run(["xorriso", "-indev", str(path), *command], capture_output=True, text=True, check=True)
        assert "FAILURE" not in done.stderr and "SORRY" not in done.stderr, done.stderr
        return done.stdout

    files = set(xorriso(view, "-find", "/", "-type", "f").split())
    assert files == set(xorriso(iso, "-find", "/", "-type", "f").split()) | {"'/KS.CFG'"}
    report = ("-report_el_torito", "plain")
    assert xorriso(view, *report) == xorriso(iso, *report)


def test_isoinfo_lists_it_in_every_tree(source: tuple[Path, list[str]], tmp_path: Path) -> None:
    isoinfo = shutil.which("isoinfo")
    if isoinfo is None:
        pytest.skip("isoinfo is not installed (package genisoimage)")
    iso, trees = source
    view = view_of(iso, tmp_path)
    for flag in ["", *(["-J"] if "joliet" in trees else []), *(["-R"] if "rr" in trees else [])]:
        listing = subprocess.run(
            [isoinfo, *([flag] if flag else []), "-f", "-i", str(view)], capture_output=True, text=True, check=True
        )
        assert any(line.startswith("/KS.CFG") for line in listing.stdout.split()), flag


def test_a_view_of_a_view_is_the_same(source: tuple[Path, list[str]], tmp_path: Path) -> None:
    iso, trees = source
    first = view_of(iso, tmp_path)
    (tmp_path / "again").mkdir()
    second = view_of(first, tmp_path / "again", b"other\n")
    assert contents(second, trees[0])["/KS.CFG"].startswith(b"other\n")
    assert contents(second, trees[0])["/BOOT.CFG"] == contents(first, trees[0])["/BOOT.CFG"]


class Small(NamedTuple):
    """An image, its template, and the view of KICKSTART written out."""

    iso: bytes
    template: Template
    whole: bytes


@cache  # no fixture: hypothesis prints what a test is given, and this is large
def small() -> Small:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        esxi_tree(folder / "tree", files=20)
        iso = genisoimage(folder / "tree", folder / "source.iso", "-J", "-R")
        with iso.open("rb") as file:
            template = make_template(file)
        return Small(iso.read_bytes(), template, view_of(iso, folder).read_bytes())


def test_template_survives_json() -> None:
    template = small().template
    assert Template.model_validate_json(template.model_dump_json()) == template


def test_template_and_view_are_small() -> None:
    overhead = sum(len(splice.data) for splice in small().template.image.splices)
    assert overhead < 32 * 1024
    assert len(small().whole) - len(small().iso) < 2 * GAP_BYTES + TAIL_BYTES + 2 * SLOT_BYTES + 32 * 1024


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_any_range_is_that_part_of_the_whole(one: float, other: float) -> None:
    view = small().template.view(KICKSTART)
    start, stop = sorted((int(one * view.size_bytes), int(other * view.size_bytes)))
    source = small().iso
    parts = [
        segment if isinstance(segment, bytes) else source[segment[1] : segment[1] + segment[2]]
        for segment in view.segments(start, stop)
    ]
    assert all(parts)
    assert b"".join(parts) == small().whole[start:stop]


def test_a_kickstart_that_does_not_fit_is_refused() -> None:
    small().template.view(b"x" * SLOT_BYTES)
    with pytest.raises(Unsupported, match="its slot 65536"):
        small().template.view(b"x" * (SLOT_BYTES + 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("kernelopt=runweasel\n", "kernelopt=runweasel ks=cdrom:/KS.CFG\n"),
        (
            "a=b\r\nkernelopt=cdromBoot runweasel\r\nz=1\r\n",
            "a=b\r\nkernelopt=cdromBoot runweasel ks=cdrom:/KS.CFG\r\nz=1\r\n",
        ),
        ("kernelopt=\n", "kernelopt=ks=cdrom:/KS.CFG\n"),
        ("kernelopt=ks=http://x/ks runweasel\n", "kernelopt=runweasel ks=cdrom:/KS.CFG\n"),
        ("kernelopt=runweasel ks=cdrom:/KS.CFG\n", "kernelopt=runweasel ks=cdrom:/KS.CFG\n"),
        ("kernelopt=runweasel", "kernelopt=runweasel ks=cdrom:/KS.CFG"),
    ],
)
def test_kernelopt_keeps_its_tokens(before: str, after: str) -> None:
    assert with_kickstart(before) == after


def test_inspect_tells_version_build_and_firmware() -> None:
    facts = inspect(io.BytesIO(small().iso))
    assert (facts.version, facts.build, facts.boots_bios, facts.boots_uefi) == ("8.0.3", "24022510", True, True)
    assert facts.kernelopt == dict.fromkeys(("BOOT.CFG", "EFI/BOOT/BOOT.CFG"), "runweasel cdromBoot")


@pytest.mark.parametrize(
    ("build", "version", "number"),
    [
        ("7.0.3-0.35.19482537", "7.0.3", "19482537"),
        ("6.7.0-3.89.15160138", "6.7.0", "15160138"),
        ("9.0.0-24755229", "9.0.0", "24755229"),
    ],
)
def test_builds_of_all_releases_are_understood(build: str, version: str, number: str, tmp_path: Path) -> None:
    esxi_tree(tmp_path / "tree", boot_cfg=BOOT_CFG.replace("8.0.3-0.0.24022510", build))
    with genisoimage(tmp_path / "tree", tmp_path / "x.iso").open("rb") as file:
        facts = inspect(file)
    assert (facts.version, facts.build) == (version, number)


def test_an_image_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "README").write_text("no ESXi")
    subprocess.run(
        ["genisoimage", "-quiet", "-o", tmp_path / "x.iso", tmp_path / "tree"], check=True, capture_output=True
    )
    with (tmp_path / "x.iso").open("rb") as file, pytest.raises(VerifyFailed, match=r"no BOOT\.CFG"):
        inspect(file)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_image_is_an_error_or_an_image_never_a_crash(data: st.DataObject) -> None:
    damaged = bytearray(small().iso)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(16 * 2048, 40 * 2048))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(damaged), len(damaged), 0, 100, 16 * 2048, 17 * 2048, 60 * 2048]))
    file = io.BytesIO(bytes(damaged[:cut]))
    for read in (inspect, make_template, IsoImage):
        try:
            read(file)
        except HerasphereError as error:
            assert error.hint


def test_segments_outside_the_view_are_a_mistake_of_the_caller() -> None:
    view = SplicedImage(size_bytes=4, splices=(Splice(offset=0, data=b"QUJDRA=="),))
    assert list(view.segments(1, 3)) == [b"BC"]
    with pytest.raises(ValueError, match="outside"):
        list(view.segments(0, 5))
