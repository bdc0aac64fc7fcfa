"""Which address a guest is reached at, out of all that VMware Tools tell."""

import pytest

from steps.domain.image.addresses import Settling, chosen

ANY = "0.0.0.0/0"
TOLD = ["fe80::250:56ff:fe01:203", "127.0.0.1", "169.254.7.1", "172.17.0.1", "10.0.5.20", "2001:db8::20", "10.0.6.20"]


@pytest.mark.parametrize(
    ("network", "address"),
    [
        (ANY, "172.17.0.1"),
        ("10.0.0.0/8", "10.0.5.20"),
        ("10.0.6.0/24", "10.0.6.20"),
        ("10.0.6.1/24", "10.0.6.20"),
        ("::/0", "2001:db8::20"),
        ("2001:db8::/32", "2001:db8::20"),
        ("192.168.0.0/16", ""),
        ("169.254.0.0/16", ""),
    ],
)
def test_the_first_one_of_the_network_that_others_reach(network: str, address: str) -> None:
    assert chosen(TOLD, network) == address


@pytest.mark.parametrize(
    "address",
    ["", "unset", "10.0.0.256", "0.0.0.0", "127.0.0.1", "127.8.0.1", "169.254.1.1", "224.0.0.251", "::", "::1",
     "fe80::1", "fe80::1%eth0", "ff02::1"],
)  # fmt: skip
def test_what_nobody_reaches_is_passed_over(address: str) -> None:
    for network in (ANY, "::/0"):
        assert chosen([address], network) == ""
    assert chosen([address, "10.0.0.1"], ANY) == "10.0.0.1"


def test_nothing_told() -> None:
    assert chosen([], ANY) == ""


def test_an_address_in_its_short_form() -> None:
    assert chosen(["2001:DB8:0:0:0:0:0:20"], "::/0") == "2001:db8::20"


def test_an_address_counts_once_it_has_stayed() -> None:
    settling = Settling(30)
    assert [settling.see("10.0.0.1", now_s) for now_s in (100, 129.9, 130, 200)] == ["", "", "10.0.0.1", "10.0.0.1"]


def test_another_address_begins_anew() -> None:
    """The installer's lease, none while it restarts, the same again, then the installed system's."""
    settling = Settling(30)
    assert settling.see("10.0.0.1", 0) == ""
    assert settling.see("", 20) == ""
    assert settling.see("10.0.0.1", 25) == ""
    assert settling.see("10.0.0.1", 40) == ""
    assert settling.see("10.0.0.2", 54) == ""
    assert settling.see("10.0.0.2", 83) == ""
    assert settling.see("10.0.0.2", 84) == "10.0.0.2"


def test_no_address_never_counts() -> None:
    settling = Settling(0)
    assert settling.see("", 1000) == ""
    assert settling.see("10.0.0.1", 1000) == "10.0.0.1"
