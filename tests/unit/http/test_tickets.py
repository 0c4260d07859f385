"""Stream tickets: what holds, what does not, and that nothing is followed by what does not."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import bootstrap
from chalicelib.domain.errors import OrderNotFound, TicketOfAnotherOrder, TicketRefused
from chalicelib.domain.identity import Identity, Owner, Scope
from chalicelib.http.admission import AdmitByTicket, AdmitOwner
from chalicelib.http.cursors import encode_cursor
from chalicelib.http.requests import HttpRequest
from chalicelib.http.signing import SigningKeys
from chalicelib.http.tickets import issue_ticket, read_ticket, write_ticket
from chalicelib.ports.history import OrderFilter
from chalicelib.services.subscriptions import MAX_FOLLOWERS, SubscriptionPorts
from tests.fakes import FakeClock, MemoryFollowers, MemoryOrders, an_order
from tests.fakes.owned import MemoryOwnedOrders
from tests.fakes.streams import subscription_ports
from tests.unit.http.service import WEBSOCKET_URL, Service
from tests.unit.http.test_stream import connect, say

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
KEYS = SigningKeys("secret", 3)
ANN = Identity(Owner("ann"), frozenset(Scope), NOW + timedelta(hours=1))
MINE, OTHER, NOBODYS = (f"ord_{digit * 32}" for digit in "abc")


def a_ticket(
    order_id: str | None = MINE, identity: Identity = ANN, keys: SigningKeys = KEYS, at: datetime = NOW
) -> str:
    return write_ticket(issue_ticket(identity, order_id, at), keys)


def test_a_ticket_says_who_may_follow_what_until_when() -> None:
    ticket = read_ticket(a_ticket(), NOW, KEYS)
    assert (ticket.subject, ticket.order_id) == ("ann", MINE)
    assert ticket.expires_at == NOW + timedelta(seconds=300)
    assert ticket.session_ends_at == ANN.expires_at
    soon = replace(ANN, expires_at=NOW + timedelta(seconds=30))
    assert read_ticket(a_ticket(identity=soon), NOW, KEYS).expires_at == NOW + timedelta(seconds=30)


@pytest.mark.parametrize(("age", "holds"), [(0, True), (299, True), (300, False), (301, False)])
def test_a_ticket_holds_for_five_minutes(age: int, holds: bool) -> None:
    later = NOW + timedelta(seconds=age)
    if holds:
        read_ticket(a_ticket(), later, KEYS)
    else:
        with pytest.raises(TicketRefused):
            read_ticket(a_ticket(), later, KEYS)


@pytest.mark.parametrize(("generation", "holds"), [(3, True), (4, True), (5, False), (2, False)])
def test_a_ticket_holds_for_its_own_generation_of_keys_and_the_next(generation: int, holds: bool) -> None:
    later = replace(KEYS, generation=generation)
    if holds:
        read_ticket(a_ticket(), NOW, later)
    else:
        with pytest.raises(TicketRefused):
            read_ticket(a_ticket(), NOW, later)


def test_a_ticket_fits_a_url_whoever_it_is_for() -> None:
    for subject, longest in (("auth0|507f1f77bcf86cd799439020", 190), ("\U0001f642" * 128, 850)):
        ticket = a_ticket(identity=replace(ANN, owner=Owner(subject)))
        assert re.fullmatch(r"[A-Za-z0-9._-]+", ticket)
        assert len(ticket) <= longest
        assert read_ticket(ticket, NOW, KEYS).subject == subject


def test_no_character_of_a_ticket_can_be_changed() -> None:
    ticket = a_ticket()
    for place, character in enumerate(ticket):
        for other in {"A", "B", "0", "_", "."} - {character}:
            with pytest.raises(TicketRefused):
                read_ticket(ticket[:place] + other + ticket[place + 1 :], NOW, KEYS)


NO_TICKETS = {
    "empty": "",
    "space": " ",
    "newline": a_ticket() + "\n",
    "twice": a_ticket() + a_ticket(),
    "padded": a_ticket() + "=",
    "cut": a_ticket()[:-1],
    "another version": "t2" + a_ticket()[2:],
    "no generation": a_ticket().replace("t1.3.", "t1..", 1),
    "generation zero": a_ticket().replace("t1.3.", "t1.0.", 1),
    "generation with a zero before it": a_ticket().replace("t1.3.", "t1.03.", 1),
    "another generation's number": a_ticket().replace("t1.3.", "t1.2.", 1),
    "of another secret": a_ticket(keys=SigningKeys("another", 3)),
    "a cursor": encode_cursor(MINE, OrderFilter(), KEYS),
    "a token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.eyJzdWIiOiJhbm4ifQ." + "A" * 86,  # pragma: allowlist secret
    "a signature in full": ".".join([*a_ticket().split(".")[:3], "A" * 43]),
    "long": "t1.3." + "A" * 100_000 + "." + "A" * 22,
    "\u0661": a_ticket().replace("t1.3.", "t1.\u0663.", 1),
}


@pytest.mark.parametrize("name", NO_TICKETS)
def test_what_is_no_ticket_does_not_hold(name: str) -> None:
    with pytest.raises(TicketRefused):
        read_ticket(NO_TICKETS[name], NOW, KEYS)


@given(st.text(max_size=300))
def test_no_text_is_a_ticket(text: str) -> None:
    with pytest.raises(TicketRefused):
        read_ticket(text, NOW, KEYS)


BOB = replace(ANN, owner=Owner("bob"))
OPEN = Identity(Owner(None), frozenset(Scope), None)


@pytest.mark.parametrize(
    ("order_id", "ticket", "refusal"),
    [
        (MINE, a_ticket(MINE), None),
        (MINE, a_ticket(None), None),
        (OTHER, a_ticket(None), None),
        (MINE, None, TicketRefused),
        (OTHER, a_ticket(MINE), TicketOfAnotherOrder),
        (MINE.upper(), a_ticket(MINE), TicketOfAnotherOrder),
        (MINE, a_ticket(None, BOB), OrderNotFound),
        (NOBODYS, a_ticket(None), OrderNotFound),
        ("\x00", a_ticket(None), OrderNotFound),
        (MINE, a_ticket(MINE, OPEN), TicketRefused),
        (MINE, a_ticket(None, OPEN), TicketRefused),
    ],
)
def test_who_may_follow_what(order_id: str, ticket: str | None, refusal: type[Exception] | None) -> None:
    store = MemoryOrders(FakeClock())
    for mine in (MINE, OTHER):
        store.put(an_order(order_id=mine, user="ann"))
    admit = AdmitByTicket(KEYS, lambda: NOW, MemoryOwnedOrders(store))
    if refusal is None:
        assert admit(order_id, ticket) == ANN.expires_at
        return
    with pytest.raises(refusal) as caught:
        admit(order_id, ticket)
    assert type(caught.value) is refusal


@pytest.fixture
def ports(service: Service, followers: MemoryFollowers) -> SubscriptionPorts:
    """Streams of a service in jwt mode."""
    admit = AdmitByTicket(service.signing_keys, service.clock.now, MemoryOwnedOrders(service.store))
    admit_user = AdmitOwner(service.signing_keys, service.clock.now)
    return subscription_ports(service, followers, admit=admit, admit_user=admit_user)


@pytest.fixture
def ann(service: Service, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """Who sends every request."""
    identity = replace(ANN, expires_at=service.clock.now() + timedelta(hours=1))

    def identify(_request: HttpRequest) -> Identity:
        return identity

    monkeypatch.setattr(bootstrap, "identify", lambda: identify)
    service.is_owned = True
    return identity


def ticket_in(url: str) -> str:
    return url.partition("&ticket=")[2]


@pytest.mark.usefixtures("ann")
def test_a_placed_order_s_address_opens_its_stream(service: Service, ports: SubscriptionPorts) -> None:
    placed = service.place({"Idempotency-Key": "k"}, userId="ann").body
    assert placed["websocketUrl"].startswith(f"{WEBSOCKET_URL}?orderId={placed['orderId']}&ticket=t1.1.")
    assert connect(ports, orderId=placed["orderId"], ticket=ticket_in(placed["websocketUrl"])) == 200
    service.clock.sleep(60)
    again = service.place({"Idempotency-Key": "k"}, userId="ann").body
    assert again["orderId"] == placed["orderId"]
    # A fresh one: what was answered first may have expired.
    assert again["websocketUrl"] != placed["websocketUrl"]
    assert connect(ports, orderId=placed["orderId"], ticket=ticket_in(again["websocketUrl"])) == 200


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize("for_one", [True, False])
def test_a_ticket_is_made_for_one_order_or_for_all(service: Service, ports: SubscriptionPorts, for_one: bool) -> None:
    order_id = service.place(userId="ann").body["orderId"]
    made = service.call("POST", "/api/stream-tickets", body={"orderId": order_id} if for_one else {})
    assert made.status == 201
    ticket = made.body["ticket"]
    named = {"orderId": order_id} if for_one else {"userId": "ann"}
    assert made.body["websocketUrl"] == f"{WEBSOCKET_URL}?{urlencode(named)}&ticket={ticket}"
    assert made.body["expiresAt"] == "2026-11-22T18:05:00.000Z"
    # As it is, and a ticket for all for each order, too.
    assert connect(ports, **dict(parse_qsl(urlsplit(made.body["websocketUrl"]).query))) == 200
    assert connect(ports, "another", orderId=order_id, ticket=ticket) == 200


@pytest.mark.usefixtures("ann")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"orderId": "ord_" + "0" * 32}, 404),
        ({"orderId": "none"}, 404),
        ({"orderId": 1}, 400),
        ({"orderId": ""}, 400),
        ({"user": "bob"}, 400),
        ({"sub": "bob"}, 400),
        ({"userId": "bob"}, 403),
        ({"userId": ""}, 400),
        ([], 400),
        (None, 400),
    ],
)
def test_a_ticket_for_nothing_is_not_made(service: Service, body: object, status: int) -> None:
    assert service.call("POST", "/api/stream-tickets", raw="" if body is None else json.dumps(body)).status == status


def test_in_open_mode_a_ticket_is_made_and_needed_nowhere(service: Service) -> None:
    placed = service.place().body
    assert "ticket" not in placed["websocketUrl"]
    for named in ({"orderId": placed["orderId"]}, {"userId": "ann & ünï/"}):
        made = service.call("POST", "/api/stream-tickets", body=named)
        assert made.status == 201
        query = dict(parse_qsl(urlsplit(made.body["websocketUrl"]).query))
        assert query == {**named, "ticket": made.body["ticket"]}
    # An address that names nobody would open nothing.
    nobody = service.call("POST", "/api/stream-tickets", body={})
    assert (nobody.status, nobody.body["errors"][0]["field"]) == (400, "userId")


@pytest.mark.usefixtures("ann")
def test_a_refused_handshake_stores_nothing(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers
) -> None:
    order_id = service.place(userId="ann").body["orderId"]
    good = service.call("POST", "/api/stream-tickets", body={"orderId": order_id}).body["ticket"]
    another = service.place(userId="ann").body["orderId"]
    bobs = write_ticket(issue_ticket(replace(BOB, expires_at=None), None, service.clock.now()), service.signing_keys)
    for status, query in [
        (401, {"orderId": order_id}),
        *((401, {"orderId": order_id, "ticket": ticket}) for ticket in NO_TICKETS.values()),
        (401, {"orderId": order_id, "ticket": good + " "}),
        (401, {"orderId": another, "ticket": good}),
        (401, {"orderId": "ord_" + "0" * 32, "ticket": good}),
        (401, {"orderId": order_id, "ticket": bobs}),
        (400, {"orderId": order_id, "ticket": [good, good]}),
        (400, {"orderId": order_id, "ticket": ["x", good]}),
        (400, {"orderId": [order_id, another], "ticket": good}),
        (400, {"orderId": order_id, "after": ["0", "0"], "ticket": good}),
        (400, {"orderId": order_id, "after": "x", "ticket": good}),
    ]:
        assert connect(ports, **query) == status, query
    assert not followers.rows
    assert not service.events.sent
    assert not any(good in str(line) for line in service.telemetry.lines)


@pytest.mark.usefixtures("ann")
def test_each_subscribe_brings_a_ticket_of_its_own(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers
) -> None:
    mine, other = (service.place(userId="ann").body["orderId"] for _ in range(2))
    bobs = service.store.put(an_order(user="bob")).order.id
    made = {
        order_id: service.call("POST", "/api/stream-tickets", body=body).body["ticket"]
        for order_id, body in {mine: {"orderId": mine}, None: {}}.items()
    }
    assert connect(ports, orderId=mine, ticket=made[mine]) == 200
    rows = dict(followers.rows)
    for code, message in [
        ("unauthenticated", {"orderId": mine}),
        ("unauthenticated", {"orderId": mine, "ticket": ""}),
        ("unauthenticated", {"orderId": mine, "ticket": 1}),
        ("unauthenticated", {"orderId": mine, "ticket": None}),
        ("unauthenticated", {"orderId": mine, "ticket": [made[mine]]}),
        ("order_not_found", {"orderId": other, "ticket": made[mine]}),
        ("order_not_found", {"orderId": bobs, "ticket": made[None]}),
        ("order_not_found", {"orderId": bobs, "ticket": made[mine]}),
    ]:
        reply = say(ports, {"action": "subscribe", **message})
        assert (reply["type"], reply["code"]) == ("error", code)
        assert made[mine] not in json.dumps(reply)
        if message.get("ticket") == made[mine]:  # whose order it is stands in no answer
            assert "for another order" in str(reply["message"])
    assert followers.rows == rows
    assert say(ports, {"action": "subscribe", "orderId": other, "ticket": made[None]})["type"] == "subscribed"
    assert {row.session_ends_at for row in followers.rows.values()} == {service.clock.now() + timedelta(hours=1)}


@pytest.mark.usefixtures("ann")
def test_all_orders_of_a_user_are_followed_by_a_ticket_for_all_of_his_alone(
    service: Service, ports: SubscriptionPorts, followers: MemoryFollowers
) -> None:
    order_id = service.place(userId="ann").body["orderId"]
    for_all = service.call("POST", "/api/stream-tickets", body={}).body["ticket"]
    for_one = service.call("POST", "/api/stream-tickets", body={"orderId": order_id}).body["ticket"]
    for user, ticket in [
        ("ann", None),
        ("ann", "junk"),
        ("ann", for_one),
        ("bob", for_all),
        ("Ann", for_all),
        ("ann ", for_all),
        *(("ann", ticket) for ticket in NO_TICKETS.values()),
    ]:
        named = {"userId": user, **({"ticket": ticket} if ticket is not None else {})}
        assert connect(ports, **named) == 401, named
        reply = say(ports, {"action": "subscribe", **named})
        assert reply["code"] in ("unauthenticated", "message_too_large")
    said = {
        name: str(say(ports, {"action": "subscribe", "userId": user, "ticket": ticket})["message"])
        for name, user, ticket in [("one", "ann", for_one), ("other", "bob", for_all), ("none", "ann", "junk")]
    }
    assert "for one order" in said["one"]
    assert "another user" in said["other"]
    assert "valid stream ticket" in said["none"]
    assert not followers.rows
    assert not service.store.followed_users
    assert connect(ports, userId="ann", ticket=for_all) == 200
    assert say(ports, {"action": "subscribe", "userId": "ann", "ticket": for_all})["type"] == "subscribed"
    assert {row.session_ends_at for row in followers.rows.values()} == {service.clock.now() + timedelta(hours=1)}


@pytest.mark.parametrize("followed", ["an order", "a user"])
def test_no_more_than_twenty_follow_and_the_earlier_ones_stay(
    service: Service, followers: MemoryFollowers, followed: str
) -> None:
    open_to_all = subscription_ports(service, followers)
    key, name = ("userId", "u") if followed == "a user" else ("orderId", service.place().body["orderId"])
    for number in range(MAX_FOLLOWERS):
        assert connect(open_to_all, f"c{number}", **{key: name}) == 200
    before = set(followers.rows)
    service.clock.sleep(2)
    assert connect(open_to_all, "late", **{key: name}) == 429
    assert say(open_to_all, {"action": "subscribe", key: name}, "late")["code"] == "too_many_followers"
    assert set(followers.rows) == before
    # One of the twenty may start anew, and one that goes makes room.
    assert say(open_to_all, {"action": "subscribe", key: name}, "c3")["type"] == "subscribed"
    say(open_to_all, {"action": "unsubscribe", key: name}, "c3")
    assert connect(open_to_all, "late", **{key: name}) == 200


def test_the_payload_of_a_ticket_holds_no_secret() -> None:
    payload = a_ticket().split(".")[2]
    assert json.loads(base64.urlsafe_b64decode(payload + "==")) == [
        "ann",
        MINE,
        int((NOW + timedelta(seconds=300)).timestamp()),
        int((NOW + timedelta(hours=1)).timestamp()),
    ]
