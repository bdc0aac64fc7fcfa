"""Reads a kickstart as ESXi's installer does, but strictly: what the installer only warns of is an error here.

Lines are split with shell rules and '#' comments; a script lasts until a line which begins with a keyword. Unknown or
repeated commands and options, which the installer would skip, are refused.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KEYWORDS = ("%post", "%pre", "%packages", "%vmlicense_text", "%firstboot", "%include", "include")
SCRIPTS = ("%pre", "%post", "%firstboot")
MAX_COMMANDS = 256

# command -> its options; a value of True: `--option=value`, False: `--option` alone
OPTIONS: dict[str, dict[str, bool]] = {
    "vmaccepteula": {},
    "rootpw": {"--iscrypted": False},
    "keyboard": {},
    "install": {"--disk": True, "--overwritevmfs": False, "--novmfsondisk": False, "--preservevmfs": False},
    "network": dict.fromkeys(
        ("--bootproto", "--device", "--ip", "--netmask", "--gateway", "--nameserver", "--hostname", "--vlanid"), True
    ),
    "reboot": {"--noeject": False},
    "%include": {},
    "%pre": {"--interpreter": True},
    "%post": {"--interpreter": True, "--timeout": True, "--ignorefailure": True},
    "%firstboot": {"--interpreter": True},
}
ARGUMENTS = {"rootpw": 1, "keyboard": 1, "%include": 1}  # words beside the options


@dataclass(frozen=True)
class Command:
    options: dict[str, str]
    arguments: tuple[str, ...]


@dataclass
class Kickstart:
    commands: dict[str, Command] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)


def read(text: str, includes: Mapping[str, str] = MappingProxyType({})) -> Kickstart:
    """The commands and scripts of a kickstart; ValueError for anything the installer would stumble over or skip."""
    if not text.isascii():
        raise ValueError("non-ASCII character")
    kickstart = Kickstart()
    _read_into(kickstart, text)
    included = kickstart.commands.pop("%include", None)
    if included:
        _read_into(kickstart, includes[included.arguments[0]])
    if len(kickstart.commands) + len(kickstart.scripts) > MAX_COMMANDS:
        raise ValueError(f"more than {MAX_COMMANDS} commands")
    if missing := {"vmaccepteula", "rootpw", "install"} - kickstart.commands.keys():
        raise ValueError(f"missing: {', '.join(sorted(missing))}")
    return kickstart


def _read_into(kickstart: Kickstart, text: str) -> None:
    lines = text.splitlines(keepends=True)
    index = 0
    while index < len(lines):
        words = shlex.split(lines[index], comments=True)
        index += 1
        if not words:
            continue
        name = words[0]
        if name in kickstart.commands or name in kickstart.scripts:
            raise ValueError(f"{name} is given twice")
        kickstart.commands[name] = _command(name, words[1:])
        if name in SCRIPTS:
            start = index
            while index < len(lines) and not lines[index].startswith(KEYWORDS):
                index += 1
            if index == start:
                raise ValueError(f"{name} has no script")
            if index == len(lines) - 1:
                raise ValueError("the installer swallows a keyword in the last line, after a script")
            kickstart.scripts[name] = "".join(lines[start:index])


def _command(name: str, words: list[str]) -> Command:
    if name not in OPTIONS:
        raise ValueError(f"unknown command {name}")
    options: dict[str, str] = {}
    arguments = []
    for word in words:
        option, equals, value = word.partition("=")
        if option not in OPTIONS[name]:
            arguments.append(word)
            continue
        if option in options:
            raise ValueError(f"{name} {option} is given twice")
        if OPTIONS[name][option] != bool(value) or bool(equals) != bool(value):
            raise ValueError(f"{name} {option}: a value where none belongs, or none where one does")
        options[option] = value
    if len(arguments) != ARGUMENTS.get(name, 0):
        raise ValueError(f"{name} has the arguments {arguments}")
    return Command(options, tuple(arguments))
