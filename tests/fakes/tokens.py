"""An issuer for tests: keys, tokens that are right, and the means to make every wrong one."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

# The moment at which every token is made, so that each test is the same one on every day.
NOW = 1_795_700_000
ISSUER, AUDIENCE = "urn:order-engine:test", "order-engine"
EXTERNAL = "https://login.example.com/"


def b64(data: bytes | str | object) -> str:
    """A token's part: bytes as they are, text as UTF-8, anything else as JSON."""
    raw = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True)
class Key:
    """A private key, its id, and the algorithm that it is for."""

    kid: str
    algorithm: str
    private: Any

    def jwk(self, **changes: object) -> dict[str, Any]:
        """The public half; a change to None leaves a member out."""
        made = json.loads(get_default_algorithms()[self.algorithm].to_jwk(self.private.public_key()))
        members = {**made, "kid": self.kid, "use": "sig", "alg": self.algorithm, **changes}
        members.pop("key_ops", None)
        return {name: value for name, value in members.items() if value is not None}

    def sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        """The signature, by another algorithm where one is named."""
        made: bytes = get_default_algorithms()[algorithm or self.algorithm].sign(data, self.private)
        return made


@cache
def a_key(algorithm: str, kid: str, bits: int = 2048) -> Key:
    """A key of its own for each id."""
    match algorithm:
        case "EdDSA":
            return Key(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
        case "ES256":
            return Key(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        case "RS256":
            return Key(kid, algorithm, rsa.generate_private_key(65537, bits))
    raise ValueError(algorithm)


ED, EC, RSA = a_key("EdDSA", "ed-1"), a_key("ES256", "ec-1"), a_key("RS256", "rsa-1")
THEIRS = a_key("RS256", "theirs-1")


def jwks(*keys: Key | Mapping[str, object]) -> str:
    """A JWK set."""
    return json.dumps({"keys": [key.jwk() if isinstance(key, Key) else key for key in keys]})


@dataclass(frozen=True)
class Token:
    """A token that is right, but for what a test changes; a change to `...` leaves a claim out."""

    key: Key = ED
    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    now: int = NOW

    @property
    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims."""
        header = {"alg": self.key.algorithm, "kid": self.key.kid, "typ": "JWT", **self.header}
        claims = {
            "iss": EXTERNAL if self.key is THEIRS else ISSUER,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": self.now,
            "exp": self.now + 3600,
            **self.claims,
        }
        return (
            {name: value for name, value in header.items() if value is not ...},
            {name: value for name, value in claims.items() if value is not ...},
        )

    def __str__(self) -> str:
        header, claims = self.parts
        return self.of(b64(header), b64(claims))

    def of(self, header: str, payload: str, algorithm: str | None = None) -> str:
        """The token with these parts, properly signed."""
        data = f"{header}.{payload}"
        return f"{data}.{b64(self.key.sign(data.encode(), algorithm))}"


def bearer(subject: str = "alice", **claims: object) -> str:
    """What an Authorization header says for this user."""
    return f"Bearer {Token(claims={'sub': subject, **claims})}"
