"""A service over ports in memory for every test."""

import pytest

from chalicelib import bootstrap
from tests.unit.http_contract.service import Service


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """The API function with ports in memory behind it."""
    running = Service()
    monkeypatch.setattr(bootstrap, "api", lambda: running.api)
    monkeypatch.setattr(bootstrap, "telemetry", lambda: running.telemetry)
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", running.websocket_url)
    return running
