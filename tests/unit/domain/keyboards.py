"""A US keyboard's other end: what a guest makes of the events of PutUsbScanCodes.

Not made from the sender's table: the keys are listed as Linux's hid-input maps them, row by row. A guest types a letter
when nothing but Shift is down.
"""

from collections.abc import Iterable

from steps.domain.bootcommand import KeyEvent

ROWS = {
    0x1E: "1!2@3#4$5%6^7&8*9(0)",
    0x04: "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ",
    0x2C: "  -_=+[{]}\\|",
    0x33: ";:'\"`~,<.>/?",
}
PRINTS = {
    (first + index // 2, index % 2 == 1): character
    for first, row in ROWS.items()
    for index, character in enumerate(row)
}
NAMES = """
Enter Esc Backspace Tab F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 Ins Home PgUp Del End PgDn Right Left Down Up
Menu LCtrl LShift LAlt LGui RCtrl RShift RAlt RGui
"""
USAGES = [*range(0x28, 0x2C), *range(0x3A, 0x46), *range(0x49, 0x53), 0x65, *range(0xE0, 0xE8)]
NAMED = dict(zip(USAGES, NAMES.split(), strict=True))
SHORT = {
    "leftControl": "LCtrl", "leftShift": "LShift", "leftAlt": "LAlt", "leftGui": "LGui",
    "rightControl": "RCtrl", "rightShift": "RShift", "rightAlt": "RAlt", "rightGui": "RGui",
}  # fmt: skip


def typed(events: Iterable[KeyEvent]) -> str:
    """What stands on the screen: text as it is, everything else as [LCtrl+a], in the order of the modifiers' usages."""
    return "".join(_typed(event) for event in events)


def _typed(event: KeyEvent) -> str:
    code = event.usb_hid_code
    assert code & 0xFFFF == 7, "not the keyboard's page"
    usage = code >> 16
    down = [SHORT[each] for each in event.modifiers]
    shifts = {"LShift", "RShift"} & set(down)
    others = [each for each in down if each not in shifts]
    if usage not in NAMED and not others:
        return PRINTS[usage, bool(shifts)]
    name = NAMED.get(usage) or PRINTS[usage, False]
    return f"[{'+'.join([*down, name])}]"
