"""What Argo does by itself and what people press in its UI: no host is installed twice, nothing stays mounted."""

import json
import subprocess
from pathlib import Path

import pytest

from steps.domain.wait import wait_until
from tests.e2e.cluster.running import (
    INSTALLING,
    NAMESPACE,
    ask,
    installing,
    phase_of,
    submit,
    told,
    until_told,
    watch,
)
from tests.e2e.hera import hera
from tests.e2e.test_install_inprocess import assert_left_clean
from tests.lab.inprocess.options import Faults
from tests.lab.inprocess.site import InProcessSite, Wanted
from tests.lab.kube.cluster import Cluster
from tests.lab.kube.fixture import why_not
from tests.lab.kube.processes import ClusterFailed

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not())]

HANGS = Wanted(faults=Faults(installer_hangs=True))


def press(cluster: Cluster, workflow: str, shutdown: str) -> None:
    """As Argo's UI does: Terminate ends everything and runs no exit handler."""
    patch = json.dumps({"spec": {"shutdown": shutdown}})
    cluster.kubectl("-n", NAMESPACE, "patch", "workflow", workflow, "--type=merge", "-p", patch)


def ended(workflow: str) -> None:
    wait_until(
        lambda: phase_of(workflow) in ("Succeeded", "Failed", "Error"),
        what=f"the end of {workflow}",
        where=NAMESPACE,
        hint="-",
        timeout_s=180,
    )


def power_ons(made: InProcessSite) -> int:
    bodies = [e for e in made.servers[0].bmc.log.entries if e.method == "POST" and e.path.endswith("Reset")]
    return len(bodies)


def terminated(cluster: Cluster, folder: Path, made: InProcessSite) -> str:
    """A run that was terminated while it installed its only host, and left its medium behind."""
    run = submit(folder, made)
    until_told(folder, run, INSTALLING)
    press(cluster, f"{run}-esx01", "Terminate")
    ended(f"{run}-esx01")
    ended(run)
    assert made.servers[0].machine.medium_url
    return run


def test_what_a_terminated_run_left_is_swept_up(cluster: Cluster, tmp_path: Path) -> None:
    with installing(tmp_path, HANGS) as made:
        terminated(cluster, tmp_path, made)
        said = ask(tmp_path, "schedule", "trigger", "sweep")
        assert said.code == 0, said.err
        wait_until(
            lambda: not made.servers[0].machine.medium_url,
            what="the sweep",
            where="esx01",
            hint="-",
            timeout_s=180,
        )
        ended(f"{said.out.strip()}-esx01")
        assert_left_clean(made)


def test_the_next_run_takes_over_what_a_terminated_one_left(cluster: Cluster, tmp_path: Path) -> None:
    with installing(tmp_path, HANGS) as made:
        terminated(cluster, tmp_path, made)
        made.servers[0].machine.faults = Faults()
        said = watch(tmp_path, submit(tmp_path, made))
        assert said.code == 0, told(said)
        assert made.servers[0].machine.esxi
        assert_left_clean(made)


def test_two_runs_over_one_host_queue_and_leave_each_others_media_alone(cluster: Cluster, tmp_path: Path) -> None:
    with installing(tmp_path, HANGS) as made:
        first = submit(tmp_path, made)
        until_told(tmp_path, first, INSTALLING)
        mounted = made.servers[0].machine.medium_url
        second = submit(tmp_path, made)
        until_told(tmp_path, second, ("workflow-waiting", "esx01", ""))
        assert made.servers[0].machine.medium_url == mounted
        made.servers[0].machine.faults = Faults()
        assert ask(tmp_path, "stop", first).code == 0
        assert watch(tmp_path, first).code == 1
        said = watch(tmp_path, second)
        assert said.code == 0, told(said)
        assert_left_clean(made)


def test_the_controller_is_killed_in_the_middle(cluster: Cluster, tmp_path: Path) -> None:
    with installing(tmp_path, Wanted()) as made:
        run = submit(tmp_path, made)
        until_told(tmp_path, run, ("node-started", "esx01", "prepare-config"))
        cluster.kill_controller()
        cluster.wait_controller()
        said = watch(tmp_path, run)
        assert said.code == 0, told(said)
        assert made.servers[0].machine.esxi
        assert power_ons(made) <= 2, "off and on, once"
        assert_left_clean(made)


def test_argos_own_retry_of_a_stopped_host_touches_nothing(cluster: Cluster, tmp_path: Path) -> None:
    with installing(tmp_path, HANGS) as made:
        run = submit(tmp_path, made)
        until_told(tmp_path, run, INSTALLING)
        assert ask(tmp_path, "stop", run).code == 0
        assert watch(tmp_path, run).code == 1
        assert_left_clean(made)
        before = power_ons(made)
        argo(cluster, "retry", f"{run}-esx01")
        ended(f"{run}-esx01")
        assert phase_of(f"{run}-esx01") == "Failed"
        assert power_ons(made) == before
        assert_left_clean(made)


def argo(cluster: Cluster, *words: str) -> None:
    command = [str(cluster.bin / "argo"), "-n", NAMESPACE, "--kubeconfig", str(cluster.kubeconfig), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_person_with_the_documented_role_can_work_and_do_nothing_else(cluster: Cluster, tmp_path: Path) -> None:
    person = cluster_person(cluster)
    with installing(tmp_path, Wanted()) as made:
        words = ("submit", "install-hosts", "-f", made.table, "--yes", "--watch", "--json")
        said = hera(tmp_path, *words, timeout_s=300, KUBECONFIG=str(person), HERASPHERE_NAMESPACE=NAMESPACE)
        assert said.code == 0, told(said)
        assert_left_clean(made)
    for verb, what in (
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("delete", "workflows"),
        ("patch", "workflowtemplates"),
        ("create", "rolebindings"),
        ("get", "nodes"),
    ):
        with pytest.raises(ClusterFailed, match=r"can-i .* failed \(1\)"):
            cluster.kubectl(*may(verb, what))
    assert cluster.kubectl(*may("create", "workflows")).strip() == "yes"


def may(verb: str, what: str) -> list[str]:
    """The question to kubectl; its exit code 1 means no."""
    return ["auth", "can-i", verb, what, "-n", NAMESPACE, "--as", f"system:serviceaccount:{NAMESPACE}:person"]


def cluster_person(cluster: Cluster) -> Path:
    """The kubeconfig of somebody who has the role herasphere-operator and nothing else."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "person", "namespace": NAMESPACE}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "person", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "herasphere-operator"},
        "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": NAMESPACE}],
    }
    for each in (account, binding):
        cluster.kubectl("apply", "-f", "-", given=json.dumps(each))
    token = cluster.kubectl("-n", NAMESPACE, "create", "token", "person", "--duration=1h").strip()
    return cluster.user_kubeconfig("person", token, NAMESPACE)
