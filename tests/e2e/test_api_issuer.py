"""The deployed stack with somebody else's issuer, whose keys are fetched, handed on, stored, and change."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import pytest

from localstack.client import issuer
from localstack.local_stack.processes import wait_until
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.roles import Line, Permission, Roles, denials
from tests.fakes.aws import SCHEDULED, sqs_event
from tests.fakes.http_server import answer, serving
from tests.fakes.tokens import ED, EXTERNAL, ISSUER, THEIRS, Key, Token, a_key, jwks

# A key that is unknown is looked for again after ten seconds at the earliest.
FOUND_WITHIN = 60
SEND = Permission("FetchKeys", "sqs:SendMessage", "IssuerKeysQueue")
# Lambda itself does this for a function; the emulator does not ask IAM then.
READING = {
    Permission("StoreKeys", action, "IssuerKeysQueue")
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
}


@dataclass
class Issuer:
    """Somebody else's issuer: a server on loopback that publishes these keys, or answers 503 where there are none."""

    url: str = ""
    keys: tuple[Key, ...] = (THEIRS,)
    asked: int = 0


@pytest.fixture(scope="module")
def theirs() -> Iterator[Issuer]:
    state = Issuer()

    def publish(request: BaseHTTPRequestHandler) -> None:
        state.asked += 1
        status = HTTPStatus.OK if state.keys else HTTPStatus.SERVICE_UNAVAILABLE
        answer(request, jwks(*state.keys).encode(), status)

    with serving(publish) as address:
        state.url = f"{address}/jwks.json"
        yield state


@pytest.fixture(scope="module")
def asking(stack: Stack, theirs: Issuer) -> Iterator[Stack]:
    """The stack in jwt mode: keys of our own in a parameter, and those of an issuer that are fetched."""
    parameters = {
        "AuthMode": "jwt",
        "AuthIssuer": EXTERNAL,
        "AuthJwksUrl": theirs.url,
        "AuthAudience": issuer.AUDIENCE,
        "AuthKeys": jwks(ED),
        "AuthKeysIssuer": ISSUER,
    }
    with stack.deployed_with(**parameters):
        yield stack


def status_of(stack: Stack, key: Key, name: str) -> int:
    """The answer's status to a token that this key signed for the issuer of this name."""
    now = int(time.time())
    token = replace(Token(key), now=now, claims={"sub": "carol", "iss": name})
    request = urllib.request.Request(f"{stack.base_url}/api/orders", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def is_let_in(stack: Stack, key: Key) -> bool:
    status = status_of(stack, key, EXTERNAL)
    assert status in (200, 401, 503)
    return status == 200


def test_an_issuer_s_keys_arrive_and_change_without_a_deployment(asking: Stack, theirs: Issuer) -> None:
    roles, following = Roles(asking), a_key("ES256", "theirs-2")
    assert theirs.asked
    assert wait_until(partial(is_let_in, asking, THEIRS), FOUND_WITHIN)
    assert not is_let_in(asking, following)
    # Each issuer's name leads to its own keys only.
    assert (status_of(asking, ED, ISSUER), status_of(asking, ED, EXTERNAL)) == (200, 401)
    assert status_of(asking, THEIRS, ISSUER) == 401

    theirs.keys = (THEIRS, following)
    roles.call("FetchKeys", SCHEDULED)
    assert wait_until(partial(is_let_in, asking, following), FOUND_WITHIN)
    assert is_let_in(asking, THEIRS)

    theirs.keys = ()
    lines = roles.call("FetchKeys", SCHEDULED)
    assert "issuer_keys_not_fetched" in {line["message"] for line in lines}
    assert is_let_in(asking, following)
    roles.close()


def test_fetching_and_storing_keys_may_do_just_that(asking: Stack, theirs: Issuer) -> None:
    roles = Roles(asking)
    held = {permission for name in ("FetchKeys", "StoreKeys") for permission in roles.permissions(name)}
    assert held == {SEND} | READING

    def fetch_what_is_new(kid: str) -> list[Line]:
        theirs.keys = (THEIRS, a_key("EdDSA", kid))
        return roles.call("FetchKeys", SCHEDULED)

    with roles.without(SEND):
        assert denials(fetch_what_is_new("denied")) == {SEND.action}
    assert denials(fetch_what_is_new("sent")) == set()
    assert denials(roles.call("StoreKeys", sqs_event([]))) == set()
    roles.close()
