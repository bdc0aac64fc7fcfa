"""Every fault of a table is told, once, at its place; a sound table becomes a plan."""

import os
from pathlib import Path

import pytest

from steps.domain.errors import ConfigError, NotFound, Refused
from steps.domain.host import Disk, Iso, SecretRef
from steps.domain.plan import InstallPlan, digest_of, plan_install, refuse_protected
from steps.domain.table import SecretEntry
from steps.domain.table_checks import Surroundings
from tests.lab.certificates import Authority

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "table"
PEM = Authority("a test").pem
SECRETS = {"BMC": "calvin", "ROOT": "Obj3kt-Str0ng!pw", "WEAK": "abc", "EMPTY": "", "CA": PEM}
ISO = Iso(sha256="0" * 64, name="esxi.iso", size_bytes=600_000_000, version="8.0.3", build="24022510")


def read_secret(entry: SecretEntry) -> str | None:
    if entry.secret:
        return None
    name = entry.env or ""
    if name not in SECRETS:
        raise NotFound(f"{entry} is not set", hint=f"export {name}")
    return SECRETS[name]


def find_iso(name: str) -> Iso:
    if name != "esxi.iso":
        raise NotFound(f"ISO {name} cannot be read: No such file or directory", hint="correct the path")
    return ISO


AROUND = Surroundings(read_secret, find_iso)


def plan(text: str, **options: list[str] | bool) -> InstallPlan:
    return plan_install(text, "hosts.yaml", AROUND, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_fault_of_a_table_is_told_at_its_place(case: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_install(case.read_bytes(), case.name, AROUND)
    told = str(caught.value) + "\n"
    golden = case.with_suffix(".faults")
    if os.environ.get("HERASPHERE_GOLDEN"):
        golden.write_text(told)
    assert told == golden.read_text()


SOUND = """
defaults:
  iso: esxi.iso
  bmc: {username: root, password: {env: BMC}}
  network: {netmask: 24, gateway: 10.0.1.1, domain: example.com, vlan: 20, nameservers: [10.0.0.2, 10.0.0.3]}
  root_password: {secret: esxi, key: root}
  disk: {model: DELLBOSS VD}
rollout: {limit: 3}
hosts:
  - name: esx01
    serial: 0012345
    bmc: {address: 10.0.0.11}
    network: {mac: 52-54-00-12-34-56, address: 10.0.1.11}
  - name: esx02
    serial: ABC
    protected: yes
    bmc: {address: "https://bmc02:8443/", password: {env: ROOT}, verify_tls: no, ca: {env: CA}}
    network: {mac: 52:54:00:12:34:57, address: 10.0.2.12/23, gateway: 10.0.2.1, vlan: 0, hostname: two.example.org}
    disk: {id: naa.600508b1001c}
    boot_mode: bios
    timeouts: {boot_s: 60}
    api: 127.0.0.1:8443
"""


def test_a_host_takes_the_defaults_it_does_not_replace() -> None:
    made = plan(SOUND)
    one, two = made.hosts
    assert made.limit == 3
    assert one.serial == "0012345", "a serial number is text, not an octal number"
    assert one.network.mac == "52:54:00:12:34:56"
    assert (one.network.netmask, one.network.gateway, one.network.vlan) == ("255.255.255.0", "10.0.1.1", 20)
    assert one.network.hostname == "esx01.example.com"
    assert one.bmc.url == "https://10.0.0.11" and one.bmc.verify_tls
    assert one.bmc.password == SecretRef(name="herasphere-desk", key="env.BMC")
    assert one.root_password == SecretRef(name="esxi", key="root")
    assert one.disk == Disk(model="DELLBOSS VD") and not one.protected and one.api_endpoint == ("10.0.1.11", 443)
    assert two.bmc.url == "https://bmc02:8443" and not two.bmc.verify_tls and two.bmc.username == "root"
    assert (two.network.netmask, two.network.vlan, two.network.hostname) == ("255.255.254.0", 0, "two.example.org")
    assert two.disk == Disk(id="naa.600508b1001c"), "a host's disk replaces the default rule whole"
    assert two.boot_mode == "bios" and two.timeouts.boot_s == 60 and two.timeouts.load_s == 900
    assert two.api_endpoint == ("127.0.0.1", 8443)


def test_the_plan_holds_no_secret() -> None:
    text = plan(SOUND).model_dump_json()
    assert not [secret for secret in SECRETS.values() if secret and secret in text]


def test_only_takes_the_hosts_named_in_the_order_of_the_table() -> None:
    assert [host.name for host in plan(SOUND, only=["esx02"]).hosts] == ["esx02"]
    with pytest.raises(ConfigError, match=r"no host 'esx2' in the table \(did you mean esx02"):
        plan(SOUND, only=["esx2"])


def test_reinstall_lets_a_vmfs_be_written_over() -> None:
    assert not plan(SOUND).hosts[0].overwrite_vmfs
    assert plan(SOUND, reinstall=True).hosts[0].overwrite_vmfs


def test_a_protected_host_is_refused_by_name() -> None:
    refuse_protected(plan(SOUND, only=["esx01"]))
    with pytest.raises(Refused, match="protects esx02"):
        refuse_protected(plan(SOUND))


def test_the_digest_changes_with_the_plan_and_only_then() -> None:
    assert digest_of(plan(SOUND)) == digest_of(plan("# a comment\n" + SOUND))
    assert digest_of(plan(SOUND)) != digest_of(plan(SOUND.replace("ABC", "ABD")))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00",
        "a: [",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "hosts: " + "[" * 5000,
        "\0",
        "- 1",
        "just words",
        "hosts: !!python/object:os.system [ls]",
        "? [a]\n: b",
        "<<: 3",
        "hosts: {}",
        "hosts: 7",
        "hosts: [[[]]]",
        "hosts: [null]",
        "hosts: [1, two]",
        "defaults: null\nhosts: null",
        "---\na: 1\n---\nb: 2",
        "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
        "f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]",
    ],
)
def test_no_file_leads_to_anything_but_faults(text: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_install(text, "x.yaml", AROUND)
    assert all(fault.line >= 1 and fault.hint for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("CA", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "holds no PEM certificate"),
        ("CA", PEM[: len(PEM) // 2], "holds no PEM certificate"),
        ("BMC", "two\nlines", "has a line break"),
    ],
    ids=["nonsense in PEM", "PEM cut short", "password of two lines"],
)
def test_a_secret_that_no_bmc_client_could_use_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, fault: str
) -> None:
    table = SOUND.replace("password: {env: BMC}", "password: {env: BMC}, ca: {env: CA}")
    plan(table)
    monkeypatch.setitem(SECRETS, name, text)
    with pytest.raises(ConfigError) as caught:
        plan(table)
    assert fault in str(caught.value) and text not in str(caught.value)
