"""Which hosts to start next: a pure policy for whoever drives it, in a pod or on one machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FINISHED = frozenset({"Succeeded", "Failed", "Error"})


@dataclass(frozen=True)
class Moves:
    """What to do now: start these; `finished` when every host has come to an end."""

    start: tuple[str, ...]
    finished: bool


def next_moves(hosts: Sequence[str], phases: Mapping[str, str], limit: int) -> Moves:
    """Start hosts in the table's order as long as fewer than `limit` are under way.

    phases: of the children that exist, by host name; a child without a phase yet ("") counts as under way.
    """
    waiting = [host for host in hosts if host not in phases]
    under_way = sum(phases[host] not in FINISHED for host in hosts if host in phases)
    start = tuple(waiting[: max(0, limit - under_way)])
    return Moves(start, finished=not waiting and not under_way)
