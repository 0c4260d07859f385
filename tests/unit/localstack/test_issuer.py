"""The issuer of a clone: its key file, its tokens, and what it refuses."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.auth.checker import FixedKeySet, JwtChecker
from chalicelib.auth.errors import Refused
from chalicelib.auth.keys import read_keys
from localstack.client import issuer
from localstack.errors import UserError
from order_engine.cli.program import subject_of
from tests.fakes.tokens import Token, a_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer" / "key.json"


def check(token: str, path: Path, revoked: tuple[str, ...] = ()) -> str:
    """Whose token it is, for a service that knows the issuer's public keys."""
    keys = FixedKeySet(read_keys(issuer.read_issuer(path).public_keys))
    checker = JwtChecker({issuer.ISSUER: keys}, audience=issuer.AUDIENCE, revoked=revoked)
    return checker.check([f"Bearer {token}"]).subject


def test_a_token_is_good_for_who_knows_the_public_key(path: Path) -> None:
    token = issuer.read_issuer(path).sign("ünï-🙂", 3600, ["orders:read"])
    assert check(token, path) == subject_of(token) == "ünï-🙂"
    with pytest.raises(Refused, match="revoked"):
        check(token, path, revoked=(issuer.token_id_of(token),))


def test_ninety_days_are_the_longest(path: Path) -> None:
    assert check(issuer.read_issuer(path).sign("bot-7", issuer.seconds_of("90d")), path) == "bot-7"


@pytest.mark.parametrize("text", ["", "0s", "91d", "12", "h", "-1h", "1.5h", "1w", "9999999d", "１h"])
def test_what_is_no_lifetime(text: str) -> None:
    with pytest.raises(UserError, match="90 days at most"):
        issuer.seconds_of(text)


def test_the_key_is_made_once_and_for_its_owner_only(path: Path) -> None:
    first, again = issuer.read_issuer(path), issuer.read_issuer(path)
    assert first == again
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert first.jwk["d"] not in first.public_keys
    assert set(json.loads(first.public_keys)["keys"][0]) == {"x", "kty", "crv", "kid", "alg", "use"}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_of_one_s_own_signs(path: Path, algorithm: str) -> None:
    from jwt.algorithms import get_default_algorithms

    private = a_key(algorithm, "mine").private
    path.parent.mkdir()
    made = get_default_algorithms()[algorithm].to_jwk(private)
    path.write_text(json.dumps({**json.loads(made), "kid": "mine"}))
    path.chmod(0o600)
    assert check(issuer.read_issuer(path).sign("alice", 60), path) == "alice"


NO_KEY = "-----BEGIN PRIVATE KEY-----"  # pragma: allowlist secret


@pytest.mark.parametrize("text", ["", "[]", "{}", NO_KEY, '{"d": "x"}', '{"kid": "k"}'])
def test_what_is_no_private_key(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UserError, match="holds no private key"):
        issuer.read_issuer(path)


def test_a_key_that_others_can_read_is_used_no_more(path: Path) -> None:
    issuer.read_issuer(path)
    path.chmod(0o640)
    with pytest.raises(UserError, match="can be read by others"):
        issuer.read_issuer(path)


def test_revoked_tokens_are_kept_until_they_would_have_expired(tmp_path: Path) -> None:
    path = tmp_path / "issuer" / "revoked.json"
    assert issuer.revoked(path) == []
    assert issuer.revoke("a", path) == ["a"]
    assert issuer.revoke("b", path) == issuer.revoked(path) == ["a", "b"]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    path.write_text(json.dumps({**json.loads(path.read_text()), "a": long_ago}))
    assert issuer.revoked(path) == ["b"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "soon"}', '{"a": null}'])
def test_a_damaged_list_of_revoked_tokens_is_not_taken_for_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "revoked.json"
    path.write_text(text)
    for asked in (issuer.revoked, lambda path: issuer.revoke("b", path)):
        with pytest.raises(UserError, match="is damaged"):
            asked(path)
    assert path.read_text() == text


def test_a_token_and_its_id_can_be_revoked_and_another_issuer_s_token(path: Path) -> None:
    token = issuer.read_issuer(path).sign("alice", 60)
    name = issuer.token_id_of(token)
    assert issuer.token_id_of(name) == name
    assert issuer.token_id_of(str(Token(claims={"jti": "8a6e0804-2bd0-4672-b79d-d97027f9071a"}))).startswith("8a6e")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "a,b", "a b", "x" * 65, "0" * 15, "0" * 17, "A" * 16, "alice", str(Token()), "a.b.c" + "d" * 100],
    ids=range(11),
)
def test_what_has_no_token_id(text: str) -> None:
    with pytest.raises(UserError):
        issuer.token_id_of(text)


def test_whose_token_it_is_only_a_token_says() -> None:
    assert [subject_of(text) for text in (None, "", "a", "a.b.c", "a.e30.c")] == [None] * 5
    assert subject_of(str(Token(claims={"sub": "alice"}))) == "alice"
