"""The stream's own language: what clients may send, and what each message is answered."""

import json

import pytest

import app
from chalicelib import bootstrap
from chalicelib.handlers import websocket
from chalicelib.handlers.websocket import handshake_status, reply_to
from chalicelib.http.access import STREAM
from chalicelib.services.subscriptions import SubscriptionPorts
from tests.fakes import MemoryFollowers
from tests.fakes.streams import subscription_ports
from tests.unit.http.service import Service
from tests.unit.http.specification import check_frame

UNKNOWN = "ord_" + "0" * 32


@pytest.fixture
def ports(service: Service, followers: MemoryFollowers) -> SubscriptionPorts:
    return subscription_ports(service, followers)


@pytest.fixture
def order_id(service: Service) -> str:
    placed: str = service.place().body["orderId"]
    return placed


def connect(ports: SubscriptionPorts, connection_id: str = "c", /, **query: str | list[str]) -> int:
    """The status of a handshake with this query."""
    several = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return handshake_status(several, connection_id, ports)


def say(ports: SubscriptionPorts, message: object, connection_id: str = "c") -> dict[str, object]:
    """Sends a message and gives the reply, which is as specified."""
    reply = dict(reply_to(message if isinstance(message, str) else json.dumps(message), connection_id, ports))
    check_frame(reply)
    return reply


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"userId": "u"}, 200),
        ({"userId": "Zoë 💥"}, 200),
        ({"userId": "u", "since": "2026-11-22T18:00:00+05:30"}, 200),
        ({"userId": "u", "since": "0001-01-01T00:00:00Z"}, 200),
        ({"userId": "u", "since": "9999-12-31T23:59:59.999Z"}, 200),
        ({"userId": ""}, 400),
        ({"userId": "u" * 129}, 400),
        ({"userId": ["u", "u"]}, 400),
        ({"userId": "u", "since": ["2026-11-22T18:00:00Z", "2026-11-22T18:00:00Z"]}, 400),
        ({"userId": "u", "since": ""}, 400),
        ({"userId": "u", "since": "1795000000"}, 400),
        ({"userId": "u", "orderId": UNKNOWN}, 400),
        ({"userId": "u", "after": "0"}, 400),
        ({"since": "2026-11-22T18:00:00Z"}, 400),
        ({}, 400),
        ({"orderId": ""}, 400),
        ({"orderId": UNKNOWN}, 404),
        ({"orderId": "\x00"}, 404),
        ({"orderId": "x" * 10_000}, 404),
    ],
)
def test_a_handshake_names_a_user_or_an_order(
    ports: SubscriptionPorts, followers: MemoryFollowers, query: dict[str, str | list[str]], status: int
) -> None:
    assert connect(ports, **query) == status
    assert len(followers.rows) == (1 if status == 200 else 0)


def test_one_connection_follows_a_user_and_an_order(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str
) -> None:
    reply = say(ports, {"action": "subscribe", "userId": "u", "since": "2026-11-22T18:00:00Z"})
    assert reply == {"type": "subscribed", "userId": "u", "since": "2026-11-22T18:00:00.000Z"}
    say(ports, {"action": "subscribe", "orderId": order_id})
    assert say(ports, {"action": "unsubscribe", "userId": "u"}) == {"type": "unsubscribed", "userId": "u"}
    assert followers.orders_of("c") == [order_id]
    service.store.outages.everything = True
    assert say(ports, {"action": "subscribe", "userId": "u"})["code"] == "service_unavailable"
    assert followers.orders_of("c") == [order_id]


@pytest.mark.parametrize("after", ["-1", "1.0", "x", "", "1000001", "9" * 5000, "٣", "00000001"])
def test_a_handshake_with_a_strange_sequence_is_refused(
    ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str, after: str
) -> None:
    assert connect(ports, orderId=order_id, after=after) == 400
    assert not followers.rows


def test_a_handshake_during_an_outage_answers_503(
    ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str
) -> None:
    followers.outage = True
    assert connect(ports, orderId=order_id) == 503


def test_a_handshake_follows_the_order(ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str) -> None:
    assert connect(ports, orderId=order_id, after="1") == 200
    assert followers.rows[order_id, "c"].last_sequence == 1


def test_ping_is_answered_with_the_time(ports: SubscriptionPorts) -> None:
    assert say(ports, {"action": "ping"}) == {"type": "pong", "at": "2026-11-22T18:00:00.000Z"}


def test_what_the_table_of_access_does_not_name_is_no_action(
    ports: SubscriptionPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {name for name in STREAM if name.startswith("$")} == set(app.app.websocket_handlers) - {"$default"}
    monkeypatch.setattr(websocket, "STREAM", {name: who for name, who in STREAM.items() if name != "ping"})
    assert say(ports, {"action": "ping"})["code"] == "unknown_action"


def test_one_connection_follows_several_orders(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str
) -> None:
    assert say(ports, {"action": "subscribe", "orderId": order_id}) == {
        "type": "subscribed",
        "orderId": order_id,
        "after": 0,
        "sequence": 1,
    }
    other = service.place().body["orderId"]
    assert say(ports, {"action": "subscribe", "orderId": other, "after": 1})["after"] == 1
    assert sorted(followers.orders_of("c")) == sorted([order_id, other])
    assert say(ports, {"action": "unsubscribe", "orderId": order_id}) == {"type": "unsubscribed", "orderId": order_id}
    assert followers.orders_of("c") == [other]


def test_a_hundred_orders_a_connection_and_no_more(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str
) -> None:
    for _ in range(99):
        say(ports, {"action": "subscribe", "orderId": service.place().body["orderId"]})
    assert say(ports, {"action": "subscribe", "orderId": order_id})["type"] == "subscribed"
    one_more = service.place().body["orderId"]
    assert say(ports, {"action": "subscribe", "orderId": one_more})["code"] == "too_many_subscriptions"
    assert say(ports, {"action": "subscribe", "orderId": order_id, "after": 1})["type"] == "subscribed"
    assert len(followers.orders_of("c")) == 100


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "malformed_json"),
        ("ping", "malformed_json"),
        ("{", "malformed_json"),
        ("[]", "malformed_json"),
        ("null", "malformed_json"),
        ('{"action": NaN}', "malformed_json"),
        ('{"action": "ping", "action": "ping"}', "malformed_json"),
        ('{"a":1e99999999999999999999}', "malformed_json"),
        ("[" * 20_000, "malformed_json"),
        ("\ud800", "malformed_json"),
        (json.dumps({"action": "ping", "padding": "x" * 40_000}), "message_too_large"),
        ({}, "unknown_action"),
        ({"action": "buy"}, "unknown_action"),
        ({"action": None}, "unknown_action"),
        ({"action": ["ping"]}, "unknown_action"),
        ({"action": "PING"}, "unknown_action"),
        ({"action": "subscribe"}, "order_id_missing"),
        ({"action": "subscribe", "orderId": ""}, "order_id_missing"),
        ({"action": "subscribe", "orderId": 7}, "order_id_missing"),
        ({"action": "subscribe", "orderId": UNKNOWN}, "order_not_found"),
        ({"action": "subscribe", "orderId": "\x00"}, "order_not_found"),
        ({"action": "subscribe", "userId": ""}, "invalid_user_id"),
        ({"action": "subscribe", "userId": "  "}, "invalid_user_id"),
        ({"action": "subscribe", "userId": 7}, "invalid_user_id"),
        ({"action": "subscribe", "userId": None}, "invalid_user_id"),
        ({"action": "subscribe", "userId": "u" * 129}, "invalid_user_id"),
        ({"action": "subscribe", "userId": "a\x00"}, "invalid_user_id"),
        ('{"action": "subscribe", "userId": "\\ud800"}', "invalid_user_id"),
        ({"action": "unsubscribe", "userId": ["u"]}, "invalid_user_id"),
        ({"action": "subscribe", "userId": "u", "orderId": UNKNOWN}, "order_or_user"),
        ({"action": "subscribe", "userId": "u", "orderId": None}, "order_or_user"),
        ({"action": "unsubscribe", "userId": "u", "orderId": UNKNOWN}, "order_or_user"),
        ({"action": "subscribe", "userId": "u", "after": 0}, "order_or_user"),
        ({"action": "subscribe", "orderId": UNKNOWN, "since": "2026-11-22T18:00:00Z"}, "order_or_user"),
        ({"action": "subscribe", "userId": "u", "since": None}, "invalid_since"),
        ({"action": "subscribe", "userId": "u", "since": 1_795_000_000}, "invalid_since"),
        ({"action": "subscribe", "userId": "u", "since": "yesterday"}, "invalid_since"),
        ({"action": "subscribe", "userId": "u", "since": "2026-11-22T18:00:00"}, "invalid_since"),
        ({"action": "subscribe", "userId": "u", "since": "2026-02-30T18:00:00Z"}, "invalid_since"),
        ({"action": "unsubscribe"}, "order_id_missing"),
        ({"action": "unsubscribe", "orderId": "💥"}, "order_not_found"),
    ],
)
def test_nonsense_is_answered_with_an_error(
    ports: SubscriptionPorts, followers: MemoryFollowers, message: object, code: str
) -> None:
    reply = say(ports, message)
    assert (reply["type"], reply["code"]) == ("error", code)
    assert str(reply["message"]).endswith(".")
    assert len(json.dumps(reply)) < 1_000
    assert not followers.rows


@pytest.mark.parametrize("after", [-1, 1.5, "x", None, True, [], 1_000_001, 10**40])
def test_a_strange_sequence_is_answered_with_an_error(ports: SubscriptionPorts, order_id: str, after: object) -> None:
    assert say(ports, {"action": "subscribe", "orderId": order_id, "after": after})["code"] == "invalid_after"


def test_a_sequence_is_a_whole_number_however_json_writes_it(
    service: Service, ports: SubscriptionPorts, order_id: str
) -> None:
    for written in ("1", "1.0", "10e-1"):
        reply = say(ports, f'{{"action": "subscribe", "orderId": "{order_id}", "after": {written}}}')
        assert reply["after"] == 1


def test_an_error_about_an_order_names_it(ports: SubscriptionPorts) -> None:
    assert say(ports, {"action": "subscribe", "orderId": UNKNOWN})["orderId"] == UNKNOWN


def test_an_outage_is_answered_with_an_error(
    ports: SubscriptionPorts, followers: MemoryFollowers, order_id: str
) -> None:
    followers.outage = True
    assert say(ports, {"action": "subscribe", "orderId": order_id})["code"] == "service_unavailable"


def test_a_defect_shows_nothing_of_our_insides(
    service: Service, ports: SubscriptionPorts, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("secret insides")

    monkeypatch.setattr(service.store, "follow", broken)
    monkeypatch.setattr(bootstrap, "subscriptions", lambda: ports)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    event = {
        "requestContext": {"connectionId": "c", "requestId": "r-1", "apiId": "a", "domainName": "d", "stage": "live"},
        "body": json.dumps({"action": "subscribe", "orderId": order_id}),
    }
    answered = app.websocket_message(event, None)
    reply = json.loads(answered["body"])
    assert (reply["code"], reply["requestId"]) == ("internal_error", "r-1")
    assert "secret" not in answered["body"]
    assert [name for name, _ in service.telemetry.exceptions] == ["message_failed"]
