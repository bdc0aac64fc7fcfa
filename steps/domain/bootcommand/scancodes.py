"""Actions as batches of key events, each batch what one PutUsbScanCodes call takes.

An event of that call is a key pressed and let go at once, with the modifiers that are down meanwhile: there is no call
that only presses. So a held modifier is a flag on every event typed while it is held, left or right as it was written
(Packer has one flag for Ctrl, Alt and Shift each, and loses right-hand ones and Super). A modifier that was held while
nothing was typed is sent as a key of its own when it is let go, e.g. Super to open a menu. Any other held key is
pressed once, when it is held; the interface has no way to keep it down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from steps.domain.bootcommand.actions import Action, Hold, Release, Wait
from steps.domain.bootcommand.keyboard import CHARACTERS, MODIFIERS, SPECIALS, Modifier

KEYBOARD_PAGE = 7
SHIFT, RIGHT_SHIFT = 0xE1, 0xE5


@dataclass(frozen=True)
class KeyEvent:
    """One key pressed and released."""

    usage: int
    modifiers: tuple[Modifier, ...] = ()  # in the order of their usages

    @property
    def usb_hid_code(self) -> int:
        """The usage as PutUsbScanCodes wants it: its page in the low half."""
        return self.usage << 16 | KEYBOARD_PAGE


@dataclass(frozen=True)
class Batch:
    """Send these events in one call (none: make no call), then wait."""

    events: tuple[KeyEvent, ...]
    pause_s: float


@dataclass(frozen=True)
class Pace:
    """How fast to type. Loaders that read through the BIOS have room for 15 keys, so a batch stays well below that.

    Packer's pace is Pace(batch_size=1, interval_s=0.1).
    """

    batch_size: int = 8
    interval_s: float = 0.1

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= self.interval_s < float("inf"):
            raise ValueError(f"no pace to type at: {self}")


def batches(actions: Iterable[Action], pace: Pace) -> tuple[Batch, ...]:
    """The batches in their order. A wait ends the batch before it; whatever is still held at the end is let go.

    After a batch the interval passes, or the wait written there if that is longer.
    """
    typist = _Typist(pace)
    for action in actions:
        typist.do(action)
    return typist.finished()


def duration_s(batches: Sequence[Batch]) -> float:
    """How long typing takes, the calls themselves not counted."""
    return sum(batch.pause_s for batch in batches)


class _Typist:
    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.done: list[Batch] = []
        self.events: list[KeyEvent] = []
        self.wait_s = 0.0  # asked for since the last event; waits in a row add up
        self.held: dict[int, bool] = {}  # usage of a modifier -> whether something was typed with it

    def do(self, action: Action) -> None:
        if isinstance(action, Wait):
            self.wait_s += action.seconds
            return
        usage, shifted = _usage(action.name)
        if isinstance(action, Release):
            self._release(usage)
        elif isinstance(action, Hold) and usage in MODIFIERS:
            self.held.setdefault(usage, False)
        else:
            self._press(usage, shifted)

    def finished(self) -> tuple[Batch, ...]:
        for usage in reversed(self.held.copy()):
            self._release(usage)
        self._flush()
        return tuple(self.done)

    def _press(self, usage: int, shifted: bool) -> None:
        if self.wait_s or len(self.events) == self.pace.batch_size:
            self._flush()
        for each in self.held:
            self.held[each] = True
        down = {*self.held, SHIFT} if shifted and RIGHT_SHIFT not in self.held else {*self.held}
        self.events.append(KeyEvent(usage, tuple(MODIFIERS[each] for each in sorted(down - {usage}))))

    def _release(self, usage: int) -> None:
        if self.held.pop(usage, True) is False:
            self._press(usage, shifted=False)

    def _flush(self) -> None:
        if self.events or self.wait_s:
            least_s = self.pace.interval_s if self.events else 0.0
            self.done.append(Batch(tuple(self.events), max(self.wait_s, least_s)))
        self.events, self.wait_s = [], 0.0


def _usage(name: str) -> tuple[int, bool]:
    return CHARACTERS[name] if name in CHARACTERS else (SPECIALS[name], False)
