"""How fast an in-process server is, and what is wrong with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Delays:
    """How long things take."""

    post_s: float = 0.05
    block_s: float = 0.0  # between two blocks of the ISO
    install_s: float = 0.1
    start_s: float = 0.05  # of the installed ESXi


@dataclass(frozen=True)
class Faults:
    """What is wrong with this server."""

    ignores_cd: bool = False  # starts from its disk whatever it is told
    hangs_in_post: bool = False
    stops_reading_at: float = 1.0  # share of the ISO after which it reads no more and waits for ever
    reads_at_insert: bool = False  # the BMC reads the whole ISO as soon as it is inserted
    calls_nobody: bool = False  # the installer's network reaches nobody
    installer_hangs: bool = False  # after %pre
