"""Which family of BMCs is spoken to: the table, and the choice by what the BMC says of itself.

A family is one small file with its Ways, `dataclasses.replace(standard.WAYS, ...)` of what it does otherwise, and one
row here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steps.clients.redfish.families import standard
from steps.clients.redfish.ways import Ways
from steps.domain.bmc import BmcFacts


@dataclass(frozen=True)
class Family:
    """A row: the ways, and regular expressions which must be found in the BMC's words, whatever their case."""

    ways: Ways
    manufacturer: str = ""
    model: str = ""
    bmc_model: str = ""
    bmc_firmware: str = ""

    def fits(self, facts: BmcFacts) -> bool:
        pairs = (
            (self.manufacturer, facts.manufacturer),
            (self.model, facts.model),
            (self.bmc_model, facts.bmc_model),
            (self.bmc_firmware, facts.bmc_firmware),
        )
        return all(re.search(pattern, words, re.IGNORECASE) for pattern, words in pairs)


# The first row that fits is taken; the last fits every BMC
FAMILIES: tuple[Family, ...] = (Family(standard.WAYS),)


def choose(facts: BmcFacts, families: Sequence[Family] = FAMILIES) -> Ways:
    """The ways of the first family that fits what the BMC says of itself."""
    return next(family.ways for family in families if family.fits(facts))
