"""Whose is whose: seven identities at every route, and a trader who tries everything to see another's orders."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app
from chalicelib.http import access
from chalicelib.http.access import ROUTES, Owned, route_access
from tests.fakes.tokens import AUDIENCE, NOW
from tests.fakes.tokens import bearer as token
from tests.unit.auth.conftest import guard
from tests.unit.http.conftest import serve
from tests.unit.http.service import SWAP, Got, Service

MINE = "wallet-of-alice"
# Nothing that alice is ever answered may have it.
THEIRS = "wallet-of-bob-31415926"
NEVER = "ord_" + "0" * 32


@dataclass(frozen=True)
class Call:
    """A request of a route, about alice's order where it is about one; `right` is what she is answered, `other` bob."""

    right: int
    other: int
    body: Mapping[str, object] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


ORDER = {**SWAP, "walletAddress": MINE}
# A route that is added needs its line here, as it needs one in the access table.
CALLS: Mapping[tuple[str, str], Call] = {
    ("POST", "/api/orders/execute"): Call(202, 202, ORDER),
    ("GET", "/api/orders/execute"): Call(426, 426),
    ("GET", "/api/orders"): Call(200, 200),
    ("GET", "/api/orders/{order_id}"): Call(200, 404),
    ("GET", "/api/orders/{order_id}/events"): Call(200, 404),
    ("POST", "/api/orders/{order_id}/cancel"): Call(200, 404),
    # A market order rests never: its owner hears that, and nobody else that there is one.
    ("PATCH", "/api/orders/{order_id}"): Call(409, 404, {"limitPrice": "170"}),
    ("POST", "/api/quotes"): Call(200, 200, SWAP),
    ("GET", "/api/prices"): Call(200, 200, query={"inputToken": "SOL", "outputToken": "USDC"}),
    ("GET", "/api/launches"): Call(200, 200),
    ("POST", "/api/stream-tickets"): Call(201, 404, {"orderId": "ORDER"}),
    ("GET", "/api/stats"): Call(200, 200),
    ("GET", "/api/events"): Call(200, 200, query={"limit": "1"}),
    ("GET", "/api/tokens"): Call(200, 200),
    ("GET", "/health"): Call(200, 200),
    ("GET", "/openapi.json"): Call(200, 200),
    ("GET", "/asyncapi.json"): Call(200, 200),
    ("GET", "/docs"): Call(200, 200),
    ("GET", "/"): Call(200, 200),
    ("GET", "/assets/{name}"): Call(404, 404, parameters={"name": "none.js"}),
}
# Each is 401 where a route belongs to somebody.
NOBODY: Mapping[str, str | None] = {
    "none": None,
    "broken": f"{token()[:-4]}AAAA",
    "expired": token(iat=NOW - 7200, exp=NOW - 3600),
    "wrong audience": token(aud=f"not-{AUDIENCE}"),
}
SOMEBODY: Mapping[str, str] = {"other": token("bob"), "read only": token(scope="orders:read"), "right": token()}


def placed(service: Service, subject: str = "alice", **changes: object) -> str:
    headers = {"Authorization": token(subject)}
    got = service.call("POST", "/api/orders/execute", body={**ORDER, **changes}, headers=headers)
    assert got.status == 202, got.text
    return str(got.body["orderId"])


def asked(service: Service, route: tuple[str, str], authorization: str | None, order_id: str) -> Got:
    method, pattern = route
    call = CALLS["GET" if method == "HEAD" else method, pattern]
    path = pattern.format(order_id=order_id, **call.parameters)
    body = json.loads(json.dumps(call.body).replace("ORDER", order_id)) if call.body else None
    headers = {"Authorization": authorization} if authorization else {}
    return service.call(method, path, body=body, headers=headers, query=call.query)


def every_route() -> set[tuple[str, str]]:
    return {(method, path) for path, methods in app.app.routes.items() for method in methods}


def test_every_route_is_in_the_table_and_in_these_tests() -> None:
    for route in every_route():
        assert route_access(*route) is not None, f"{route} needs its line in ROUTES (http/access.py)"
    assert route_access("GET", "/of/tomorrow") is route_access("OPTIONS", "/of/tomorrow") is None
    assert set(CALLS) == set(ROUTES), "CALLS above has a line for each line of ROUTES"
    assert set(ROUTES) == {route for route in every_route() if route[0] not in ("HEAD", "OPTIONS")}


def test_a_route_without_an_entry_answers_401(guarded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    route, headers = ("GET", "/api/orders"), {"Authorization": token()}
    assert guarded.call(*route, headers=headers).status == 200
    monkeypatch.setattr(access, "ROUTES", {each: who for each, who in ROUTES.items() if each != route})
    refused = guarded.call(*route, headers=headers)
    assert (refused.status, refused.body["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("identity", [*NOBODY, *SOMEBODY])
@pytest.mark.parametrize("route", sorted(route for route in every_route() if route[0] != "OPTIONS"), ids=" ".join)
def test_seven_identities_at_every_route(guarded: Service, route: tuple[str, str], identity: str) -> None:
    order_id = placed(guarded)
    method, pattern = route
    call = CALLS["GET" if method == "HEAD" else method, pattern]
    got = asked(guarded, route, NOBODY.get(identity) or SOMEBODY.get(identity), order_id)
    who = route_access(*route)
    if not isinstance(who, Owned):
        assert got.status == call.right
        return
    if identity in NOBODY:
        assert (got.status, got.body["code"]) == (401, "unauthenticated")
        assert got.headers["WWW-Authenticate"] == ("Bearer" if identity == "none" else 'Bearer error="invalid_token"')
    elif identity == "read only" and who.scope == "orders:write":
        assert (got.status, got.body["code"]) == (403, "forbidden")
    else:
        assert got.status == (call.other if identity == "other" else call.right)
    if identity != "right" and identity != "read only":
        assert MINE not in got.text


# ---------------------------------------------------------------- another's order is as one that never was


def without_names(got: Got, order_id: str) -> tuple[object, ...]:
    headers = {name: value for name, value in got.headers.items() if name not in ("X-Request-Id", "Date")}
    body = json.loads(got.text.replace(order_id, "ID"))
    return got.status, headers, {key: value for key, value in body.items() if key not in ("instance", "requestId")}


@pytest.mark.parametrize("method_and_path", [
    "GET /api/orders/ID", "HEAD /api/orders/ID", "GET /api/orders/ID/events", "POST /api/orders/ID/cancel",
    "PATCH /api/orders/ID", "POST /api/stream-tickets",
])  # fmt: skip
@pytest.mark.parametrize("is_over", [False, True])
def test_another_s_order_is_answered_as_one_that_never_was(
    guarded: Service, method_and_path: str, is_over: bool
) -> None:
    theirs = placed(guarded, "bob", walletAddress=THEIRS)
    if is_over:
        order = guarded.store.rows[theirs].order
        guarded.call("POST", f"/api/orders/{theirs}/cancel", headers={"Authorization": token("bob")})
        assert guarded.store.rows[theirs].order != order
    before = guarded.store.rows[theirs].order
    method, _, path = method_and_path.partition(" ")
    answers = []
    for order_id in (theirs, NEVER):
        body = {"POST /api/stream-tickets": {"orderId": order_id}, "PATCH /api/orders/ID": {"limitPrice": "170"}}
        headers = {"Authorization": token()}
        got = guarded.call(method, path.replace("ID", order_id), body=body.get(method_and_path), headers=headers)
        assert (got.status, got.body["code"]) == (404, "order_not_found")
        answers.append(without_names(got, order_id))
    assert answers[0] == answers[1]
    assert guarded.store.rows[theirs].order == before


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/api/orders", "/api/events", "/api/stats"])
def test_another_s_list_is_forbidden_whether_there_is_one_or_not(guarded: Service, path: str, method: str) -> None:
    placed(guarded, "bob")
    answers = [
        guarded.call(method, path, query={"userId": user}, headers={"Authorization": token()})
        for user in ("bob", "nobody", "Alice", "alice ", "ａlice")
    ]
    assert {(got.status, got.body["code"], got.body["detail"]) for got in answers} == {
        (403, "forbidden", "userId is not the subject of the access token: leave it out.")
    }


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        ('"userId": "bob"', 403, "forbidden"),
        ('"userId": "nobody"', 403, "forbidden"),
        ('"userId": "Alice"', 403, "forbidden"),
        ('"userId": "alice"', 202, ""),
        ('"userId": "alice", "userId": "bob"', 400, "malformed_json"),
        ('"userId": "bob", "userId": "alice"', 400, "malformed_json"),
        ('"userId": null', 400, "validation_failed"),
        ('"userId": ""', 400, "validation_failed"),
        ('"userId": ["alice"]', 400, "validation_failed"),
        *(
            (f'"{name}": "bob"', 400, "validation_failed")
            for name in ("user_id", "owner", "status", "orderId", "sub", "USERID", "__proto__", "constructor")
        ),
    ],
)
def test_nobody_places_for_another(guarded: Service, raw: str, status: int, code: str) -> None:
    text = json.dumps(ORDER)[:-1] + f", {raw}}}"
    got = guarded.call("POST", "/api/orders/execute", raw=text, headers={"Authorization": token()})
    assert got.status == status, got.text
    if status == 202:
        assert guarded.store.rows[got.body["orderId"]].order.user_id == "alice"
    else:
        assert got.body["code"] == code
        assert guarded.store.rows == {}


@pytest.mark.parametrize("name", [
    "X-User-Id", "X-Forwarded-User", "x-amzn-oidc-identity", "X-Amzn-Oidc-Data", "Forwarded",
    "X-HTTP-Method-Override", "X-Original-URL",
])  # fmt: skip
def test_no_other_header_says_who_asks_or_what(guarded: Service, name: str) -> None:
    theirs = placed(guarded, "bob")
    headers = {"Authorization": token(), name: "bob" if "Method" not in name else "POST"}
    assert guarded.call("GET", f"/api/orders/{theirs}", headers=headers).status == 404
    assert guarded.call("GET", f"/api/orders/{theirs}", headers={name: "bob"}).status == 401
    assert guarded.call("GET", f"/api/orders/{theirs}/events", headers=headers).status == 404
    assert guarded.store.rows[theirs].order.status == "pending"


# ---------------------------------------------------------------- whatever alice tries


@pytest.fixture(scope="module")
def market() -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield guard(serve(monkeypatch), monkeypatch)


OF_AN_ORDER = ("get", "events", "cancel", "amend", "ticket")
Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["place", "get", "events", "cancel", "amend", "list", "feed", "ticket", "stats", "key"]),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=120)
@given(steps=steps)
def test_two_traders_never_meet(market: Service, steps: list[Step]) -> None:
    service = market
    service.store.rows.clear()
    service.store.keys.clear()
    theirs = [placed(service, "bob", walletAddress=THEIRS, clientOrderId=f"c{number}") for number in range(3)]
    cursor = service.call("GET", "/api/orders", query={"limit": "1"}, headers={"Authorization": token("bob")})
    feed = service.call("GET", "/api/events", query={"limit": "1"}, headers={"Authorization": token("bob")})
    before = [service.store.rows[each].order for each in theirs]
    mine: list[str] = []
    headers = {"Authorization": token()}
    actions: Mapping[str, Callable[[str, int], Got]] = {
        "place": lambda _, n: service.call(
            "POST", "/api/orders/execute", body={**ORDER, "clientOrderId": f"c{n}"}, headers=headers
        ),
        "key": lambda _, n: service.call(
            "POST", "/api/orders/execute", body=ORDER, headers={**headers, "Idempotency-Key": f"k{n}"}
        ),
        "get": lambda order_id, _: service.call("GET", f"/api/orders/{order_id}", headers=headers),
        "events": lambda order_id, _: service.call("GET", f"/api/orders/{order_id}/events", headers=headers),
        "cancel": lambda order_id, _: service.call("POST", f"/api/orders/{order_id}/cancel", headers=headers),
        "amend": lambda order_id, _: service.call(
            "PATCH", f"/api/orders/{order_id}", body={"limitPrice": "170"}, headers=headers
        ),
        "feed": lambda _, n: service.call(
            "GET",
            "/api/events",
            query=[{}, {"userId": "bob"}, {"after": str(feed.body["nextCursor"])}, {"limit": "1"}][n % 4],
            headers=headers,
        ),
        "ticket": lambda order_id, _: service.call(
            "POST", "/api/stream-tickets", body={"orderId": order_id}, headers=headers
        ),
        "stats": lambda _, n: service.call("GET", "/api/stats", query={}, headers=headers),
        "list": lambda _, n: service.call(
            "GET",
            "/api/orders",
            query=[
                {},
                {"userId": "bob"},
                {"clientOrderId": "c1"},
                {"cursor": str(cursor.body["nextCursor"]), "limit": "1"},
                {"status": "pending", "limit": "2"},
                {"userId": "alice"},
            ][n],
            headers=headers,
        ),
    }
    for action, which, number in steps:
        order_id = [*theirs, *mine, NEVER][which % (len(theirs) + len(mine) + 1)]
        got = actions[action](order_id, number)
        assert THEIRS not in got.text
        assert "bob" not in got.text
        if order_id not in mine and action in OF_AN_ORDER:
            assert got.status == 404
        if action not in OF_AN_ORDER:
            # Where she did not name it herself, no id of his is in any answer.
            assert not [each for each in theirs if each in got.text + repr(got.headers)]
        if got.status == 202 and got.body["orderId"] not in mine:
            mine.append(got.body["orderId"])
    assert [service.store.rows[each].order for each in theirs] == before
    assert {row.order.user_id for name, row in service.store.rows.items() if name not in theirs} <= {"alice"}
    assert all(replace(service.store.rows[each].order).wallet_address == MINE for each in mine)
