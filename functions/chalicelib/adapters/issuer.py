"""Asking an issuer for its public keys: no redirect is followed, and nothing waited for for long."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from chalicelib.services.issuer_keys import KeysNotFetched

DEADLINE_SECONDS = 3.0
MAX_DOCUMENT = 64 * 1024
_CHUNK = 8 * 1024


def fetch(url: str, *, allow_http: bool = False, deadline_seconds: float = DEADLINE_SECONDS) -> str:
    """The text of a JWK set, of 64 KiB at most. Redirects and proxies of the environment are not followed.

    Raises:
        KeysNotFetched: another scheme than https, another status than 200, too large, too slow, or not reached.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        raise KeysNotFetched(f"{parts.scheme or 'its address'} is no https")
    until = time.monotonic() + deadline_seconds
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=deadline_seconds)
    try:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise KeysNotFetched(f"it answers {response.status}")
        return _read(response, connection, until).decode("utf-8")
    except (OSError, http.client.HTTPException, UnicodeDecodeError, ValueError) as error:
        raise KeysNotFetched(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    """The body, within the time that is left: a time-out alone counts from each byte anew."""
    body = b""
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise KeysNotFetched("it takes too long")
        if connection.sock is not None:
            connection.sock.settimeout(left)
        chunk = response.read1(_CHUNK)
        if not chunk:
            if response.length:
                raise KeysNotFetched("its answer broke off")
            return body
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise KeysNotFetched(f"it has more than {MAX_DOCUMENT} bytes")
