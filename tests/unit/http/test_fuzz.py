"""Whatever a client sends: refused with a problem and nothing written, or taken exactly as it was sent."""

import base64
import json
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import app
from chalicelib.domain.order import NewOrder
from chalicelib.domain.tokens import find_token
from chalicelib.services.subscriptions import Desk
from chalicelib.stream import converse, handshake
from tests.fakes import CrashAt, MemoryFollowers, MemoryOrders
from tests.unit.http.junk import body_of, deep, header_texts, texts, values, written
from tests.unit.http.service import ORDER, Got, Service, an_event
from tests.unit.http.specification import check_answer, check_message
from tests.unit.http.tally import count

POST = "/api/orders/execute"
SWAP = {name: value for name, value in ORDER.items() if name not in ("userId", "walletAddress")}
FIELDS = (*ORDER, "slippageBps", "clientOrderId", "orderType")
FILTERS = ("userId", "clientOrderId", "status", "venue", "inputToken", "outputToken", "placedFrom", "placedBefore",
           "limit", "cursor")  # fmt: skip
EXISTING = "ord_" + "0" * 32
fuzz = settings(max_examples=250)


def fresh(service: Service) -> Service:
    """The same service with nothing in it."""
    service.store = MemoryOrders(service.clock)
    service.queue.sent.clear()
    service.events.sent.clear()
    return service


def judge(kind: str, path: str, method: str, got: Got) -> Got:
    """Counts the answer and holds it against the specification; nothing may ever break on our side."""
    count(kind, got.status)
    assert got.status < 500, got.text
    assert got.headers["X-Request-Id"]
    check_answer(method, path, got.status, got.headers["Content-Type"], got.body)
    return got


def judge_order(service: Service, got: Got) -> None:
    """An order was either refused and left no trace, or stands in the store once."""
    judge("order", POST, "POST", got)
    written_orders = 1 if got.status == 202 else 0
    assert got.status == 202 or 400 <= got.status < 500
    assert len(service.store.rows) == len(service.queue.sent) == written_orders
    assert len(service.store.keys) in (0, written_orders)


def same(sent: object, kept: str) -> bool:
    """Whether an amount was kept exactly."""
    try:
        return Decimal(str(sent)) == Decimal(kept)
    except InvalidOperation:
        return False


def as_sent(value: object) -> object:
    """A value once it was JSON, where the two halves of a character are that character."""
    return json.loads(json.dumps(value))


@fuzz
@given(st.sampled_from(FIELDS), values)
@example("userId", "\ud800\udc00")
def test_any_value_in_any_field(fuzzed: Service, name: str, value: object) -> None:
    service = fresh(fuzzed)
    got = service.call("POST", POST, body={**ORDER, name: value})
    judge_order(service, got)
    if got.status == 202:
        order = service.call("GET", f"/api/orders/{got.body['orderId']}").body
        if name == "amount":
            assert same(value, order["amount"])
        elif name in ("inputToken", "outputToken"):
            token = find_token(str(value))
            assert token is not None
            assert order[name] == token.symbol
        else:
            assert order[name] == as_sent(value)


@fuzz
@given(st.sampled_from(FIELDS), written)
def test_any_text_in_the_place_of_a_value(fuzzed: Service, name: str, value: str) -> None:
    fields = {key: json.dumps(known) for key, known in ORDER.items()}
    service = fresh(fuzzed)
    judge_order(service, service.call("POST", POST, raw=body_of({**fields, name: value})))


@fuzz
@given(st.dictionaries(st.one_of(st.sampled_from(FIELDS), texts), values, max_size=12))
def test_any_object(fuzzed: Service, body: dict[str, object]) -> None:
    service = fresh(fuzzed)
    judge_order(service, service.call("POST", POST, body=body))


@fuzz
@given(st.one_of(written, deep, st.binary(max_size=300), st.text(max_size=300)))
def test_any_body(fuzzed: Service, raw: str | bytes) -> None:
    service = fresh(fuzzed)
    judge_order(service, service.call("POST", POST, raw=raw))
    judge("quote", "/api/quotes", "POST", service.call("POST", "/api/quotes", raw=raw))


@fuzz
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_good_body_with_broken_bytes(fuzzed: Service, place: int, broken: bytes) -> None:
    good = json.dumps(dict(ORDER)).encode()
    raw = good[:place] + broken + good[place + 1 :]
    service = fresh(fuzzed)
    judge_order(service, service.call("POST", POST, raw=raw))
    # API Gateway hands text over, with U+FFFD for bytes that are no UTF-8.
    judge_order(fresh(fuzzed), service.call("POST", POST, raw=raw.decode("utf-8", "replace")))


@fuzz
@given(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3), st.data())
def test_keys_that_stand_twice(fuzzed: Service, twice: list[str], data: st.DataObject) -> None:
    parts = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in ORDER.items()]
    parts += [f"{json.dumps(key)}:{json.dumps(ORDER.get(key, 'x'))}" for key in (*twice, *twice)]
    raw = "{" + ",".join(data.draw(st.permutations(parts))) + "}"
    service = fresh(fuzzed)
    got = service.call("POST", POST, raw=raw)
    judge_order(service, got)
    assert got.body["code"] == "malformed_json"


@fuzz
@given(
    st.dictionaries(
        st.sampled_from(
            ["Content-Type", "content-encoding", "Idempotency-Key", "X-Request-Id", "Accept", "Transfer-Encoding"]
        ),
        header_texts,
    )
)
def test_any_headers(fuzzed: Service, headers: dict[str, str]) -> None:
    service = fresh(fuzzed)
    got = service.place(headers)
    judge_order(service, got)
    assert "\n" not in got.headers["X-Request-Id"]
    assert judge("read", "/api/tokens", "GET", service.call("GET", "/api/tokens", headers=headers)).status == 200


@fuzz
@given(st.sampled_from(FIELDS[2:]), values)
def test_any_value_in_a_dry_run(fuzzed: Service, name: str, value: object) -> None:
    service = fresh(fuzzed)
    judge("quote", "/api/quotes", "POST", service.call("POST", "/api/quotes", body={**SWAP, name: value}))
    assert not service.store.rows


@fuzz
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(FILTERS), texts),
        st.one_of(texts, st.lists(texts, min_size=1, max_size=3)),
        max_size=4,
    )
)
def test_any_query(fuzzed: Service, query: dict[str, str | list[str]]) -> None:
    service = fresh(fuzzed)
    judge("list", "/api/orders", "GET", service.call("GET", "/api/orders", query=query))


@fuzz
@given(st.sampled_from(FILTERS), texts)
def test_any_text_in_a_filter(fuzzed: Service, name: str, value: str) -> None:
    service = fresh(fuzzed)
    judge("list", "/api/orders", "GET", service.call("GET", "/api/orders", query={name: value}))


@fuzz
@given(st.one_of(texts, st.from_regex(r"ord_[0-9a-fA-F]{30,34}", fullmatch=True)).filter(lambda text: "/" not in text))
def test_any_order_id(fuzzed: Service, order_id: str) -> None:
    service = fresh(fuzzed)
    for method, pattern in (
        ("GET", "/api/orders/{order_id}"),
        ("GET", "/api/orders/{order_id}/events"),
        ("POST", "/api/orders/{order_id}/cancel"),
    ):
        event = an_event(method, pattern, None, {}, {}, "/live")
        event["pathParameters"] = {"order_id": order_id}
        event["requestContext"]["path"] = "/live" + pattern.replace("{order_id}", order_id)
        answered = app.app(event, None)
        got = Got(answered["statusCode"], answered["headers"], answered["body"])
        assert judge("by id", pattern, method, got).status == 404
    assert service.store.writes == 0


@fuzz
@given(
    st.one_of(st.none(), texts, st.binary(max_size=50).map(lambda raw: base64.b64encode(raw).decode())), st.booleans()
)
def test_any_event(fuzzed: Service, body: str | None, encoded: bool) -> None:
    service = fresh(fuzzed)
    event = an_event("POST", POST, None, {}, {}, "/live")
    event |= {"body": body, "isBase64Encoded": encoded}
    answered = app.app(event, None)
    judge_order(service, Got(answered["statusCode"], answered["headers"], answered["body"]))


@pytest.fixture(scope="module")
def desk(fuzzed: Service) -> Desk:
    return Desk(fuzzed.store, MemoryFollowers(), fuzzed.events, fuzzed.clock, fuzzed.telemetry, CrashAt())


def judge_reply(desk: Desk, text: str) -> None:
    """Any message gets a reply as specified, and an unknown order is never followed."""
    reply: dict[str, Any] = dict(converse(text, "c", desk))
    count("stream", reply.get("code", reply["type"]))
    names = {"pong": "Pong", "unsubscribed": "Unsubscribed", "error": "StreamError"}
    check_message(names[reply["type"]], reply)
    assert not desk.followers.orders_of("c")


@fuzz
@given(st.one_of(written, texts, deep))
def test_any_text_on_the_stream(desk: Desk, text: str) -> None:
    judge_reply(desk, text)


@fuzz
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "action": st.one_of(st.sampled_from(["subscribe", "unsubscribe", "ping"]), values),
            "orderId": st.one_of(st.just(EXISTING), values),
            "after": values,
        },
    )
)
def test_any_message_on_the_stream(desk: Desk, message: dict[str, object]) -> None:
    judge_reply(desk, json.dumps(message))


@fuzz
@given(st.dictionaries(st.sampled_from(["orderId", "after", "x"]), texts))
def test_any_handshake(desk: Desk, query: dict[str, str]) -> None:
    status = handshake(query, "c", desk)
    count("handshake", status)
    assert status in (400, 404)
    assert not desk.followers.orders_of("c")


def test_the_fuzzers_know_what_a_good_order_is(fuzzed: Service) -> None:
    service = fresh(fuzzed)
    assert service.place().status == 202
    [row] = service.store.rows.values()
    assert row.order.amount == 1_500_000_000
    assert NewOrder.__slots__
