"""An external issuer's keys, as `store_keys` wrote them into the database: no request ever waits for the issuer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from jwt.api_jwk import PyJWK

from chalicelib.auth.checker import MAX_LIFETIME
from chalicelib.auth.keys import InvalidKeys, read_keys
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.access import KeyDocuments
from chalicelib.ports.runtime import Telemetry

# How often a process reads the row, and how soon again where a token names a key that is not in it.
READ_AGAIN, READ_AGAIN_FOR_A_KID = timedelta(minutes=1), timedelta(seconds=10)
# From when on an alarm tells that the keys are old, and nobody is let in by them.
STALE, TOO_OLD = timedelta(hours=1), timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class _Known:
    keys: Mapping[str, PyJWK]
    fetched_at: datetime


class StoredKeySet:
    """`KeySet` of the keys in the database, read once a minute."""

    max_lifetime = MAX_LIFETIME

    def __init__(
        self, issuer: str, documents: KeyDocuments, *, now: Callable[[], datetime], telemetry: Telemetry
    ) -> None:
        self._issuer = issuer
        self._documents = documents
        self._now = now
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._known: _Known | None = None

    def find(self, kid: str) -> PyJWK | None:
        with self._lock:
            self._read_if_older(READ_AGAIN)
            if self._known is None or kid not in self._known.keys:
                self._read_if_older(READ_AGAIN_FOR_A_KID)
            if self._known is None:
                raise Unavailable(f"No keys of {self._issuer} have come yet.")
            age = self._now() - self._known.fetched_at
            if age > STALE:
                self._telemetry.add_metric("StaleIssuerKeys")
            if age > TOO_OLD:
                self._telemetry.warn(
                    "issuer_keys_too_old", issuer=self._issuer, hours=round(age.total_seconds() / 3600)
                )
                raise Unavailable(f"The keys of {self._issuer} are older than a day.")
            return self._known.keys.get(kid)

    def _read_if_older(self, age: timedelta) -> None:
        now = self._now()
        if self._read_at is not None and now - self._read_at < age:
            return
        # Before it is tried: a database that is away is not asked by every request either.
        self._read_at = now
        try:
            document = self._documents.read(self._issuer)
        except Unavailable as error:
            if self._known is None:
                self._read_at = None
                raise
            self._telemetry.warn("issuer_keys_not_read", reason=str(error))
            return
        if document is None:
            return
        try:
            self._known = _Known(read_keys(document.text), document.fetched_at)
        except InvalidKeys as error:
            # What was stored was checked before: a document of other code. The last good keys stay.
            self._telemetry.warn("issuer_keys_unusable", issuer=self._issuer, reason=str(error))
