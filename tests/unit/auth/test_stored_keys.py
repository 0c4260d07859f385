"""An external issuer's keys from the database: when they are read, and what old ones are good for."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import bootstrap
from chalicelib.auth.checker import JwtChecker
from chalicelib.auth.stored import StoredKeySet
from chalicelib.domain.errors import Unavailable
from chalicelib.http.identity import bearer
from chalicelib.ports.access import KeyDocument
from tests.fakes import FakeClock, RecordingTelemetry
from tests.fakes.tokens import AUDIENCE, ED, EXTERNAL, THEIRS, Token, a_key, jwks
from tests.unit.http.conftest import serve
from tests.unit.http.service import Service

NEW = a_key("RS256", "theirs-2")


@dataclass
class Documents:
    """`KeyDocuments` in memory."""

    clock: FakeClock
    stored: KeyDocument | None = None
    reads: list[datetime] = field(default_factory=list)
    outage: bool = False

    def store(self, *keys: object) -> None:
        self.stored = KeyDocument(EXTERNAL, jwks(*keys), self.clock.now())  # type: ignore[arg-type]

    def read(self, issuer: str) -> KeyDocument | None:
        self.reads.append(self.clock.now())
        if self.outage:
            raise Unavailable("The database is down.")
        return self.stored if issuer == EXTERNAL else None


@dataclass
class Issuer:
    """A service that lets in whom an external issuer knows."""

    service: Service
    clock: FakeClock
    documents: Documents

    def status(self, key: object = THEIRS, **header: object) -> int:
        """How a token of this moment, signed with this key, is answered."""
        now = int(self.clock.now().timestamp())
        token = replace(Token(key), now=now, claims={"iss": EXTERNAL}, header=header)  # type: ignore[arg-type]
        return self.service.call("GET", "/api/orders", headers={"Authorization": f"Bearer {token}"}).status


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Issuer:
    service = serve(monkeypatch)
    service.is_owned = service.has_trouble = True
    documents = Documents(service.clock)
    key_set = StoredKeySet(EXTERNAL, documents, now=service.clock.now, telemetry=service.telemetry)
    checker = JwtChecker({EXTERNAL: key_set}, audience=AUDIENCE, now=service.clock.now)
    identify = bearer(checker, service.telemetry)
    monkeypatch.setattr(bootstrap, "identify", lambda: identify)
    return Issuer(service, service.clock, documents)


def test_the_row_is_read_at_the_first_token_and_once_a_minute(issuer: Issuer) -> None:
    issuer.documents.store(THEIRS)
    assert issuer.service.call("GET", "/api/tokens").status == 200
    assert issuer.documents.reads == []
    for _ in range(5):
        assert issuer.status() == 200
        issuer.clock.advance(20)
    assert len(issuer.documents.reads) == 2


def test_an_unknown_kid_has_it_read_again_once_in_ten_seconds(issuer: Issuer) -> None:
    issuer.documents.store(THEIRS)
    assert issuer.status() == 200
    issuer.clock.advance(11)
    for _ in range(50):
        assert issuer.status(THEIRS, kid="' OR '1'='1") == 401
        issuer.clock.advance(0.1)
    assert len(issuer.documents.reads) == 2


def test_a_rotated_key_counts_within_two_minutes_without_a_deployment(issuer: Issuer) -> None:
    issuer.documents.store(THEIRS)
    assert issuer.status() == 200
    assert issuer.status(NEW) == 401
    issuer.documents.store(THEIRS, NEW)
    issuer.clock.advance(10)
    assert issuer.status(NEW) == issuer.status() == 200
    # The old one goes, and counts no more, a minute later at the latest.
    issuer.documents.store(NEW)
    issuer.clock.advance(60)
    assert (issuer.status(), issuer.status(NEW)) == (401, 200)


@pytest.mark.parametrize(
    ("hours", "status", "is_told"), [(0.9, 200, False), (1.1, 200, True), (23, 200, True), (25, 503, True)]
)
def test_an_issuer_that_is_down_changes_nothing_for_a_day(
    issuer: Issuer, hours: float, status: int, is_told: bool
) -> None:
    issuer.documents.store(THEIRS)
    assert issuer.status() == 200
    issuer.clock.advance(hours * 3600)
    assert issuer.status() == status
    assert (issuer.service.telemetry.total("StaleIssuerKeys") > 0) is is_told
    # It is back.
    issuer.documents.store(THEIRS)
    issuer.clock.advance(60)
    assert issuer.status() == 200


def test_without_any_keys_nobody_can_be_let_in_or_refused(issuer: Issuer) -> None:
    assert issuer.status() == 503
    issuer.documents.store(THEIRS)
    issuer.clock.advance(10)
    assert issuer.status() == 200


def test_a_database_that_is_away_costs_nothing_while_the_keys_are_known(issuer: Issuer) -> None:
    issuer.documents.outage = True
    assert issuer.status() == 503
    issuer.documents.outage = False
    issuer.documents.store(THEIRS)
    assert issuer.status() == 200
    issuer.documents.outage = True
    issuer.clock.advance(3600)
    assert issuer.status() == 200
    assert len(issuer.documents.reads) == 3


def test_what_cannot_be_used_leaves_the_last_good_keys(issuer: Issuer) -> None:
    issuer.documents.store(THEIRS)
    assert issuer.status() == 200
    issuer.documents.store({"kty": "oct", "k": "c2VjcmV0", "kid": "theirs-1"})
    issuer.clock.advance(60)
    assert issuer.status() == 200
    assert issuer.service.telemetry.logged("issuer_keys_unusable")


def test_nobody_else_s_keys_are_in_the_ring() -> None:
    clock = FakeClock()
    documents = Documents(clock)
    documents.store(ED)
    key_set = StoredKeySet("https://another.example.com/", documents, now=clock.now, telemetry=RecordingTelemetry())
    with pytest.raises(Unavailable):
        key_set.find("ed-1")
    assert key_set.max_lifetime == timedelta(hours=24)
    assert documents.reads[0].tzinfo is UTC
