"""Hostile tokens, each against the whole API function: what is not perfect gets one constant 401, and runs nothing."""

import base64
import contextlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization

from chalicelib.auth.checker import FixedKeySet, JwtChecker, _verify
from chalicelib.auth.errors import Refused
from chalicelib.auth.keys import read_keys
from chalicelib.http.identity import SENTENCE
from tests.fakes.http_server import answer, serving
from tests.fakes.tokens import AUDIENCE, EC, ED, EXTERNAL, ISSUER, NOW, RSA, THEIRS, Token, a_key, b64, jwks
from tests.unit.auth.conftest import now, the_rings
from tests.unit.handlers.test_bootstrap import FUNCTIONS
from tests.unit.http.service import ORDER, Got, Service

HOUR, DAY = 3600, 24 * 3600
REFUSED = 'Bearer error="invalid_token"'
PEM = RSA.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DER = RSA.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
ATTACKER = a_key("RS256", "rsa-1-of-an-attacker")


def hs256(secret: bytes, **header: object) -> str:
    """A token signed with a shared secret."""
    made, claims = Token(RSA, header={"alg": "HS256", **header}).parts
    data = f"{b64(made)}.{b64(claims)}"
    signer = hmac.HMAC(secret, hashes.SHA256())
    signer.update(data.encode())
    return f"{data}.{b64(signer.finalize())}"


def unsigned(algorithm: object, signature: str = "") -> str:
    header, claims = Token(header={"alg": algorithm}).parts
    return f"{b64(header)}.{b64(claims)}.{signature}"


def raw(payload: str, header: object = None) -> str:
    """A properly signed token around any payload."""
    token = Token()
    return token.of(b64(token.parts[0] if header is None else header), b64(payload))


def with_claim(name: str, text: str) -> str:
    """A signed token with this claim written as it stands, which a JSON library would not write."""
    _, claims = Token(claims={name: "PLACE"}).parts
    return raw(json.dumps(claims).replace('"PLACE"', text))


def swapped(token: str, place: int, part: str) -> str:
    parts = token.split(".")
    parts[place] = part
    return ".".join(parts)


def with_trailing_bits(place: int) -> str:
    """Properly signed, but a part ends with bits that count for nothing: the same bytes, written in another way."""
    texts = [json.dumps(part) for part in Token().parts]
    texts[place] += " " * ((1 - len(texts[place])) % 3)  # then the last character has four such bits
    parts = [b64(text) for text in texts]
    parts[place] = parts[place][:-1] + chr(ord(parts[place][-1]) + 1)
    return Token().of(*parts)


def same(subject: str) -> str:
    return str(Token(claims={"sub": subject}))


GOOD = str(Token())
ES_ZERO = swapped(str(Token(EC)), 2, b64(bytes(64)))
PS256 = Token(RSA, header={"alg": "PS256"})
RS512 = Token(RSA, header={"alg": "RS512"})
DUPLICATED = json.dumps(Token().parts[1])[:-1] + ', "sub": "bob"}'

# Every one is refused with the same words.
BAD: dict[str, str] = {
    **{f"alg {name}": unsigned(name) for name in ("none", "None", "nOnE", "NONE", "")},
    **{f"alg {name} signed": unsigned(name, GOOD.split(".")[2]) for name in ("none", "None", "nOnE")},
    "alg missing": str(Token(header={"alg": ...})),
    "alg null": str(Token(header={"alg": None})),
    "alg a list": str(Token(header={"alg": ["EdDSA"]})),
    "HS256 by PEM": hs256(PEM),
    "HS256 by DER": hs256(DER),
    "HS256 by JWK": hs256(json.dumps(RSA.jwk()).encode()),
    "HS256 by n": hs256(RSA.jwk()["n"].encode()),
    "HS256 by nothing": hs256(b""),
    "says RS256, key is Ed25519": str(Token(ED, header={"alg": "RS256"})),
    "says EdDSA, key is RSA": str(Token(RSA, header={"alg": "EdDSA"})),
    "PS256": PS256.of(b64(PS256.parts[0]), b64(PS256.parts[1]), "PS256"),
    "RS512": RS512.of(b64(RS512.parts[0]), b64(RS512.parts[1]), "RS512"),
    "case of the algorithm": str(Token(ED, header={"alg": "eddsa"})),
    "r = s = 0": ES_ZERO,
    "DER signature": swapped(str(Token(EC)), 2, b64(b"0\x06\x02\x01\x01\x02\x01\x01")),
    "no signature": swapped(GOOD, 2, ""),
    "kid missing": str(Token(header={"kid": ...})),
    "kid null": str(Token(header={"kid": None})),
    "kid unknown": str(Token(header={"kid": "of-tomorrow"})),
    "kid a path": str(Token(header={"kid": "../../dev/null"})),
    "kid SQL": str(Token(header={"kid": "' OR '1'='1"})),
    "kid a number": str(Token(header={"kid": 1})),
    "kid a list": str(Token(header={"kid": ["ed-1"]})),
    "kid of another key": str(Token(header={"kid": "rsa-1"})),
    "kid of another key set": str(Token(header={"kid": "theirs-1"})),
    "jwk": str(Token(ATTACKER, header={"jwk": ATTACKER.jwk(), "kid": "rsa-1"})),
    "x5c": str(Token(ATTACKER, header={"x5c": [b64(DER)], "kid": "rsa-1"})),
    "jwk beside a good signature": str(Token(header={"jwk": ED.jwk()})),
    "crit unknown": str(Token(header={"crit": ["exp"]})),
    "crit empty": str(Token(header={"crit": []})),
    "b64 false": str(Token(header={"b64": False})),
    "b64 true": str(Token(header={"b64": True})),
    "zip": str(Token(header={"zip": "DEF"})),
    "enc": str(Token(header={"enc": "A256GCM"})),
    "five parts": f"{GOOD}.{b64(b'x')}.{b64(b'y')}",
    "four parts": f"{GOOD}.{b64(b'x')}",
    "two parts": GOOD.rpartition(".")[0],
    "one part": GOOD.partition(".")[0],
    "empty parts": "..",
    "expired an hour ago": str(Token(claims={"iat": NOW - 2 * HOUR, "exp": NOW - HOUR})),
    "expired 31 s ago": str(Token(claims={"iat": NOW - HOUR, "exp": NOW - 32})),
    "exp missing": str(Token(claims={"exp": ...})),
    "exp null": str(Token(claims={"exp": None})),
    "exp in quotes": str(Token(claims={"exp": str(NOW + HOUR)})),
    "exp true": str(Token(claims={"exp": True})),
    "exp a list": str(Token(claims={"exp": [NOW + HOUR]})),
    **{
        f"exp {text}": with_claim("exp", text)
        for text in ("NaN", "Infinity", "-Infinity", "1e300", "1e-300", "1E+9999999999", "1E-9999999999", "9" * 5000)
    },
    "exp in a year": str(Token(claims={"exp": NOW + 365 * DAY})),
    "exp negative": str(Token(claims={"exp": -1})),
    "nbf in an hour": str(Token(claims={"nbf": NOW + HOUR})),
    "nbf in quotes": str(Token(claims={"nbf": "0"})),
    "nbf null": str(Token(claims={"nbf": None})),
    "iat in an hour": str(Token(claims={"iat": NOW + HOUR, "exp": NOW + 2 * HOUR})),
    "iat missing": str(Token(claims={"iat": ...})),
    "iat true": str(Token(claims={"iat": True})),
    "aud missing": str(Token(claims={"aud": ...})),
    "aud other": str(Token(claims={"aud": "another-service"})),
    "aud null": str(Token(claims={"aud": None})),
    "aud empty": str(Token(claims={"aud": []})),
    "aud a part of ours": str(Token(claims={"aud": AUDIENCE[:-1]})),
    "aud nested": str(Token(claims={"aud": [[AUDIENCE]]})),
    "aud an object": str(Token(claims={"aud": {AUDIENCE: True}})),
    "aud a list with what is no text": str(Token(claims={"aud": [AUDIENCE, 1]})),
    "Cognito, other client": str(Token(claims={"aud": ..., "token_use": "access", "client_id": "another"})),
    "Cognito, not an access token": str(Token(claims={"aud": ..., "client_id": AUDIENCE})),
    "Cognito, aud null": str(Token(claims={"aud": None, "token_use": "access", "client_id": AUDIENCE})),
    "iss other": str(Token(claims={"iss": "https://evil.example.com/"})),
    "iss without its slash": str(Token(THEIRS, claims={"iss": EXTERNAL[:-1]})),
    "iss missing": str(Token(claims={"iss": ...})),
    "iss a list": str(Token(claims={"iss": [ISSUER]})),
    "iss null": str(Token(claims={"iss": None})),
    "our key, their iss": str(Token(ED, claims={"iss": EXTERNAL})),
    "their key, our iss": str(Token(THEIRS, claims={"iss": ISSUER})),
    "ID token": str(Token(claims={"token_use": "id"})),
    "token_use null of an ID": str(Token(claims={"token_use": ["access"]})),
    "typ logout": str(Token(header={"typ": "logout+jwt"})),
    "typ null": str(Token(header={"typ": None})),
    "typ a list": str(Token(header={"typ": ["JWT"]})),
    "sub missing": str(Token(claims={"sub": ...})),
    "sub null": str(Token(claims={"sub": None})),
    "sub empty": same(""),
    "sub a number": str(Token(claims={"sub": 1})),
    "sub of 129": same("a" * 129),
    "sub NUL": same("al\0ice"),
    "sub newline": same("alice\n"),
    "sub spaces": same("   "),
    "sub replacement": same("alice\ufffd"),
    "sub half a character": with_claim("sub", '"\\ud800"'),
    "sub C1": same("al\x85ice"),
    "sub twice": raw(DUPLICATED),
    "alg twice": raw(json.dumps(Token().parts[1]), header='{"alg":"none","alg":"EdDSA","kid":"ed-1"}'),
    "header of 2 KB": str(Token(header={"x": "y" * 2000})),
    "token of 9 KB": str(Token(claims={"x": "y" * 9000})),
    "payload over 6 KiB": str(Token(claims={"x": "y" * 4700})),
    "a megabyte": str(Token(claims={"x": "y" * 1_000_000})),
    "payload is no JSON": raw("no JSON"),
    "payload is an array": raw("[1]"),
    "payload is a text": raw('"alice"'),
    "payload is 2,000 deep": raw("[" * 2000 + "]" * 2000),
    "a claim 2,000 deep": raw('{"a":' * 900 + "1" + "}" * 900),
    "payload is no UTF-8": Token().of(b64(Token().parts[0]), b64(b'{"sub":"\xff"}')),
    "header is an array": raw(json.dumps(Token().parts[1]), header=["EdDSA"]),
    "two in one": f"{GOOD}, Bearer {GOOD}",
    "two by a comma": f"{GOOD},{GOOD}",
    "padded": ".".join(part + "=" * (-len(part) % 4) for part in GOOD.split(".")),
    "standard alphabet": swapped(GOOD, 2, GOOD.split(".")[2][:-2] + "+/"),
    "a space in it": GOOD[:50] + " " + GOOD[50:],
    "a newline at its end": GOOD + "\n",
    "other trailing bits": swapped(GOOD, 2, GOOD.split(".")[2][:-1] + ("B" if GOOD[-1] != "B" else "C")),
    "other trailing bits in the header": with_trailing_bits(0),
    "other trailing bits in the payload": with_trailing_bits(1),
    "another payload": swapped(GOOD, 1, str(Token(claims={"sub": "bob"})).split(".")[1]),
    "full-width letters": GOOD.replace("e", "\uff45", 1),
    "RS256 by a key of 1024 bits": str(Token(a_key("RS256", "short", 1024))),
    "HS256 by an oct key of the set": hs256(b"0" * 32, kid="oct-1"),
    "revoked": str(Token(claims={"jti": "stolen"})),
    "jti a list": str(Token(claims={"jti": ["other"]})),
    "ours for 91 days": str(Token(claims={"exp": NOW + 91 * DAY})),
    "theirs for 25 hours": str(Token(THEIRS, claims={"exp": NOW + 25 * HOUR})),
    "ours, iat moved so that it fits": str(Token(claims={"iat": NOW + 20 * DAY, "exp": NOW + 91 * DAY})),
    "scope an object": str(Token(claims={"scope": {"orders:read": True}})),
    "cursor": base64.urlsafe_b64encode(bytes(16) + b"ord_1").decode().rstrip("="),
    "stream ticket": f"t1.1.{b64(['alice', None, NOW + 300, NOW + 900])}.{'A' * 22}",
}  # fmt: skip

OK: dict[str, tuple[str, str]] = {
    "EdDSA": (GOOD, "alice"),
    "ES256": (str(Token(EC)), "alice"),
    "RS256": (str(Token(RSA)), "alice"),
    "theirs": (str(Token(THEIRS)), "alice"),
    "expired 20 s ago": (str(Token(claims={"iat": NOW - HOUR, "exp": NOW - 20})), "alice"),
    "exp with a fraction": (with_claim("exp", f"{NOW + HOUR}.5"), "alice"),
    "exp with an exponent": (with_claim("exp", f"{(NOW + HOUR) // 10}e1"), "alice"),
    "nbf now": (str(Token(claims={"nbf": NOW})), "alice"),
    "aud a list": (str(Token(claims={"aud": ["another", AUDIENCE]})), "alice"),
    "Cognito": (str(Token(claims={"aud": ..., "token_use": "access", "client_id": AUDIENCE})), "alice"),
    "typ JWT": (str(Token(header={"typ": "JWT"})), "alice"),
    "typ at+jwt": (str(Token(header={"typ": "at+jwt"})), "alice"),
    "typ application/at+jwt": (str(Token(header={"typ": "application/at+jwt"})), "alice"),
    "typ absent": (str(Token(header={"typ": ...})), "alice"),
    "x5t": (str(Token(header={"x5t": "abc"})), "alice"),
    "sub ünï-🙂": (same("ünï-🙂"), "ünï-🙂"),
    "sub full width": (same("ａlice"), "ａlice"),
    "sub of 128": (same("a" * 128), "a" * 128),
    "the other jti": (str(Token(claims={"jti": "not-stolen"})), "alice"),
    "ours for 90 days": (str(Token(claims={"exp": NOW + 90 * DAY})), "alice"),
    "theirs for a day": (str(Token(THEIRS, claims={"exp": NOW + DAY})), "alice"),
}
"""A token and whose it is."""


def ask(service: Service, authorization: str | list[str], **more: Any) -> Got:
    return service.call("GET", "/api/orders", headers={"Authorization": authorization}, **more)


def check_refused(service: Service, got: Got, challenge: str = REFUSED) -> None:
    """U: the one answer, and nothing asked of the store."""
    assert got.status == 401
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.headers["WWW-Authenticate"] == challenge
    assert (got.body["code"], got.body["detail"]) == ("unauthenticated", SENTENCE)


@pytest.mark.parametrize("case", BAD)
def test_a_token_with_anything_wrong_is_refused_in_the_same_words(guarded: Service, case: str) -> None:
    guarded.store.outages.everything = True  # whoever asked it would answer 503
    got = ask(guarded, f"Bearer {BAD[case]}")
    check_refused(guarded, got)
    # The token is nowhere: not in the answer, not in the log.
    told = got.text + repr([*guarded.telemetry.lines, *guarded.telemetry.warnings])
    assert BAD[case] not in told
    assert not [part for part in BAD[case].split(".") if len(part) > 40 and part in told]
    # Why, and with which of our keys, is for the log.
    (fields,) = [line.fields for line in guarded.telemetry.logged("authentication_failed")]
    assert fields["reason"]
    assert fields["kid"] in (None, "ed-1", "ec-1", "rsa-1", "theirs-1")


@pytest.mark.parametrize("case", OK)
def test_a_token_with_everything_right_is_its_subject_s(guarded: Service, case: str) -> None:
    token, subject = OK[case]
    headers = {"Authorization": f"Bearer {token}"}
    placed = guarded.call("POST", "/api/orders/execute", body={**ORDER, "userId": subject}, headers=headers)
    assert placed.status == 202
    assert guarded.store.get(placed.body["orderId"]).order.user_id == subject
    listed = ask(guarded, f"Bearer {token}")
    assert [order["orderId"] for order in listed.body["orders"]] == [placed.body["orderId"]]
    assert ask(guarded, f"Bearer {same('bob')}").body["orders"] == []


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer  ", " Bearer ", "BeArEr   "])
def test_the_scheme_s_case_and_spaces_do_not_matter(guarded: Service, scheme: str) -> None:
    assert ask(guarded, f"{scheme}{GOOD}").status == 200


@pytest.mark.parametrize(
    "value", [GOOD, "Basic YTpi", "Bearer", "Bearer ", "", "Bearer\t" + GOOD, "Token " + GOOD], ids=range(7)
)
def test_another_scheme_is_none(guarded: Service, value: str) -> None:
    check_refused(guarded, ask(guarded, value))


@pytest.mark.parametrize("other", [GOOD, BAD["expired an hour ago"], "nonsense", ""], ids=range(4))
@pytest.mark.parametrize("spelling", ["Authorization", "authorization", "AUTHORIZATION"])
def test_two_authorization_headers_are_refused(guarded: Service, other: str, spelling: str) -> None:
    for first, second in ((GOOD, other), (other, GOOD)):
        values = [f"Bearer {first}", f"Bearer {second}"]
        if spelling == "Authorization":
            got = ask(guarded, values)
        else:
            got = guarded.call("GET", "/api/orders", headers={"Authorization": values[0], spelling: values[1]})
        check_refused(guarded, got)


def test_a_token_anywhere_else_is_no_token(guarded: Service) -> None:
    for got in (
        guarded.call("GET", "/api/orders", query={"access_token": GOOD}),
        guarded.call("GET", "/api/orders", headers={"Cookie": f"access_token={GOOD}"}),
        guarded.call("POST", "/api/orders/execute", body={**ORDER, "access_token": GOOD}),
        guarded.call("GET", "/api/orders"),
    ):
        check_refused(guarded, got, "Bearer")


def test_nothing_is_ever_fetched_that_a_token_names(guarded: Service) -> None:
    asked: list[str] = []

    def lead_astray(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        answer(request, jwks(ATTACKER).encode())

    with serving(lead_astray) as address:
        for name in ("jku", "x5u", "iss"):
            where = {name: f"{address}/keys"}
            token = Token(ATTACKER, header=where) if name != "iss" else Token(ATTACKER, claims=where)
            check_refused(guarded, ask(guarded, f"Bearer {token}"))
    assert asked == []


@pytest.mark.parametrize(
    ("scope", "read", "write"),
    [
        ({"scope": "orders:read"}, 200, 403),
        ({"scope": "openid orders:read profile"}, 200, 403),
        ({"scp": ["orders:read"]}, 200, 403),
        ({"scope": "orders:write"}, 403, 202),
        ({"scope": "orders:read orders:write"}, 200, 202),
        ({"scope": "openid profile"}, 200, 202),
        ({"scope": "orders:readx"}, 200, 202),
        ({}, 200, 202),
    ],
)
def test_scopes(guarded: Service, scope: dict[str, object], read: int, write: int) -> None:
    headers = {"Authorization": f"Bearer {Token(claims=scope)}"}
    listed = guarded.call("GET", "/api/orders", headers=headers)
    assert listed.status == read
    placed = guarded.call("POST", "/api/orders/execute", body=dict(ORDER, userId="alice"), headers=headers)
    assert placed.status == write
    cancelled = guarded.call("POST", "/api/orders/ord_1/cancel", headers=headers)
    assert cancelled.status == (403 if write == 403 else 404)
    for got in (listed, placed, cancelled):
        if got.status == 403:
            assert got.body["code"] == "forbidden"
            assert 'error="insufficient_scope"' in got.headers["WWW-Authenticate"]


@pytest.mark.parametrize("sent", [None, "broken"])
def test_the_token_comes_before_everything_else(guarded: Service, sent: str | None) -> None:
    """87: a bad token, another media type, a body too large and no JSON: 401, whatever else is wrong."""
    headers = {"Content-Type": "text/xml", "Content-Encoding": "gzip", "Idempotency-Key": "a,b"}
    headers |= {"Authorization": f"Bearer {sent}"} if sent else {}
    for path in ("/api/orders/execute", "/api/quotes"):
        got = guarded.call("POST", path, raw="{" * 20_000, headers=headers)
        check_refused(guarded, got, REFUSED if sent else "Bearer")


def test_a_read_only_token_is_told_so_before_its_body_is_read(guarded: Service) -> None:
    headers = {"Authorization": f"Bearer {Token(claims={'scope': 'orders:read'})}", "Content-Type": "text/xml"}
    assert guarded.call("POST", "/api/orders/execute", raw="{" * 20_000, headers=headers).status == 403


@pytest.mark.parametrize("case", ["a megabyte", "payload is 2,000 deep", "a claim 2,000 deep"])
def test_a_costly_token_costs_little(guarded: Service, case: str) -> None:
    """As a ratio: no dearer than many good ones."""
    checker = JwtChecker(the_rings(), audience=AUDIENCE, now=now)

    def seconds(token: str) -> float:
        start = time.perf_counter()
        with contextlib.suppress(Refused):
            checker.check([f"Bearer {token}"])
        return time.perf_counter() - start

    good = sorted(seconds(GOOD) for _ in range(9))[4]
    assert sorted(seconds(BAD[case]) for _ in range(9))[4] < 50 * good


def test_a_signature_that_held_before_lets_nothing_in_that_counts_no_more() -> None:
    """It is verified once; all else is asked each time: time, keys, what was revoked."""
    token, moment = str(Token(claims={"jti": "mine"})), [now()]
    keys = dict(read_keys(jwks(ED)))

    def reason(sent: str = token, revoked: tuple[str, ...] = ()) -> str:
        checker = JwtChecker({ISSUER: FixedKeySet(keys)}, audience=AUDIENCE, revoked=revoked, now=lambda: moment[0])
        try:
            checker.check([f"Bearer {sent}"])
        except Refused as refused:
            return str(refused.reason)
        return "let in"

    before = _verify.cache_info().hits
    assert [reason(), reason(), reason(revoked=("mine",)), reason()] == ["let in", "let in", "revoked", "let in"]
    assert _verify.cache_info().hits == before + 3
    assert reason(swapped(token, 2, str(Token()).split(".")[2])) == "signature"
    moment[0] += timedelta(hours=2)
    assert reason() == "expired"
    moment[0] = now()
    keys["ed-1"] = read_keys(jwks(a_key("EdDSA", "another").jwk(kid="ed-1")))["ed-1"]
    assert reason() == "signature"
    keys["ed-1"] = read_keys(jwks(EC.jwk(kid="ed-1")))["ed-1"]
    assert reason() == "algorithm"
    del keys["ed-1"]
    assert reason() == "unknown_key"


def test_certificates_are_loaded_by_who_asks_for_them_only() -> None:
    """PyJWT imports X.509, half of what it takes to load; no key of a key set comes in a certificate."""
    script = """
import sys
from chalicelib.auth import checker, keys
assert "cryptography.x509.base" not in sys.modules
from cryptography import x509
print(x509.CertificateBuilder.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=FUNCTIONS, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("CertificateBuilder\n", "")


def test_what_a_good_token_says() -> None:
    checker = JwtChecker(the_rings(), audience=AUDIENCE, now=now)
    claims = checker.check([f"Bearer {Token(claims={'jti': 'j', 'exp': NOW + 60, 'scope': 'orders:read'})}"])
    assert (claims.subject, claims.token_id, {str(scope) for scope in claims.scopes}) == ("alice", "j", {"orders:read"})
    assert claims.expires_at == datetime.fromtimestamp(NOW + 60, UTC)
