"""python -m tests.lab: build, bring up and take down the simulated site."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.lab.build import BuildFailed, build
from tests.lab.cached import locked
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.layout import DEFAULT_FOLDER as CLUSTER_FOLDER
from tests.lab.kube.processes import ClusterFailed
from tests.lab.network import LabNetwork, NetworkRefused
from tests.lab.packages import CLUSTER_PACKAGES, SITE_PACKAGES, install
from tests.lab.site import Site, SiteFailed
from tests.lab.spec import default_servers
from tests.lab.virtualcd import MachineError

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "herasphere-lab"


def main() -> int:
    options = _parser().parse_args()
    try:
        return int(options.run(options))
    except (BuildFailed, ClusterFailed, NetworkRefused, SiteFailed, MachineError) as error:
        print(f"tests.lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("packages", help="print the Debian packages the lab needs")
    command.add_argument("--install", action="store_true", help="install those that are missing")
    command.add_argument("--if-allowed", action="store_true", help="say so, and go on, where that is not allowed")
    command.add_argument("--site", action="store_true", help="those of the simulated site and the runner image")
    command.add_argument("--cluster", action="store_true", help="those of the cluster")
    command.set_defaults(run=_packages)
    command = commands.add_parser("build", help="build the ESXi stand-in's ISO into the cache")
    command.set_defaults(run=_build)
    command = commands.add_parser("demo", help="install two servers, end to end")
    command.set_defaults(run=_demo)
    command = commands.add_parser("up", help="start servers with BMCs, and write a host table for them")
    command.add_argument("--servers", type=int, default=2, choices=range(1, 21), metavar="N", help="1 to 20, default 2")
    command.add_argument("--name", default=LabNetwork.name, help="of the network namespace (default %(default)s)")
    command.add_argument("--subnet", default=LabNetwork.subnet, help="a free /24 (default %(default)s)")
    command.add_argument("--no-dhcp", action="store_true", help="no addresses for installers: no call-backs arrive")
    command.set_defaults(run=_up)
    _add_folder(command)
    for name, function, text in (("down", _down, "stop it, leaving nothing behind"), ("status", _status, "what runs")):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=function)
        _add_folder(command)
    command = commands.add_parser("cluster", help="Kubernetes with Argo on this machine")
    command.add_argument("action", choices=("up", "down", "status"))
    command.add_argument("--requeue", default="1s", help="Argo's DEFAULT_REQUEUE_TIME (default %(default)s)")
    command.add_argument("--dir", type=Path, default=CLUSTER_FOLDER, help="its folder (default %(default)s)")
    command.set_defaults(run=_cluster)
    return parser


def _add_folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="the site's folder (default %(default)s)")


def _packages(options: argparse.Namespace) -> int:
    everything = options.site == options.cluster
    wanted = [
        *(SITE_PACKAGES if everything or options.site else ()),
        *(CLUSTER_PACKAGES if everything or options.cluster else ()),
    ]
    if not options.install:
        print("\n".join(dict.fromkeys(wanted)))
        return 0
    return 0 if install(wanted, say=_say, ask=not options.if_allowed) or options.if_allowed else 1


def _demo(_options: argparse.Namespace) -> int:
    from tests.lab import demo

    return demo.run()


def _build(options: argparse.Namespace) -> int:
    print(build().iso)
    return 0


def _up(options: argparse.Namespace) -> int:
    network = LabNetwork(options.name, options.subnet)
    site = Site(options.dir, default_servers(options.servers), network=network, dhcp=not options.no_dhcp, say=_say)
    site.up()
    print(site.host_table)
    return 0


def _down(options: argparse.Namespace) -> int:
    Site.take_down(options.dir, say=_say)
    return 0


def _status(options: argparse.Namespace) -> int:
    site = Site.of_folder(options.dir, say=_say)
    if site is None:
        print(f"no site is up in {options.dir}")
        return 1
    for name, address, answers in site.status():
        print(f"{name}  BMC https://{address}  {'answers' if answers else 'does not answer'}")
    print(f"host table {site.host_table}")
    return 0


def _cluster(options: argparse.Namespace) -> int:
    cluster = Cluster(options.dir, say=_say, requeue=options.requeue)
    if options.action == "status":
        for name, runs in cluster.status():
            print(f"{name}  {'runs' if runs else 'does not run'}")
        up = cluster.is_up
        print(f"KUBECONFIG={cluster.kubeconfig}" if up else f"no cluster is up in {options.dir}")
        return 0 if up else 1
    with locked(cluster.layout.lock):
        if options.action == "down":
            cluster.down()
        else:
            cluster.up()
            print(cluster.kubeconfig)
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
