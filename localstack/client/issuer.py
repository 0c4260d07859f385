"""The issuer of this clone: its key, the tokens that it signs, and the parameters with which a stack believes it.

The private key stays in a file that only its owner can read; a stack knows the public half.
"""

import json
import re
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localstack.errors import UserError
from localstack.local_stack.files import write_secret
from localstack.paths import STATE
from order_engine.cli.program import read_claims
from order_engine.cli.times import parse_duration

ISSUER, AUDIENCE = "urn:order-engine:local", "order-engine"
KEY_FILE = STATE / "issuer" / "key.json"
REVOKED_FILE = STATE / "issuer" / "revoked.json"
SCOPES = ("orders:read", "orders:write")
LONGEST_SECONDS = 90 * 24 * 3600
JTI = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Of the tokens that are made here.
_OWN_JTI = re.compile(r"[0-9a-f]{16}")


def seconds_of(text: str) -> int:
    """A duration such as 30m, 12h or 90d in seconds. Raises UserError for anything else, and past 90 days."""
    duration = parse_duration(text)
    seconds = int(duration.total_seconds()) if duration is not None else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise UserError(f"--for takes a time such as 30m, 12h or 90d, 90 days at most, not {text!r}.")
    return seconds


@dataclass(frozen=True)
class Issuer:
    """An issuer's private key, as a JWK, and how it calls itself."""

    jwk: Mapping[str, Any]
    name: str = ISSUER
    audience: str = AUDIENCE

    @property
    def public_keys(self) -> str:
        """The public half, as the JWK set that AuthKeys takes."""
        from jwt.api_jwk import PyJWK

        key = PyJWK(dict(self.jwk))
        public = json.loads(key.Algorithm.to_jwk(key.key.public_key()))
        public.pop("key_ops", None)
        members = {**public, "kid": self.jwk["kid"], "alg": key.algorithm_name, "use": "sig"}
        return json.dumps({"keys": [members]}, separators=(",", ":"))

    def sign(self, user: str, seconds: int, scopes: Iterable[str] = ()) -> str:
        """An access token for this user; one without scopes may read and write."""
        from jwt.api_jwk import PyJWK
        from jwt.api_jwt import PyJWT

        key, now = PyJWK(dict(self.jwk)), int(time.time())
        claims: dict[str, Any] = {"iss": self.name, "aud": self.audience, "sub": user, "iat": now}
        claims |= {"exp": now + seconds, "jti": secrets.token_hex(8)}
        if scopes:
            claims["scope"] = " ".join(scopes)
        return PyJWT().encode(claims, key, algorithm=key.algorithm_name, headers={"kid": self.jwk["kid"]})


def read_issuer(path: Path = KEY_FILE, name: str = ISSUER, audience: str = AUDIENCE) -> Issuer:
    """The issuer whose key is in this file, which is made where there is none.

    Raises UserError where it holds something else, or others may read it.
    """
    if not path.exists():
        _make_key(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UserError(f"{path} can be read by others: chmod 600 {path}, and take another key if anybody has.")
    try:
        jwk = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} holds no private key as a JWK: give another file with --key.") from error
    if not isinstance(jwk, dict) or not jwk.get("d") or not isinstance(jwk.get("kid"), str):
        raise UserError(f"{path} holds no private key as a JWK with a kid: give another file with --key.")
    return Issuer(jwk, name, audience)


def _make_key(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from jwt.algorithms import OKPAlgorithm

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent == KEY_FILE.parent:
        path.parent.chmod(0o700)
    jwk = json.loads(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate()))
    jwk.pop("key_ops", None)
    write_secret(path, json.dumps({**jwk, "kid": secrets.token_hex(4)}))


def token_id_of(text: str) -> str:
    """The id (jti) that this is, or that this token has. Raises UserError where it is neither."""
    if text.count(".") == 2 and len(text) > 64:
        text = str(read_claims(text).get("jti", ""))
        if not text:
            raise UserError("That token cannot be revoked: it has no jti.")
        if not JTI.fullmatch(text):
            raise UserError("That token cannot be revoked: its jti has more than letters, digits, dots and dashes.")
    elif not _OWN_JTI.fullmatch(text):
        raise UserError(f"{text[:64]!r} is no token, nor the id (jti) of one: 16 hexadecimal digits.")
    return text


def revoked(path: Path = REVOKED_FILE) -> list[str]:
    """The ids of the tokens of this clone's issuer that count no more, without those that have expired anyway.

    Raises UserError where the file is damaged: taken for empty, it would let in whoever was shut out.
    """
    return list(_still_revoked(path))


def revoke(name: str, path: Path = REVOKED_FILE) -> list[str]:
    """Adds one, and returns all. Raises UserError as `revoked`."""
    with_it = {**_still_revoked(path), name: time.time()}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(path, json.dumps(with_it))
    return list(with_it)


def _still_revoked(path: Path) -> dict[str, float]:
    """When each was revoked, in seconds since the epoch."""
    try:
        written = {str(name): float(at) for name, at in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: it names revoked tokens. Remove it and revoke them again.") from error
    return {name: at for name, at in written.items() if at > time.time() - LONGEST_SECONDS}


def parameters() -> dict[str, str]:
    """The template's parameters with which a stack asks for tokens, and believes this clone's issuer."""
    return {
        "AuthMode": "jwt",
        "AuthIssuer": ISSUER,
        "AuthAudience": AUDIENCE,
        "AuthKeys": read_issuer().public_keys,
        "AuthRevoked": ",".join(revoked()),
    }
