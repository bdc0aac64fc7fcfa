"""Settings for every test, and what is ended when the last one has."""

from hypothesis import settings

from tests.lab.kube.fixture import take_down_unused

# How long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_sessionfinish() -> None:
    """The cluster that one module of tests left up for the next."""
    take_down_unused()
