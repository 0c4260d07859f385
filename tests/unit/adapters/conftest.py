"""AWS in memory for a module at a time: starting it takes longer than most tests."""

from collections.abc import Iterator

import pytest

from tests.fakes.aws import aws_in_memory, credentials


@pytest.fixture(autouse=True)
def region() -> Iterator[None]:
    """A region and credentials that open nothing."""
    with credentials():
        yield


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    """AWS in memory."""
    with aws_in_memory():
        yield
