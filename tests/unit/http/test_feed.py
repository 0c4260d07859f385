"""The feed of all events of a user, over HTTP."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.order import placed_at
from chalicelib.http.cursors import decode_cursor, decode_place, encode_cursor
from chalicelib.http.problems import Problem
from chalicelib.ports.history import OrderFilter
from chalicelib.services.views import timestamp
from tests.unit.http.service import Service

USER = "user-1"


def feed(service: Service, **query: str | list[str]) -> dict[str, object]:
    answer = service.call("GET", "/api/events", query={"userId": USER, **query})
    assert answer.status == 200
    body: dict[str, object] = answer.body
    return body


def test_a_reader_gets_every_event_once_and_goes_on_where_he_was(service: Service) -> None:
    empty = feed(service)
    assert (empty["events"], empty["more"]) == ([], False)
    ids = [service.place(userId=USER).body["orderId"] for _ in range(3)]
    service.place(userId="another")
    first = feed(service, after=str(empty["nextCursor"]), limit="2")
    second = feed(service, after=str(first["nextCursor"]), limit="2")
    third = feed(service, after=str(second["nextCursor"]), limit="2")
    assert [page["more"] for page in (first, second, third)] == [True, False, False]
    listed = [event["orderId"] for page in (first, second, third) for event in page["events"]]  # type: ignore[attr-defined]
    assert sorted(listed) == sorted(ids)
    assert third["nextCursor"] == second["nextCursor"]
    ids.append(service.place(userId=USER).body["orderId"])
    assert [event["orderId"] for event in feed(service, after=str(third["nextCursor"]))["events"]] == ids[3:]  # type: ignore[attr-defined]


def test_a_reader_begins_at_a_time_and_goes_on_by_the_cursor(service: Service) -> None:
    service.clock.advance((datetime.now(UTC) - service.clock.now()).total_seconds() + 60)
    _, second = (service.place(userId=USER).body["orderId"] for _ in range(2))
    both = feed(service)["events"]
    assert feed(service, since="2000-01-01T00:00:00+01:00")["events"] == both
    assert feed(service, since=both[0]["at"])["events"] == both  # type: ignore[index]
    begun = feed(service, since=timestamp(placed_at(second) + timedelta(milliseconds=1)))
    assert (begun["events"], begun["more"]) == ([], False)
    time.sleep(0.002)
    third = service.place(userId=USER).body["orderId"]
    listed = feed(service, after=str(begun["nextCursor"]))["events"]
    assert [event["orderId"] for event in listed] == [third]  # type: ignore[attr-defined]


def test_a_reader_whose_clock_is_ahead_misses_nothing(service: Service) -> None:
    begun = feed(service, since="2999-01-01T00:00:00Z")
    service.clock.advance(1)
    order_id = service.place(userId=USER).body["orderId"]
    listed = feed(service, after=str(begun["nextCursor"]))["events"]
    assert [event["orderId"] for event in listed] == [order_id]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "userId"),
        ({"userId": ""}, "userId"),
        ({"userId": ["a", "a"]}, "userId"),
        ({"userId": "a", "limit": "0"}, "limit"),
        ({"userId": "a", "limit": "201"}, "limit"),
        ({"userId": "a", "limit": "1e1"}, "limit"),
        ({"userId": "a", "after": ""}, "after"),
        ({"userId": "a", "after": "x" * 513}, "after"),
        ({"userId": "a", "cursor": "x"}, "cursor"),
        ({"userId": "a", "since": "yesterday"}, "since"),
        ({"userId": "a", "since": "2026-11-26T12:00:00"}, "since"),
        ({"userId": "a", "since": "2026-11-26T12:00:00Z", "after": "x"}, "after"),
    ],
)
def test_what_cannot_be_listed_is_refused_by_its_field(
    service: Service, query: dict[str, str | list[str]], field: str
) -> None:
    answer = service.call("GET", "/api/events", query=query)
    assert (answer.status, answer.body["code"]) == (400, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [field]


def test_a_cursor_is_good_for_its_user_and_for_nothing_else(service: Service) -> None:
    service.place(userId=USER)
    cursor = str(feed(service)["nextCursor"])
    of_a_list = encode_cursor("ord_" + "0" * 32, OrderFilter(user_id=USER), service.signing_keys)
    for user, wrong in [
        ("another", cursor),
        (USER, cursor[:-2] + "AA"),
        (USER, of_a_list),
        (USER, "ü"),
        (USER, "AAAA"),
    ]:
        answer = service.call("GET", "/api/events", query={"userId": user, "after": wrong})
        assert (answer.status, answer.body["code"]) == (400, "invalid_cursor")
        assert answer.body["errors"][0]["field"] == "after"
    with pytest.raises(Problem):
        decode_cursor(cursor, OrderFilter(user_id=USER), service.signing_keys)
    assert decode_place(cursor, USER, service.signing_keys) is not None
