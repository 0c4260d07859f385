"""The checks of an access token: PyJWT's keys verify the signature, all else is decided here, and more strictly.

The claimed issuer chooses the set of keys, the `kid` a key in it, and the key its algorithm: what the token says of
its algorithm only has to agree. Nothing that a token names is ever fetched.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from jwt.api_jwk import PyJWK

from chalicelib import strict_json
from chalicelib.auth.errors import Reason, Refused
from chalicelib.domain.identity import Scope
from chalicelib.domain.text import is_name
from chalicelib.ports.access import Claims

MAX_AUTHORIZATION = 8 * 1024
MAX_HEADER, MAX_PAYLOAD, MAX_SIGNATURE = 1024, 6 * 1024, 1024
# Linear: no part can be matched in two ways. The lengths are of the encoded parts.
BEARER = re.compile(
    r"[Bb][Ee][Aa][Rr][Ee][Rr] +(?P<signed>(?P<header>[\w-]+)\.(?P<payload>[\w-]+))\.(?P<signature>[\w-]*)", re.ASCII
)
# They name keys or rules of the sender's own, or change what is signed.
FORBIDDEN_HEADERS = frozenset({"jku", "x5u", "jwk", "x5c", "crit", "b64", "zip", "enc"})
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
# Seconds that clocks may differ by.
LEEWAY = 30
# Signatures that held, of at most 8 KiB each: half of what a check takes is to verify one.
REMEMBERED = 256
# How long a token may live: an external issuer's, and one of our own, which stands for an API key.
MAX_LIFETIME, MAX_OWN_LIFETIME = timedelta(hours=24), timedelta(days=90)
# The end of the year 9999: what is later is no time.
LAST_SECOND = 253_402_300_799
EVERY_SCOPE = frozenset(Scope)


class KeySet(Protocol):
    """One issuer's keys."""

    @property
    def max_lifetime(self) -> timedelta:
        """The longest time between `iat` and `exp` of a token that it signed."""

    def find(self, kid: str) -> PyJWK | None:
        """The key of this id. Raises `Unavailable` where the keys are too old to say."""


@dataclass(frozen=True, slots=True)
class FixedKeySet:
    """Keys that a setting names."""

    keys: Mapping[str, PyJWK]
    max_lifetime: timedelta = MAX_OWN_LIFETIME

    def find(self, kid: str) -> PyJWK | None:
        return self.keys.get(kid)


class JwtChecker:
    """`TokenChecker` for signed JWTs of these issuers, for this audience."""

    def __init__(
        self,
        key_sets: Mapping[str, KeySet],
        *,
        audience: str,
        revoked: Collection[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key_sets = key_sets
        self._audience = audience
        self._revoked = frozenset(revoked)
        self._now = now

    def check(self, authorization: Sequence[str]) -> Claims:
        match = _bearer(authorization)
        header, claims = _object(match["header"], MAX_HEADER), _object(match["payload"], MAX_PAYLOAD)
        kid, algorithm = _checked_header(header)
        issuer = claims.get("iss")
        key_set = self._key_sets.get(issuer) if isinstance(issuer, str) else None
        if key_set is None:
            raise Refused(Reason.UNKNOWN_ISSUER)
        key = key_set.find(kid)
        if key is None:
            raise Refused(Reason.UNKNOWN_KEY)
        if algorithm != key.algorithm_name:
            raise Refused(Reason.ALGORITHM, kid)
        try:
            _verify(match["signed"], match["signature"], key)
        except ValueError:  # of what cryptography finds in the signature's bytes, too
            raise Refused(Reason.SIGNATURE, kid) from None
        try:
            return self._checked_claims(claims, key_set.max_lifetime)
        except Refused as refused:
            raise Refused(refused.reason, kid) from None

    def _checked_claims(self, claims: Mapping[str, object], max_lifetime: timedelta) -> Claims:
        now = int(self._now().timestamp())
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        if expires + LEEWAY <= now:
            raise Refused(Reason.EXPIRED)
        if issued > now + LEEWAY or ("nbf" in claims and _number(claims, "nbf") > now + LEEWAY):
            raise Refused(Reason.CLAIMS)
        if not 0 < expires - issued <= max_lifetime.total_seconds():
            raise Refused(Reason.LIFETIME)
        self._check_audience(claims)
        subject, token_id = claims.get("sub"), claims.get("jti")
        if not isinstance(subject, str) or not is_name(subject):
            raise Refused(Reason.SUBJECT)
        if token_id is not None and not isinstance(token_id, str):
            raise Refused(Reason.CLAIMS)
        if token_id in self._revoked:
            raise Refused(Reason.REVOKED)
        return Claims(subject, _scopes(claims), datetime.fromtimestamp(expires, UTC), token_id)

    def _check_audience(self, claims: Mapping[str, object]) -> None:
        use, audience = claims.get("token_use"), claims.get("aud")
        if use not in (None, "access"):
            raise Refused(Reason.CLAIMS)
        if "aud" not in claims:
            # Cognito's access tokens have none.
            audience = claims.get("client_id") if use == "access" else None
        named = audience if isinstance(audience, list) else [audience]
        if self._audience not in named or not all(isinstance(name, str) for name in named):
            raise Refused(Reason.AUDIENCE)


def _bearer(authorization: Sequence[str]) -> re.Match[str]:
    if not authorization:
        raise Refused(Reason.MISSING)
    if len(authorization) > 1:
        raise Refused(Reason.REPEATED)
    (value,) = authorization
    match = BEARER.fullmatch(value.strip(" \t")) if len(value) <= MAX_AUTHORIZATION else None
    if match is None or len(match["signature"]) > MAX_SIGNATURE:
        raise Refused(Reason.MALFORMED)
    return match


def _object(part: str, limit: int) -> Mapping[str, object]:
    """A part of the token as the JSON object that it is: no key twice, no number that is none."""
    if len(part) > limit:
        raise Refused(Reason.MALFORMED)
    try:
        value = strict_json.read(_decoded(part).decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(Reason.MALFORMED) from None
    if not isinstance(value, dict):
        raise Refused(Reason.MALFORMED)
    return value


def _checked_header(header: Mapping[str, object]) -> tuple[str, str]:
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if FORBIDDEN_HEADERS & set(header) or not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Refused(Reason.HEADER)
    if not isinstance(kid, str):
        raise Refused(Reason.UNKNOWN_KEY)
    if not isinstance(algorithm, str):
        raise Refused(Reason.ALGORITHM)
    return kid, algorithm


def _decoded(part: str) -> bytes:
    """The bytes of a part. Raises `ValueError` unless it is the one way to write them: the last character's bits that
    count for nothing are zero."""
    content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode():
        raise ValueError("bits that count for nothing")
    return content


# That this very key object signed this very text stays true. Whether the key is in its set and the token counts still
# (its end, its being revoked) is asked each time, around this; keys that are read again are other objects.
@lru_cache(maxsize=REMEMBERED)
def _verify(signed: str, signature: str, key: PyJWK) -> None:
    """Raises `ValueError`, which is not remembered, unless the key signed it."""
    if not key.Algorithm.verify(signed.encode(), key.key, _decoded(signature)):
        raise ValueError("another signature")


def _number(claims: Mapping[str, object], name: str) -> int:
    """A time in whole seconds since 1970. JSON's true and a number in quotes are none."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= LAST_SECOND:
        raise Refused(Reason.CLAIMS)
    return int(value)


def _scopes(claims: Mapping[str, object]) -> frozenset[Scope]:
    """Those of ours that the token names; one that names none may do everything for its own subject."""
    named = EVERY_SCOPE & {*_words(claims.get("scope")), *_words(claims.get("scp"))}
    return named or EVERY_SCOPE


def _words(value: object) -> Iterable[str]:
    """The scopes of a claim: words in a text (RFC 8693), or a list, as some issuers write it."""
    if isinstance(value, str):
        return value.split(" ")
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return value
    raise Refused(Reason.CLAIMS)
