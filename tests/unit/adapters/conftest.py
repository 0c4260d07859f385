"""AWS in memory for a module at a time: starting it takes longer than most tests."""

from collections.abc import Iterator

import pytest
from moto import mock_aws


@pytest.fixture(scope="module", autouse=True)
def region() -> Iterator[None]:
    """A region and credentials that open nothing."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def aws(region: None) -> Iterator[None]:
    """AWS in memory."""
    with mock_aws():
        yield
