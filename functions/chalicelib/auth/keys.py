"""The public keys that tokens may be signed with, and for which algorithm each is good: never one that signs itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.api_jwk import PyJWK
from jwt.exceptions import PyJWTError

MAX_KEYS = 20
MAX_KID = 200
MIN_RSA_BITS = 2048
# Kind and curve of a key, and its one algorithm. There is no symmetric one: nobody can confuse what is not there.
ALGORITHMS: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
)


class InvalidKeys(ValueError):
    """The document is no set of keys that could be used; says why."""


def read_keys(document: str) -> Mapping[str, PyJWK]:
    """The usable keys of a JWK set (RFC 7517) by their ids; what cannot be used is left out.

    Raises:
        InvalidKeys: no JWK set, no usable key, or more than 20 of them.
    """
    try:
        members = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidKeys('it is no JWK set, as {"keys": [...]}') from None
    if not isinstance(members, list):
        raise InvalidKeys("its keys are no list")
    usable = [key for key in map(_usable, members) if key is not None]
    if len(usable) > MAX_KEYS:
        raise InvalidKeys(f"it has {len(usable)} usable keys, more than {MAX_KEYS}")
    # Two keys under one id: whichever was meant, the other would be taken for it.
    ids = Counter(kid for kid, _ in usable)
    keys = {kid: key for kid, key in usable if ids[kid] == 1}
    if not keys:
        raise InvalidKeys("it has no usable key: public Ed25519, P-256 or RSA (2048 bits or more), each with a kid")
    return MappingProxyType(keys)


def has_private_key(document: str) -> bool:
    """Whether a JWK set has what belongs to its issuer alone."""
    try:
        members = json.loads(document)["keys"]
        return any(isinstance(member, dict) and bool({"d", "k"} & set(member)) for member in members)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _usable(member: Any) -> tuple[str, PyJWK] | None:
    if not isinstance(member, dict) or {"d", "k"} & set(member):
        return None
    kid, kind, curve = member.get("kid"), member.get("kty"), member.get("crv")
    if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID or not isinstance(kind, str):
        return None
    algorithm = ALGORITHMS.get((kind, curve)) if isinstance(curve, str | None) else None
    operations = member.get("key_ops", ["verify"])
    if (
        algorithm is None
        or member.get("alg", algorithm) != algorithm
        or member.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
    ):
        return None
    try:
        key = PyJWK(member, algorithm)
    except (PyJWTError, ValueError, TypeError, OverflowError):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
        return None
    return kid, key
