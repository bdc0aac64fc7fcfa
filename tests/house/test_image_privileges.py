"""The page of privileges lists what the code asks for, and names those that vSphere has."""

import re
from pathlib import Path

import pytest

from steps.domain.image.privileges import NEEDED
from tests.house.test_golden import compare

PAGE = Path(__file__).parents[2] / "docs" / "image-privileges.md"
LIST = re.compile(r"(<!-- privileges -->\n).*?(<!-- end -->\n)", re.DOTALL)


@pytest.mark.golden
def test_the_list_of_the_page() -> None:
    lines = ["| on the | privileges |\n", "|---|---|\n"]
    lines += [f"| {on} | {', '.join(f'`{name}`' for name in names)} |\n" for on, names in NEEDED.items()]
    compare(PAGE, LIST.sub(lambda match: match[1] + "".join(lines) + match[2], PAGE.read_text()))
