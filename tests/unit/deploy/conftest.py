from collections.abc import Iterator

import pytest

from tests.unit.deploy.api import Api, served
from workflows.deploy.server import Server


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def server(api: Api) -> Iterator[Server]:
    with served(api) as kube:
        yield Server(kube)
