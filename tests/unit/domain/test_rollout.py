"""The rollout starts hosts in order, never more than the limit, and ends when all have ended."""

from hypothesis import given
from hypothesis import strategies as st

from steps.domain.children import child_of, secrets_volume
from steps.domain.host import SecretRef
from steps.domain.rollout import FINISHED, next_moves
from tests.unit.domain.samples import HOST

PHASES = ("", "Pending", "Running", "Succeeded", "Failed", "Error")


def test_first_moves_and_last() -> None:
    assert next_moves("abc", {}, 2).start == ("a", "b")
    assert next_moves("abc", {"a": "Running", "b": "Failed"}, 2).start == ("c",)
    assert next_moves("abc", {"a": "", "b": "Pending"}, 2).start == ()
    assert next_moves("ab", {"a": "Failed", "b": "Succeeded"}, 1).finished
    assert not next_moves("ab", {"a": "Failed", "b": "Running"}, 1).finished


@given(
    st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True, max_size=20),
    st.integers(1, 5),
    st.data(),
)
def test_limit_order_and_end(hosts: list[str], limit: int, data: st.DataObject) -> None:
    phases = {host: data.draw(st.sampled_from(PHASES)) for host in hosts if data.draw(st.booleans())}
    moves = next_moves(hosts, phases, limit)
    under_way = sum(phase not in FINISHED for phase in phases.values())
    assert not set(moves.start) & set(phases)
    assert under_way + len(moves.start) <= max(limit, under_way)
    assert moves.start == tuple(host for host in hosts if host not in phases)[: len(moves.start)]
    assert moves.finished == (set(phases) == set(hosts) and not under_way)


def test_a_child_has_the_same_name_again_and_only_its_own_secrets() -> None:
    child = child_of(HOST, run="install-hosts-x1", uid="u1", media="http://media:1", desk="", reinstall=False)
    assert child == child_of(HOST, run="install-hosts-x1", uid="u1", media="http://media:1", desk="", reinstall=False)
    assert child["metadata"]["name"] == "install-hosts-x1-esx01"
    assert child["metadata"]["ownerReferences"][0]["uid"] == "u1"
    parameters = {p["name"]: p["value"] for p in child["spec"]["arguments"]["parameters"]}
    assert parameters["lock"] == "7xk2p13" and parameters["reinstall"] == "false"
    (volume,) = child["spec"]["volumes"]
    paths = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    assert paths == ["herasphere-desk/env.BMC", "herasphere-desk/env.ROOT", "herasphere-media/token"]


def test_a_key_named_twice_is_projected_once() -> None:
    ref = SecretRef(name="a", key="b")
    assert len(secrets_volume([ref, ref])["projected"]["sources"][0]["secret"]["items"]) == 1
