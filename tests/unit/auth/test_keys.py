"""Which keys of a set can be used, and what is no set."""

import json

import pytest

from chalicelib.auth.keys import InvalidKeys, has_private_key, read_keys
from tests.fakes.tokens import EC, ED, RSA, a_key, b64, jwks

OCT = {"kty": "oct", "k": b64(b"0" * 32), "kid": "oct"}
P384 = {"kty": "EC", "crv": "P-384", "x": b64(b"1" * 48), "y": b64(b"1" * 48), "kid": "p384"}


@pytest.mark.parametrize(
    "unusable",
    [
        OCT,
        {**OCT, "alg": "HS256"},
        P384,
        RSA.jwk(kid=None),
        RSA.jwk(kid=1),
        RSA.jwk(kid=""),
        RSA.jwk(kid="x" * 201),
        RSA.jwk(use="enc"),
        RSA.jwk(alg="PS256"),
        RSA.jwk(alg="HS256"),
        RSA.jwk(kty="oct"),
        RSA.jwk(kty=None),
        RSA.jwk(n="AQAB"),
        RSA.jwk(n="!"),
        RSA.jwk(e="AA"),
        RSA.jwk(e=b64(b"\1")),
        RSA.jwk(d="x"),
        {**RSA.jwk(), "key_ops": ["sign"]},
        EC.jwk(x=b64(b"1" * 32)),
        EC.jwk(crv="secp256k1"),
        EC.jwk(crv=["P-256"]),
        ED.jwk(crv="Ed448"),
        ED.jwk(crv="X25519"),
        ED.jwk(x="AAAA"),
        a_key("RS256", "short", 1024).jwk(),
        "text",
        None,
        1,
        ["kty"],
    ],
    ids=range(29),
)  # fmt: skip
def test_what_cannot_be_used_is_left_out(unusable: object) -> None:
    good = a_key("EdDSA", "good")
    assert set(read_keys(jwks(good, unusable))) == {"good"}  # type: ignore[arg-type]
    with pytest.raises(InvalidKeys, match="no usable key"):
        read_keys(jwks(unusable))  # type: ignore[arg-type]


def test_each_key_is_for_one_algorithm() -> None:
    keys = read_keys(jwks(ED, EC, RSA))
    assert {kid: key.algorithm_name for kid, key in keys.items()} == {
        "ed-1": "EdDSA",
        "ec-1": "ES256",
        "rsa-1": "RS256",
    }
    # A set need not name it.
    assert read_keys(jwks(RSA.jwk(alg=None, use=None)))["rsa-1"].algorithm_name == "RS256"


def test_an_id_that_two_keys_have_is_nobody_s() -> None:
    assert set(read_keys(jwks(ED, EC.jwk(kid="ed-1"), RSA))) == {"rsa-1"}


def test_twenty_keys_are_enough() -> None:
    many = [a_key("EdDSA", f"k{number}") for number in range(21)]
    assert len(read_keys(jwks(*many[:20], OCT))) == 20
    with pytest.raises(InvalidKeys, match="21 usable keys"):
        read_keys(jwks(*many))


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", "{}", '{"keys": {}}', '{"keys": []}', "[" * 5000, '"keys"', "null"]
)
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(InvalidKeys):
        read_keys(text)


def test_private_keys_are_noticed() -> None:
    assert not has_private_key(jwks(ED, EC, RSA))
    assert has_private_key(json.dumps({"keys": [ED.jwk(), RSA.jwk(d="x")]}))
    assert has_private_key(json.dumps({"keys": [OCT]}))
    assert not has_private_key("<html>")
