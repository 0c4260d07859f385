"""A service in jwt mode, over ports in memory."""

from datetime import UTC, datetime

import pytest

from chalicelib import bootstrap
from chalicelib.auth.checker import MAX_LIFETIME, FixedKeySet, JwtChecker
from chalicelib.auth.keys import read_keys
from chalicelib.http.identity import bearer
from tests.fakes.tokens import AUDIENCE, EC, ED, EXTERNAL, ISSUER, NOW, RSA, THEIRS, a_key, b64, jwks
from tests.unit.http.conftest import serve
from tests.unit.http.service import Service


def now() -> datetime:
    """The moment at which every test's token is made."""
    return datetime.fromtimestamp(NOW, UTC)


def the_rings() -> dict[str, FixedKeySet]:
    """Our issuer's keys, some of them of no use, and an external one's."""
    short, oct_key = a_key("RS256", "short", 1024), {"kty": "oct", "k": b64(b"0" * 32), "kid": "oct-1"}
    disguised = {**RSA.jwk(kid="disguised"), "kty": "oct"}
    return {
        ISSUER: FixedKeySet(read_keys(jwks(ED, EC, RSA, short, oct_key, disguised))),
        EXTERNAL: FixedKeySet(read_keys(jwks(THEIRS)), MAX_LIFETIME),
    }


def guard(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Has the service ask for tokens."""
    service.is_owned = True
    checker = JwtChecker(the_rings(), audience=AUDIENCE, revoked=("stolen",), now=now)
    identify = bearer(checker, service.telemetry)
    monkeypatch.setattr(bootstrap, "identify", lambda: identify)
    return service


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service that asks for tokens."""
    return guard(serve(monkeypatch), monkeypatch)
