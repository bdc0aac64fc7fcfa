"""What a boot command says to do at the keyboard, one thing after the other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """Press and release: a character as it is typed ("A" is Shift and a), or a special's name in lower case."""

    name: str


@dataclass(frozen=True)
class Hold:
    """Press and keep: what follows is typed with it."""

    name: str


@dataclass(frozen=True)
class Release:
    """Let go; of a key that is not held it says nothing."""

    name: str


@dataclass(frozen=True)
class Wait:
    seconds: float


Action = Key | Hold | Release | Wait
