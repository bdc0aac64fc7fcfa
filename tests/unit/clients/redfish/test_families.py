"""What a BMC says of itself: facts out of its documents, and the family that is chosen by them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from steps.clients.redfish.families import FAMILIES, Family, choose, standard
from steps.clients.redfish.reading import read_facts
from steps.domain.bmc import BmcFacts

CASES = sorted(Path(__file__).parents[3].joinpath("cases", "redfish_facts").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_documents_become_facts_and_a_family(case: Path) -> None:
    documents: dict[str, Any] = yaml.safe_load(case.read_text())
    facts = read_facts(documents["system"], documents["managers"], documents["nics"])
    assert facts == BmcFacts.model_validate(documents["facts"])
    assert choose(facts).family == documents["family"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 5


DELL = replace(standard.WAYS, family="dell")
OLD_DELL = replace(standard.WAYS, family="old-dell")
TABLE = (
    Family(OLD_DELL, manufacturer=r"^dell\b", bmc_firmware=r"^2\."),
    Family(DELL, manufacturer=r"^dell\b"),
    *FAMILIES,
)


@pytest.mark.parametrize(
    ("manufacturer", "firmware", "family"),
    [
        ("Dell Inc.", "2.85.85.85", "old-dell"),
        ("DELL INC.", "7.00.30.00", "dell"),
        ("Dell Inc.", "", "dell"),
        ("Not Dell", "2.1", "standard"),
        ("Dellwood", "2.1", "standard"),
        ("", "2.1", "standard"),
    ],
)
def test_the_first_row_that_fits_is_taken(manufacturer: str, firmware: str, family: str) -> None:
    facts = BmcFacts(manufacturer=manufacturer, bmc_firmware=firmware)
    assert choose(facts, TABLE).family == family


def test_the_last_row_takes_every_bmc() -> None:
    assert FAMILIES[-1] == Family(FAMILIES[-1].ways)
