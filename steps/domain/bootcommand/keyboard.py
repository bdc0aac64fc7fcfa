"""A US keyboard: which USB HID usage (page 7) each name and each character has.

Usages after the USB HID Usage Tables, "Keyboard/Keypad Page". Names are Packer's, in lower case.
"""

from typing import Literal

Modifier = Literal[
    "leftControl", "leftShift", "leftAlt", "leftGui", "rightControl", "rightShift", "rightAlt", "rightGui"
]

SPECIALS = {
    "enter": 0x28,
    "return": 0x28,
    "esc": 0x29,
    "bs": 0x2A,
    "tab": 0x2B,
    "spacebar": 0x2C,
    **{f"f{number}": 0x39 + number for number in range(1, 13)},
    "insert": 0x49,
    "home": 0x4A,
    "pageup": 0x4B,
    "del": 0x4C,
    "end": 0x4D,
    "pagedown": 0x4E,
    "right": 0x4F,
    "left": 0x50,
    "down": 0x51,
    "up": 0x52,
    "menu": 0x65,
    "leftctrl": 0xE0,
    "leftshift": 0xE1,
    "leftalt": 0xE2,
    "leftsuper": 0xE3,
    "rightctrl": 0xE4,
    "rightshift": 0xE5,
    "rightalt": 0xE6,
    "rightsuper": 0xE7,
}

# As the vSphere API calls the flags of an event (UsbScanCodeSpecModifierType), in the order of their usages
MODIFIERS: dict[int, Modifier] = {
    0xE0: "leftControl",
    0xE1: "leftShift",
    0xE2: "leftAlt",
    0xE3: "leftGui",
    0xE4: "rightControl",
    0xE5: "rightShift",
    0xE6: "rightAlt",
    0xE7: "rightGui",
}

_PLAIN = "abcdefghijklmnopqrstuvwxyz1234567890"  # from usage 4 on
_SHIFTED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()"
_SIGNS = {0x2D: "-_", 0x2E: "=+", 0x2F: "[{", 0x30: "]}", 0x31: "\\|", 0x33: ";:", 0x34: "'\"", 0x35: "`~",
          0x36: ",<", 0x37: ".>", 0x38: "/?"}  # fmt: skip

# What types each character: the usage, and whether Shift is held
CHARACTERS: dict[str, tuple[int, bool]] = {
    " ": (0x2C, False),
    **{character: (4 + index, False) for index, character in enumerate(_PLAIN)},
    **{character: (4 + index, True) for index, character in enumerate(_SHIFTED)},
    **{pair[0]: (usage, False) for usage, pair in _SIGNS.items()},
    **{pair[1]: (usage, True) for usage, pair in _SIGNS.items()},
}
