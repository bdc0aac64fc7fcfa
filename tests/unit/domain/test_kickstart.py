"""The kickstart's text, read back as the installer reads it."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.domain import kickstart
from steps.domain.errors import Unsupported
from steps.domain.host import Disk
from tests.unit.domain import weasel
from tests.unit.domain.kickstarts import HASH, INCLUDE, host, network, render

GOLDEN = Path(__file__).parents[2] / "golden" / "kickstart"

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(
    lambda text: bool(text.strip())
)

VARIANTS = {
    "disk_by_id": (host(), ""),
    "disk_by_rule": (host(disk=Disk(vendor="DELL", model="PERC H740P Mini", min_gib=100, max_gib=900)), ""),
    "everything": (
        host(
            overwrite_vmfs=True,
            keyboard="Swiss German",
            network=network(vlan=4094, nameservers=("10.0.1.2", "10.0.1.3")),
        ),
        "http://10.0.0.1:8080/m/k3y/cb",
    ),
    "rule_with_call_backs": (host(disk=Disk(min_gib=32), overwrite_vmfs=True), "http://10.0.0.1:8080/m/k3y/cb"),
    "awkward_values": (
        host(
            serial="VMware-42 30 a8 27#f9",
            disk=Disk(vendor="O'Neill & $ons", model='RAID "1" \\ #5 `x` '),
        ),
        "",
    ),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", VARIANTS)
def test_golden(name: str) -> None:
    text = render(*VARIANTS[name])
    file = GOLDEN / f"{name}.cfg"
    if os.environ.get("HERASPHERE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text(), "HERASPHERE_GOLDEN=1 pytest writes the goldens anew"


def test_every_golden_has_its_variant() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_what_no_kickstart_has(name: str) -> None:
    text = render(*VARIANTS[name])
    assert text.isascii() and text.endswith("\n") and "\r" not in text
    for word in ("clearpart", "%firstboot", "--firstdisk", "--noeject", "paranoid", "--alldrives"):
        assert word not in text


def test_commands() -> None:
    commands = weasel.read(render(*VARIANTS["everything"])).commands
    assert commands["rootpw"].arguments == (HASH,) and "--iscrypted" in commands["rootpw"].options
    assert commands["keyboard"].arguments == ("Swiss German",)
    assert commands["install"].options == {"--disk": "naa.6d09466044143600247aee55ca2a6405", "--overwritevmfs": ""}
    assert commands["network"].options == {
        "--bootproto": "static",
        "--device": "52:54:00:AA:BB:CC",
        "--ip": "10.0.1.11",
        "--netmask": "255.255.255.0",
        "--gateway": "10.0.1.1",
        "--nameserver": "10.0.1.2,10.0.1.3",
        "--hostname": "esx01.example.com",
        "--vlanid": "4094",
    }
    assert commands["reboot"].options == {}
    assert commands["%post"].options["--ignorefailure"] == "true"


def test_untagged_without_name_server() -> None:
    options = weasel.read(render(host())).commands["network"].options
    assert "--vlanid" not in options and "--nameserver" not in options


def test_disk_by_rule_is_left_to_pre() -> None:
    text = render(*VARIANTS["disk_by_rule"])
    assert f"\n%include {INCLUDE}\n" in text and "\ninstall" not in text
    assert weasel.read(text, {INCLUDE: "install --disk='naa.1'\n"}).commands["install"].options == {"--disk": "naa.1"}


@given(name=printable, serial=printable, keyboard=printable, hostname=printable, disk_id=printable)
def test_what_goes_in_comes_out(name: str, serial: str, keyboard: str, hostname: str, disk_id: str) -> None:
    text = render(
        host(
            name=name,
            serial=serial,
            keyboard=keyboard,
            disk=Disk(id=disk_id),
            network=network(hostname=hostname, nameservers=(hostname,)),
        ),
        "http://[fd00::1]/m/a'b$c#d/cb",
    )
    commands = weasel.read(text).commands
    assert commands["install"].options == {"--disk": disk_id}
    assert commands["keyboard"].arguments == (keyboard,)
    assert commands["network"].options["--hostname"] == hostname
    assert commands["network"].options["--nameserver"] == hostname


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "a\nreboot"},
        {"serial": " "},
        {"name": "esx\x7f"},
        {"keyboard": "Français"},
        {"keyboard": ""},
        {"disk": Disk(id="naa.\r1")},
        {"disk": Disk(model="größe")},
        {"disk": Disk()},
        {"network": network(hostname="esx01\t")},
        {"network": network(gateway="")},
        {"network": network(vlan=1)},
        {"network": network(nameservers=("10.0.1.1", "10.0.1.2", "10.0.1.3"))},
        {"network": network(nameservers=("10.0.1.1\n",))},
    ],
    ids=str,
)
def test_refuses_what_a_kickstart_cannot_say(change: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as refusal:
        render(host(**change))
    assert refusal.value.hint


@pytest.mark.parametrize("bad", ["secret", "$5$salt$" + "a" * 43, "$6$rounds=9999$salt$" + "a" * 86, HASH + "\n"])
def test_refuses_a_hash_the_installer_would_refuse(bad: str) -> None:
    with pytest.raises(Unsupported):
        kickstart.render(host(), root_password_hash=bad, callback_url="")


@pytest.mark.parametrize("bad", ["ftp://x", "http://a b", "http://x\n", "10.0.0.1"])
def test_refuses_a_call_back_that_is_no_url(bad: str) -> None:
    with pytest.raises(Unsupported):
        render(host(), bad)


@pytest.mark.parametrize(
    "text",
    [
        "vmaccepteula\nrootpw x\ninstall --disk=a\nclearpart --alldrives\n",
        "vmaccepteula\nrootpw x\ninstall --disk=a --oops\n",
        "vmaccepteula\nrootpw x\ninstall --disk=a\ninstall --disk=b\n",
        "vmaccepteula\nrootpw x\ninstall --disk=a --disk=b\n",
        "vmaccepteula\nrootpw x y\ninstall --disk=a\n",
        "vmaccepteula\nrootpw pa#ss #\ninstall --disk\n",
        "vmaccepteula\nrootpw #ss\ninstall --disk=a\n",
        "vmaccepteula\nrootpw x\n",
        "rootpw x\ninstall --disk=a\n%pre --interpreter=busybox\necho\nvmaccepteula\n",
        "vmaccepteula\nrootpw x\ninstall --disk=a\n%pre --interpreter=busybox\n%post --interpreter=busybox\ntrue\n",
        "vmaccepteula\nrootpw x\n%pre --interpreter=busybox\necho\n%include /tmp/x\n",
        "vmaccepteula\nrootpw 'x\ninstall --disk=a\n",
        "vmaccepteula\nrootpw \u00e4\ninstall --disk=a\n",
    ],
)
def test_the_reader_can_fail(text: str) -> None:
    with pytest.raises(ValueError):
        weasel.read(text)


def test_no_call_backs_without_a_url() -> None:
    text = render(host())
    assert "wget" not in text and "%post" not in text


def test_call_backs_carry_no_secret() -> None:
    scripts = weasel.read(render(*VARIANTS["everything"])).scripts
    assert all(HASH not in script and "rootpw" not in script for script in scripts.values())
