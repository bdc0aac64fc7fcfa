"""A boot command's text as actions, or every fault in it at once.

    <enter> <f10> <leftCtrl>       a key, pressed and released; names in upper or lower case
    <leftCtrlOn> ... <leftCtrlOff> held and let go, any key: <f11On>, <aOn>, <<On>
    <wait> <wait5> <wait1m20s>     a second, five, a Go duration
    anything else                  typed as it stands

Packer types what it does not know (`<entr>`) letter by letter, and the build fails half an hour later; here it is a
fault. A `<` that begins nothing of the kind is typed: `cat < file`, `<<EOF`, `a<b`.
"""

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from steps.domain.bootcommand.actions import Action, Hold, Key, Release, Wait
from steps.domain.bootcommand.duration import go_duration_s
from steps.domain.bootcommand.keyboard import CHARACTERS, SPECIALS
from steps.domain.errors import ConfigError, Fault

MAX_CHARACTERS = 100_000
LONGEST_WAIT_S = 24 * 3600.0

_TOGGLE = re.compile(r"<(.)(on|off)>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<([a-z][^<>\s]*)>", re.IGNORECASE)
_OPEN = re.compile(r"<([a-z]+\d*[a-z]*)(?=[\s<]|$)", re.IGNORECASE)
_CONTROL = {"\n": "<enter>", "\r": "<enter>", "\t": "<tab>"}
_TYPED = "to type it as it stands write <<On><<Off> for the <"


def parse(command: str | Sequence[str], *, file: str = "boot_command") -> tuple[Action, ...]:
    """The actions of a boot command; several strings are joined without anything between them.

    ConfigError with every fault; its line is the string's number in the list, its column the one in that string.
    """
    parts = [command] if isinstance(command, str) else list(command)
    text = "".join(parts)
    if len(text) > MAX_CHARACTERS:
        hint = "type only what starts the installer; the rest belongs into the kickstart"
        raise ConfigError([Fault(file, 1, 1, f"{len(text)} characters, {MAX_CHARACTERS} are the most", hint)])
    starts = [0, *accumulate(len(part) for part in parts)][:-1] or [0]
    actions: list[Action] = []
    faults: list[Fault] = []
    for position, found in _scan(text):
        if isinstance(found, tuple):
            part = bisect_right(starts, position)
            faults.append(Fault(file, part, position - starts[part - 1] + 1, *found))
        else:
            actions.append(found)
    if faults:
        raise ConfigError(faults)
    return tuple(actions)


_Found = Action | tuple[str, str]  # or what is wrong, and the hint


def _scan(text: str) -> Iterator[tuple[int, _Found]]:
    position = 0
    while position < len(text):
        length, found = _next(text, position)
        yield position, found
        position += length


def _next(text: str, position: int) -> tuple[int, _Found]:
    """What begins here, and how many characters it takes."""
    if text[position] == "<":
        if match := _TOGGLE.match(text, position):
            return len(match[0]), _toggle(match[1], match[2]) if match[1] in CHARACTERS else _untypable(match[1])
        if match := _TAG.match(text, position):
            return len(match[0]), _tag(match[1])
        if (match := _OPEN.match(text, position)) and _is_name(match[1].lower()):
            return len(match[0]), (f"<{match[1]} is not closed", f"write <{match[1]}>; {_TYPED}")
    character = text[position]
    return 1, Key(character) if character in CHARACTERS else _untypable(character)


def _toggle(name: str, to: str) -> Action:
    return Hold(name) if to.lower() == "on" else Release(name)


def _tag(tag: str) -> _Found:
    name = tag.lower()
    if name in SPECIALS:
        return Key(name)
    for to in ("on", "off"):
        if name.endswith(to) and name.removesuffix(to) in SPECIALS:
            return _toggle(name.removesuffix(to), to)
    if name.startswith("wait"):
        return _wait(tag, name.removeprefix("wait"))
    return f"<{tag}> is no key", _meant(name)


def _wait(tag: str, text: str) -> _Found:
    seconds = 1.0 if not text else float(text) if re.fullmatch(r"[0-9]{1,9}", text) else go_duration_s(text)
    if seconds is None:
        return f"<{tag}> is no wait", "write <wait>, <wait5>, <wait300ms> or <wait1m20s>"
    if seconds > LONGEST_WAIT_S:
        return f"<{tag}> is longer than a day", "seconds need no unit: <wait5>; else ns, us, ms, s, m, h"
    return Wait(seconds)


def _is_name(name: str) -> bool:
    bases = {name, name.removesuffix("on"), name.removesuffix("off")}
    return bool(bases & SPECIALS.keys()) or bool(re.fullmatch(r"wait(\d+[a-z]*)?", name))


def _meant(name: str) -> str:
    """What could have been meant."""
    known = [*SPECIALS, "wait", *(f"{each}{to}" for each in SPECIALS for to in ("on", "off"))]
    near = difflib.get_close_matches(name[:40], known, n=1, cutoff=0.6)
    return f"did you mean <{_as_written(near[0])}>? {_TYPED}" if near else _TYPED


def _as_written(name: str) -> str:
    """A name as people write it: leftCtrlOn."""
    for word in ("ctrl", "alt", "shift", "super", "up", "down"):
        for before in ("left", "right", "page"):
            name = name.replace(before + word, before + word.capitalize())
    for to in ("on", "off"):
        if name.endswith(to) and name.removesuffix(to).lower() in SPECIALS:
            return name.removesuffix(to) + to.capitalize()
    return name


def _untypable(character: str) -> tuple[str, str]:
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    hint = f"write {_CONTROL[character]}" if character in _CONTROL else "type only ASCII; the rest belongs into a file"
    return f"no key of a US keyboard types {shown!r}", hint
