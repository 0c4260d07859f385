"""An issuer's public keys on their way: fetched where no database is, stored where no issuer can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.ports.access import KeyDocument
from chalicelib.ports.runtime import Telemetry

# A set that stays the same is sent again after this long, so that its age says when the issuer was last heard of.
SENT_AGAIN = timedelta(minutes=10)


class KeysNotFetched(Exception):
    """The issuer gave no keys; says why."""


def message_of(document: KeyDocument) -> str:
    """The document as a message."""
    fetched_at = document.fetched_at.isoformat()
    return json.dumps({"issuer": document.issuer, "document": document.text, "fetchedAt": fetched_at})


def document_of(message: str) -> KeyDocument:
    """The document of a message. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(message)
    return KeyDocument(str(fields["issuer"]), str(fields["document"]), datetime.fromisoformat(fields["fetchedAt"]))


class KeyFetcher:
    """Fetches an issuer's keys and hands on what is new. What it sent last, it knows while its process lives."""

    def __init__(
        self,
        *,
        issuer: str,
        fetch: Callable[[], str],
        check: Callable[[str], object],
        send: Callable[[KeyDocument], None],
        now: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._check = check
        self._send = send
        self._now = now
        self._telemetry = telemetry
        self._sent: KeyDocument | None = None

    def run(self) -> bool:
        """Hands the keys on where they are new or were sent long ago; whether it did.

        Raises:
            KeysNotFetched: the issuer gave none that can be used. The last good ones go on to count.
            Unavailable: the queue cannot be reached.
        """
        try:
            text = self._fetch()
            self._check(text)
        except (KeysNotFetched, ValueError) as error:
            self._telemetry.warn("issuer_keys_not_fetched", issuer=self._issuer, reason=str(error))
            self._telemetry.add_metric("IssuerKeysNotFetched")
            raise KeysNotFetched(f"The keys of {self._issuer} cannot be used: {error}.") from error
        document = KeyDocument(self._issuer, text, self._now())
        if self._sent and self._sent.text == text and document.fetched_at - self._sent.fetched_at < SENT_AGAIN:
            return False
        self._send(document)
        self._sent = document
        self._telemetry.log("issuer_keys_sent", issuer=self._issuer)
        return True
