"""A service over ports in memory for every test."""

from collections.abc import Iterator

import pytest

from chalicelib import bootstrap
from chalicelib.http.identity import anyone
from tests.fakes import MemoryFollowers
from tests.unit.http.service import Service


def serve(monkeypatch: pytest.MonkeyPatch) -> Service:
    """Has the app use a new service until the patch is undone."""
    running = Service()
    monkeypatch.setattr(bootstrap, "api", lambda: running.api)
    monkeypatch.setattr(bootstrap, "identify", lambda: anyone)
    monkeypatch.setattr(bootstrap, "telemetry", lambda: running.telemetry)
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", running.websocket_url)
    return running


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    """The API function with ports in memory behind it."""
    return serve(monkeypatch)


@pytest.fixture
def followers() -> MemoryFollowers:
    """Who follows what."""
    return MemoryFollowers()


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Service]:
    """One for all examples of a module's properties, which put what they need into it anew."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield serve(monkeypatch)
