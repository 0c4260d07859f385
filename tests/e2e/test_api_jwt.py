"""The deployed stack in jwt mode: the same seven identities, through front door, gateway and function."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace

from localstack.client import issuer
from localstack.local_stack.stack_for_tests import Stack
from tests.e2e.trader import ORDER
from tests.fakes.tokens import ED, ISSUER, Token, jwks

PARAMETERS = {
    "AuthMode": "jwt",
    "AuthIssuer": ISSUER,
    "AuthAudience": issuer.AUDIENCE,
    "AuthKeys": jwks(ED),
    "AuthRevoked": "stolen",
}


def token(subject: str = "alice", **claims: object) -> str:
    now = int(time.time())
    times = {"iat": now - 7200, "exp": now - 3600} if claims.pop("is_expired", False) else {}
    return str(replace(Token(ED), now=now, claims={"sub": subject, **times, **claims}))


def ask(stack: Stack, path: str, bearer: str | None, body: object = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{stack.base_url}{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_seven_identities_against_the_deployed_stack(stack: Stack) -> None:
    body = {name: value for name, value in ORDER.items() if name != "userId"}
    with stack.deployed_with(**PARAMETERS):
        status, text = ask(stack, "/api/orders/execute", token(), body)
        assert status == 202, text
        order_id = json.loads(text)["orderId"]
        assert "ticket=" in json.loads(text)["websocketUrl"]
        identities: dict[str, tuple[str | None, int, int]] = {
            "none": (None, 401, 401),
            "broken": (token()[:-8] + "AAAAAAAA", 401, 401),
            "expired": (token(is_expired=True), 401, 401),
            "wrong audience": (token(aud="another"), 401, 401),
            "revoked": (token(jti="stolen"), 401, 401),
            "other user": (token("bob"), 404, 202),
            "read only": (token(scope="orders:read"), 200, 403),
            "right": (token(), 200, 202),
        }
        for name, (bearer, read, write) in identities.items():
            assert ask(stack, f"/api/orders/{order_id}", bearer)[0] == read, name
            assert ask(stack, "/api/orders/execute", bearer, body)[0] == write, name
            assert ask(stack, "/api/tokens", bearer)[0] == 200, name
        assert [order["userId"] for order in json.loads(ask(stack, "/api/orders", token("bob"))[1])["orders"]] == [
            "bob"
        ]
        assert ask(stack, "/api/orders?userId=alice", token("bob"))[0] == 403
