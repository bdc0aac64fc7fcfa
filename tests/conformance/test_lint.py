"""Argo's own linter on every conformance case."""

from pathlib import Path

import pytest

from tests.conformance.cases import CASES
from tests.lab.kube.fixture import why_not
from tests.lab.kube.lint import lint


@pytest.mark.lab
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_argo_lint(tmp_path: Path) -> None:
    manifests = [each for case in CASES for each in (case.manifest(), *(t.to_dict() for t in case.templates))]
    assert lint(tmp_path, manifests) == ""
