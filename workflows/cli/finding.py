"""What a look at something has found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `hint` says what to do when it is not well."""

    what: str
    found: str
    hint: str = ""

    @property
    def is_well(self) -> bool:
        return not self.hint
