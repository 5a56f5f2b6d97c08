from collections.abc import Iterator

import pytest

from tools.testing.custom_event_bus import StandIn, built


def pytest_sessionstart() -> None:
    """Builds before a test's time limit begins."""
    built()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.close()
