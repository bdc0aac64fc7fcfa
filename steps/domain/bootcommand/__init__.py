"""A boot command in Packer's grammar: text to keys, keys to batches of USB scan codes.

parse(["<esc><wait>", "linux ks=http://{{ .HTTPIP }}/ks.cfg<enter>"])  ->  actions, or every fault with its column
fill(text, {"HTTPIP": "10.0.0.5"})                                     ->  the text with its template variables
batches(actions, Pace())                                               ->  what one PutUsbScanCodes call each takes
"""

from steps.domain.bootcommand.actions import Action, Hold, Key, Release, Wait
from steps.domain.bootcommand.fill import fill, variables
from steps.domain.bootcommand.parse import parse
from steps.domain.bootcommand.scancodes import Batch, KeyEvent, Pace, batches, duration_s

__all__ = [
    "Action",
    "Batch",
    "Hold",
    "Key",
    "KeyEvent",
    "Pace",
    "Release",
    "Wait",
    "batches",
    "duration_s",
    "fill",
    "parse",
    "variables",
]
