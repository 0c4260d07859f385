"""An engine in memory for each test."""

import pytest

from tests.fakes.engine import Engine


@pytest.fixture
def engine() -> Engine:
    """Every port in memory, one clock for all."""
    return Engine()
