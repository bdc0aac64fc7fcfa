"""Builds Kubernetes, etcd and Argo into the cache folder, from Go modules whose checksums are pinned here.

The folder is ~/.cache/herasphere/lab/kube-<key>; the key is a hash of the pins and of this recipe.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.build import BuildFailed, Say, cache_folder
from tests.lab.cached import keep_newest, locked, run

HERE = Path(__file__).parent
PINS = {"argo": HERE.parent / "argo", "etcd": HERE / "etcd", "kubernetes": HERE / "kubernetes"}
KUBERNETES = ("kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
ARGO = ("workflow-controller", "argoexec", "argo")
ARGO_MODULE = "github.com/argoproj/argo-workflows/v4"
KEPT_BUILDS = 2


@dataclass(frozen=True)
class Programs:
    """What a build left in the cache."""

    folder: Path

    @property
    def bin(self) -> Path:
        """The folder with every program."""
        return self.folder / "bin"

    @property
    def argo_manifests(self) -> Path:
        """Argo's own manifests of an installation for the whole cluster, as one file."""
        return self.folder / "argo.yaml"

    @property
    def kubernetes_version(self) -> str:
        return version_of("kubernetes", "k8s.io/kubernetes")

    @property
    def argo_version(self) -> str:
        return version_of("argo", ARGO_MODULE)


def programs(say: Say = lambda text: print(text, file=sys.stderr)) -> Programs:
    """Return the programs, out of the cache or built now."""
    root = cache_folder()
    built = Programs(root / f"kube-{_key()}")
    with locked(root / "kube.lock"):
        if built.folder.exists():
            os.utime(built.folder)
            return built
        if shutil.which("go") is None:
            raise BuildFailed("Kubernetes cannot be built here, missing: go (package golang-go, 1.24 or newer)")
        say(f"building Kubernetes, etcd and Argo into {built.folder} (once; ten minutes, with downloads more)")
        with tempfile.TemporaryDirectory(dir=root, prefix="building-") as work:
            result = Programs(Path(work) / "result")
            result.bin.mkdir(parents=True)
            _build_kubernetes(result, say)
            _build_etcd(result, say)
            _build_argo(result, Path(work), say)
            result.folder.rename(built.folder)
        keep_newest(root, "kube-*/", KEPT_BUILDS)
    return built


def version_of(pins: str, module: str) -> str:
    """The version of this module that is pinned."""
    for line in (PINS[pins] / "go.mod").read_text().splitlines():
        words = line.removeprefix("require").split()
        if words[:1] == [module]:
            return words[1]
    raise BuildFailed(f"{PINS[pins] / 'go.mod'} does not require {module}")


def _key() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for _, folder in sorted(PINS.items()):
        digest.update((folder / "go.mod").read_bytes() + (folder / "go.sum").read_bytes())
    return digest.hexdigest()[:16]


def _build_kubernetes(result: Programs, say: Say) -> None:
    version = result.kubernetes_version
    major, minor = version.removeprefix("v").split(".")[:2]
    told = "k8s.io/component-base/version"
    flags = f"-X {told}.gitVersion={version} -X {told}.gitMajor={major} -X {told}.gitMinor={minor}"
    for name in KUBERNETES:
        say(f"  {name} {version}")
        _go_build(PINS["kubernetes"], f"k8s.io/kubernetes/cmd/{name}", result.bin / name, "-mod=readonly", flags)


def _build_etcd(result: Programs, say: Say) -> None:
    module = "go.etcd.io/etcd/server/v3"
    say(f"  etcd {version_of('etcd', module)}")
    _go_build(PINS["etcd"], module, result.bin / "etcd", "-mod=readonly")


def _build_argo(result: Programs, work: Path, say: Say) -> None:
    """Argo's programs and its manifests.

    A module's archive holds neither symbolic links nor the built web page, so the sources are copied and completed.
    """
    folder = work / "argo"
    shutil.copytree(PINS["argo"], folder)
    # -e: the web page that is missing is no reason to stop
    subprocess.run(["go", "mod", "vendor", "-e"], cwd=folder, capture_output=True, check=False)
    source = folder / "vendor" / ARGO_MODULE
    signals = source / "workflow" / "executor" / "osspecific"
    if not signals.exists():
        raise BuildFailed(f"go mod vendor did not bring {ARGO_MODULE}: run it in {PINS['argo']} to see why")
    shutil.copyfile(signals / "signal_darwin.go", signals / "signal_linux.go")  # a symbolic link upstream
    page = source / "ui" / "dist" / "app" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<!doctype html><title>Argo</title><p>The lab's Argo server has its API alone, no web page.\n")
    for name in ARGO:
        say(f"  {name} {result.argo_version}")
        flags = f"-X {ARGO_MODULE}.version={result.argo_version}"
        _go_build(folder, f"{ARGO_MODULE}/cmd/{name}", result.bin / name, "-mod=vendor", flags)
    told = run(["go", "mod", "download", "-json", f"{ARGO_MODULE}@{result.argo_version}"], cwd=PINS["argo"])
    manifests = Path(json.loads(told)["Dir"]) / "manifests" / "cluster-install"
    result.argo_manifests.write_text(run([str(result.bin / "kubectl"), "kustomize", str(manifests)]))


def _go_build(folder: Path, package: str, output: Path, modules: str, flags: str = "") -> None:
    environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    command = ["go", "build", modules, "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(output), package]
    run(command, cwd=folder, env=environment)
