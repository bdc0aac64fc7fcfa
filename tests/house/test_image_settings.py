"""What is said of the settings of images is what the code reads: the page's tables, and the schema for editors."""

import json
from pathlib import Path

import pytest

from steps.domain.image.settings import Settings
from tests.house.settings_reference import GROUPS, PACKER, page, rows
from tests.house.test_golden import compare

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "image-settings.md"
SCHEMA = ROOT / "config" / "schema" / "images.json"


@pytest.mark.golden
def test_the_tables_of_the_page() -> None:
    compare(PAGE, page(PAGE.read_text()))


@pytest.mark.golden
def test_the_schema_for_editors() -> None:
    schema = {"title": "Settings of an image", **Settings.model_json_schema()}
    compare(SCHEMA, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def test_the_page_has_every_group_and_so_every_key() -> None:
    assert {name for model in GROUPS.values() for name in model.model_fields} == set(Settings.model_fields)
    for group in GROUPS:
        assert f"<!-- table {group} -->" in PAGE.read_text()


@pytest.mark.parametrize("group", GROUPS)
def test_every_key_says_what_it_means(group: str) -> None:
    assert [name for name, meaning, *_ in rows(GROUPS[group]) if not meaning] == []


def test_packers_names_are_of_keys_that_there_are() -> None:
    assert PACKER.keys() <= set(Settings.model_fields)
