"""Whatever a client sends: refused with a problem and nothing written, or taken exactly as it was sent."""

import base64
import json
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.domain.tokens import find_token
from chalicelib.handlers.websocket import handshake_status, reply_to
from chalicelib.services.subscriptions import SubscriptionPorts
from chalicelib.services.user_stream import user_key
from tests.fakes import MemoryFollowers, MemoryOrders
from tests.fakes.streams import subscription_ports
from tests.unit.http.junk import body_of, deep, header_texts, texts, values, written
from tests.unit.http.service import ORDER, SWAP, Got, Service, an_event
from tests.unit.http.specification import check_frame

POST = "/api/orders/execute"
FIELDS = (*ORDER, "slippageBps", "clientOrderId", "orderType")
FILTERS = ("userId", "clientOrderId", "status", "venue", "inputToken", "outputToken", "placedFrom", "placedBefore",
           "limit", "cursor")  # fmt: skip
EXISTING = "ord_" + "0" * 32
fuzz = settings(max_examples=100)


def fresh(service: Service) -> Service:
    """The same service with nothing in it."""
    service.store = MemoryOrders(service.clock)
    service.queue.sent.clear()
    service.events.sent.clear()
    return service


def judge_order(service: Service, got: Got) -> None:
    """An order was either refused and left no trace, or stands in the store once."""
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
    quoted = service.call("POST", "/api/quotes", body={**SWAP, name: value})
    # A dry run knows no user; whatever both know they judge alike.
    assert (quoted.status == 200) == (got.status == 202) or name not in SWAP
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


objects = st.dictionaries(st.one_of(st.sampled_from(FIELDS), texts), values, max_size=12).map(json.dumps)


@fuzz
@given(st.one_of(objects, written, deep, st.binary(max_size=300), st.text(max_size=300)))
def test_any_body(fuzzed: Service, raw: str | bytes) -> None:
    service = fresh(fuzzed)
    judge_order(service, service.call("POST", POST, raw=raw))
    service.call("POST", "/api/quotes", raw=raw)


@fuzz
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3), st.booleans())
def test_a_good_body_with_broken_bytes(fuzzed: Service, place: int, broken: bytes, in_base64: bool) -> None:
    good = json.dumps(dict(ORDER)).encode()
    raw = good[:place] + broken + good[place + 1 :]
    # API Gateway hands text over, with U+FFFD for bytes that are no UTF-8, or everything as base64.
    text = base64.b64encode(raw).decode() if in_base64 else raw.decode("utf-8", "replace")
    service = fresh(fuzzed)
    event = an_event("POST", POST, text, {}, {}, "/live") | {"isBase64Encoded": in_base64}
    judge_order(service, service.send(event))


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
            ["Content-Type", "content-encoding", "Idempotency-Key", "X-Request-Id", "If-None-Match", "Accept"]
        ),
        header_texts,
    )
)
def test_any_headers(fuzzed: Service, headers: dict[str, str | list[str]]) -> None:
    service = fresh(fuzzed)
    got = service.place(headers)
    judge_order(service, got)
    assert "\n" not in got.headers["X-Request-Id"]
    assert service.call("GET", "/openapi.json", headers=headers).status in (200, 304)


@fuzz
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(FILTERS), texts),
        st.one_of(texts, st.lists(texts, min_size=1, max_size=3)),
        max_size=3,
    )
)
def test_any_query(fuzzed: Service, query: dict[str, str | list[str]]) -> None:
    assert fresh(fuzzed).call("GET", "/api/orders", query=query).status in (200, 400)


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
        got = service.send(event)
        assert (got.status, got.body["code"], len(got.text) < 4_000) == (404, "order_not_found", True)
    assert service.store.writes == 0


@pytest.fixture(scope="module")
def ports(fuzzed: Service) -> SubscriptionPorts:
    return subscription_ports(fuzzed, MemoryFollowers())


messages = st.fixed_dictionaries(
    {},
    optional={
        "action": st.one_of(st.sampled_from(["subscribe", "unsubscribe", "ping"]), values),
        "orderId": st.one_of(st.just(EXISTING), values),
        "after": values,
        "userId": values,
        "since": values,
        "ticket": values,
    },
).map(json.dumps)


@fuzz
@given(st.one_of(messages, written, texts, deep))
def test_any_text_on_the_stream(ports: SubscriptionPorts, text: str) -> None:
    reply = reply_to(text, "c", ports)
    check_frame(reply)
    if reply["type"] == "subscribed":
        # Any name may be a user's.
        ports.followers.remove(user_key(str(dict(reply)["userId"])), "c")
    assert not ports.followers.orders_of("c")


@fuzz
@given(st.dictionaries(st.sampled_from(["orderId", "after", "ticket", "x"]), st.lists(texts, min_size=1, max_size=2)))
def test_any_handshake(ports: SubscriptionPorts, query: dict[str, list[str]]) -> None:
    assert handshake_status(query, "c", ports) in (400, 404)
    assert not ports.followers.orders_of("c")
