"""Reads KS.CFG as ESXi's installer does: lines split like a shell's, scripts first, then includes, then the commands.

Written from the installer's documented grammar, not from the generator under test. What the installer only warns of
(unknown words, a command given twice) is kept in `notes`; a test that wants a clean kickstart looks there.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

SECTIONS = ("%pre", "%post", "%firstboot")
INCLUDES = ("%include", "include")
MAX_COMMANDS = 256

KNOWN = {  # command -> options
    "vmaccepteula": "", "accepteula": "", "keyboard": "", "reboot": "--noeject", "paranoid": "", "dryrun": "",
    "rootpw": "--iscrypted",
    "install": "--disk --drive --firstdisk --overwritevmfs --preservevmfs --novmfsondisk --overwritevsan --ignoressd "
    "--systemdisk --repartitionsystemdisk --forceunsupportedinstall --ignoreprereqwarnings --ignoreprereqerrors "
    "--dpupcislots",
    "network": "--bootproto --device --ip --netmask --gateway --nameserver --hostname --vlanid --addvmportgroup",
    "%pre": "--interpreter", "%post": "--interpreter --timeout --ignorefailure", "%firstboot": "--interpreter",
}  # fmt: skip
ALIASES = {"accepteula": "vmaccepteula"}
REFUSED = ("upgrade", "installorupgrade", "clearpart", "part", "partition")


class KickstartError(Exception):
    """The installer stops here, before it writes anything; the text is what it shows on the console."""


@dataclass(frozen=True)
class Command:
    options: dict[str, str]  # without dashes; "" for an option without a value
    words: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    options: dict[str, str]
    text: str


@dataclass
class Kickstart:
    commands: dict[str, Command] = field(default_factory=dict)
    scripts: dict[str, list[Script]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    includes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: int = 0


@dataclass(frozen=True)
class Answers:
    """What the commands ask for."""

    disk: str
    overwrite_vmfs: bool
    password_hash: str
    mac: str  # lower case
    address: str
    netmask: str
    gateway: str
    vlan: int
    nameservers: tuple[str, ...]
    hostname: str
    is_rebooting: bool


def read(text: str, into: Kickstart | None = None) -> Kickstart:
    """The kickstart's commands and scripts; `into` takes an included file's as well."""
    kickstart = into or Kickstart()
    if not text.isascii():
        kickstart.notes.append("there are characters other than ASCII")
    lines = text.splitlines()
    while lines:
        line = lines.pop(0)
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise KickstartError(f"{line!r}: {error}") from error
        if not words:
            continue
        kickstart.lines += 1
        if kickstart.lines > MAX_COMMANDS:
            raise KickstartError(f"more than {MAX_COMMANDS} commands")
        _take(kickstart, words, lines)
    return kickstart


def _take(kickstart: Kickstart, words: list[str], lines: list[str]) -> None:
    """One command, with the script that follows it where it begins one."""
    name = ALIASES.get(words[0], words[0])
    if name in REFUSED:
        raise KickstartError(f"{name}: this stand-in only installs")
    if name in INCLUDES:
        kickstart.includes += words[1:]
        return
    options, rest = _options(kickstart, name, words[1:])
    if name in SECTIONS:
        kickstart.scripts[name].append(Script(options, _script(lines)))
    elif name in KNOWN:
        if name in kickstart.commands:
            kickstart.notes.append(f"{name} is given twice, the last one holds")
        kickstart.commands[name] = Command(options, rest)
    else:
        kickstart.notes.append(f"unknown command {words[0]}")


def _options(kickstart: Kickstart, name: str, words: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    options: dict[str, str] = {}
    for word in words:
        if not word.startswith("--"):
            continue
        key, _, value = word.partition("=")
        if name in KNOWN and key not in KNOWN[name].split():
            kickstart.notes.append(f"unknown option {key} of {name}")
        options[key[2:]] = value
    return options, tuple(word for word in words if not word.startswith("--"))


def _script(lines: list[str]) -> str:
    """Everything up to the next line that begins with a section's or an include's word."""
    taken: list[str] = []
    while lines and not re.match(r"(%(pre|post|firstboot|include)|include)\b", lines[0]):
        taken.append(lines.pop(0))
    return "\n".join(taken) + "\n"


def complete(kickstart: Kickstart, open_include: Callable[[str], str]) -> Answers:
    """The answers, after `%pre` has run; `open_include` gives the text of an included file."""
    while kickstart.includes:
        path = kickstart.includes.pop(0)
        try:
            included = open_include(path)
        except OSError as error:
            raise KickstartError(f"%include {path}: {error.strerror}") from error
        read(included, kickstart)
    commands = kickstart.commands
    for name in ("vmaccepteula", "rootpw", "install", "network", "reboot"):
        if name not in commands:
            raise KickstartError(f"{name} is missing")
    install, network = commands["install"].options, commands["network"].options
    if network.get("bootproto") != "static":
        raise KickstartError("network: this stand-in takes --bootproto=static only")
    if missing := [key for key in ("device", "ip", "netmask", "gateway", "hostname") if not network.get(key)]:
        raise KickstartError(f"network: missing {', '.join(missing)}")
    return Answers(
        disk=_disk(install),
        overwrite_vmfs="overwritevmfs" in install,
        password_hash=_password_hash(commands["rootpw"]),
        mac=network["device"].lower(),
        address=network["ip"],
        netmask=network["netmask"],
        gateway=network["gateway"],
        vlan=int(network.get("vlanid") or 0),
        nameservers=tuple(filter(None, network.get("nameserver", "").split(","))),
        hostname=network["hostname"],
        is_rebooting="dryrun" not in commands,
    )


def _disk(options: dict[str, str]) -> str:
    disk = (options.get("disk") or options.get("drive") or "").removeprefix("/vmfs/devices/disks/")
    if not disk or "firstdisk" in options:
        raise KickstartError("install: this stand-in takes --disk only, as --firstdisk depends on drivers' order")
    return disk


def _password_hash(rootpw: Command) -> str:
    if "iscrypted" not in rootpw.options or len(rootpw.words) != 1:
        raise KickstartError("rootpw: this stand-in takes --iscrypted and one hash")
    if not re.fullmatch(r"\$6\$[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}", rootpw.words[0]):
        raise KickstartError("rootpw: not a SHA-512 hash")
    return rootpw.words[0]
