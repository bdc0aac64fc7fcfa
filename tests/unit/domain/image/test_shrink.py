"""What the script does about k3s, run by a real shell with a k3s of its own, and what is read out of its lines."""

import os
import subprocess
from pathlib import Path

import pytest

from steps.domain.image.shrink import K3S, SCRIPT, Shrunk

BLOBS = "agent/containerd/io.containerd.content.v1.content/blobs/sha256"


def run(folder: Path, *programs: str) -> list[str]:
    """What is said by the script's part about k3s, where only these programs are of k3s; each says that it ran."""
    (folder / "bin").mkdir()
    for name in programs:
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/ran\n')
        program.chmod(0o755)
    env = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "K3S_DATA": str(folder / "k3s")}
    done = subprocess.run(["sh", "-u"], input=K3S, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    ran = folder / "ran"
    return done.stdout.splitlines() + (ran.read_text().splitlines() if ran.exists() else [])


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    """A layer of two MiB, and a manifest."""
    folder = tmp_path / "k3s" / BLOBS
    folder.mkdir(parents=True)
    (folder / "layer").write_bytes(os.urandom(2 << 20))
    (folder / "manifest").write_bytes(b"{}")
    return folder


def test_a_guest_without_k3s_is_left_as_it_is(tmp_path: Path, blobs: Path) -> None:
    assert run(tmp_path, "systemctl") == []
    assert (blobs / "layer").exists()


@pytest.mark.parametrize(
    ("programs", "stopped"),
    [(("k3s", "systemctl"), "systemctl stop k3s"), (("k3s", "k3s-killall.sh", "systemctl"), "k3s-killall.sh ")],
)
def test_k3s_is_stopped_before_layers_that_are_unpacked_go(
    tmp_path: Path, blobs: Path, programs: tuple[str, ...], stopped: str
) -> None:
    assert run(tmp_path, *programs) == ["stopping k3s", stopped]
    assert [path.name for path in blobs.iterdir()] == ["manifest"]


def test_k3s_without_images(tmp_path: Path) -> None:
    assert run(tmp_path, "k3s", "systemctl")[0] == "stopping k3s"


def test_the_script_is_one_that_sh_reads() -> None:
    subprocess.run(["sh", "-n"], input=SCRIPT, check=True)
    assert b"\nused before\n" in SCRIPT and SCRIPT.endswith(b"\nused after\n")


def test_what_it_tells_is_read() -> None:
    shrunk = Shrunk()
    for line in ("used before: 3145728 KiB", "zeroing the free space of /", "used after: 2097152 KiB"):
        assert "MiB" not in str(shrunk)
        shrunk.take(line)
    assert str(shrunk) == "3072 MiB were used, 2048 are; the rest of the disks is zeros"
