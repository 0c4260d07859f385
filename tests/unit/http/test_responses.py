"""What every answer has: request ids, problems with stable codes, headers that tell what to do next."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib import bootstrap, correlation
from chalicelib.domain.errors import ErrorCode, RateLimited
from chalicelib.domain.identity import Owner
from chalicelib.domain.quotes import VENUES, NoQuote, Quote, QuoteRequest
from chalicelib.domain.transitions import OrderStatus
from tests.fakes import FakeRouter, a_quote, an_order
from tests.unit.http.service import SWAP, WEBSOCKET_URL, Service

PROBLEM = {"type", "title", "status", "code", "detail", "instance", "requestId"}


def test_the_clients_request_id_comes_back(service: Service) -> None:
    for sent in ("mine-1", "~" * 128, "[red]mine[/red]", 'say"so"'):
        got = service.call("GET", "/api/tokens", headers={"x-request-ID": sent})
        assert got.headers["X-Request-Id"] == sent


@pytest.mark.parametrize("sent", [None, "", "two words", "line\nbreak", "a\r\nX-Set: b", "\x1b[31mred", "x" * 129, "ü"])
def test_without_one_that_can_be_logged_the_gateways_id_is_used(service: Service, sent: str | None) -> None:
    got = service.call("GET", "/api/tokens", headers={"X-Request-Id": sent} if sent is not None else {})
    assert got.headers["X-Request-Id"] == "gateway-1"


def test_a_problem_names_the_path_that_was_asked_for(service: Service) -> None:
    got = service.call("GET", "/api/orders/ord_x y/events")
    assert set(got.body) == PROBLEM | {"orderId"}
    assert got.body["instance"] == "/api/orders/ord_x%20y/events"
    assert got.body["requestId"] == got.headers["X-Request-Id"]
    assert got.body["type"] == "urn:order-engine:problem:order_not_found"
    assert got.body["status"] == got.status == 404


def test_without_a_front_door_paths_begin_with_the_stage(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.websocket_url = "wss://abc.execute-api.us-east-1.amazonaws.com/live"
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", service.websocket_url)
    placed = service.place()
    assert placed.headers["Location"] == f"/live/api/orders/{placed.body['orderId']}"
    assert placed.body["websocketUrl"] == f"{service.websocket_url}?orderId={placed.body['orderId']}"
    assert service.call("GET", "/api/orders/none").body["instance"] == "/live/api/orders/none"
    assert service.call("GET", "/api/orders/none", stage="").body["instance"] == "/api/orders/none"
    bound: dict[str, object] = {}
    monkeypatch.setattr(correlation, "bind", lambda **fields: bound.update(fields))
    service.call("GET", "/")
    assert bound["path"] == "/live/"


@pytest.mark.parametrize(("scheme", "said"), [("ws", False), ("wss", True)])
def test_browsers_are_told_to_stay_with_https_where_the_address_is(
    service: Service, monkeypatch: pytest.MonkeyPatch, scheme: str, said: bool
) -> None:
    monkeypatch.setenv("PUBLIC_WEBSOCKET_URL", f"{scheme}://orders.example.com/api/orders/execute")
    for path in ("/api/tokens", "/docs", "/api/orders/none"):
        assert ("Strict-Transport-Security" in service.call("GET", path).headers) == said


def test_a_placed_order_says_where_it_is(service: Service) -> None:
    placed = service.place()
    order_id = placed.body["orderId"]
    assert placed.status == 202
    assert placed.body == {
        "orderId": order_id,
        "status": "pending",
        "websocketUrl": f"{WEBSOCKET_URL}?orderId={order_id}",
        "orderType": "market",
    }
    assert placed.headers["Location"] == f"/api/orders/{order_id}"
    assert "Idempotent-Replayed" not in placed.headers


def test_the_same_key_and_order_get_the_first_answer_again(service: Service) -> None:
    first = service.place({"Idempotency-Key": "k"}, amount="1.50")
    again = service.place({"idempotency-key": "k"}, amount=1.5)
    assert (again.status, again.text, again.headers["Idempotent-Replayed"]) == (202, first.text, "true")
    assert again.headers["Location"] == first.headers["Location"]
    assert len(service.store.rows) == len(service.queue.sent) == 1


def test_the_same_key_with_another_order_is_refused(service: Service) -> None:
    service.place({"Idempotency-Key": "k"})
    refused = service.place({"Idempotency-Key": "k"}, amount="2")
    assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
    assert service.place({"Idempotency-Key": "k"}, userId="somebody-else").status == 202


def test_a_refused_order_does_not_use_up_its_key(service: Service) -> None:
    assert service.place({"Idempotency-Key": "k"}, amount="0").status == 400
    assert service.place({"Idempotency-Key": "k"}).status == 202


@pytest.mark.parametrize("twice", [["K1", "K1"], "K1, K1"], ids=["api gateway", "emulator"])
def test_a_key_that_is_sent_twice_is_one_key(service: Service, twice: str | list[str]) -> None:
    first, again = service.place({"Idempotency-Key": "K1"}), service.place({"Idempotency-Key": twice})
    assert (again.status, again.text) == (202, first.text)
    assert len(service.store.rows) == 1


@pytest.mark.parametrize(
    "key",
    ["", "x" * 256, "\t", "é", "a\xe9", "a\ufffd", "\x7f", "a,b", "a,a", "K1, K2", ["K1", "K2"], ["", "K1"], ["", ""]],
)
def test_a_key_that_cannot_be_one_is_refused(service: Service, key: str | list[str]) -> None:
    refused = service.place({"Idempotency-Key": key})
    assert (refused.status, refused.body["code"]) == (400, "invalid_idempotency_key")
    assert not service.store.rows


def test_a_taken_client_order_id_names_the_order_that_has_it(service: Service) -> None:
    first = service.place(clientOrderId="mine")
    taken = service.place(clientOrderId="mine", amount="2")
    assert (taken.status, taken.body["code"]) == (409, "client_order_id_taken")
    assert taken.body["orderId"] == first.body["orderId"]
    found = service.call("GET", "/api/orders", query={"clientOrderId": "mine"}).body["orders"]
    assert [order["orderId"] for order in found] == [first.body["orderId"]]


def test_a_cancel_that_comes_too_late_says_where_the_order_stands(service: Service) -> None:
    order = service.store.put(an_order(OrderStatus.FAILED)).order
    refused = service.call("POST", f"/api/orders/{order.id}/cancel")
    assert (refused.status, refused.body["code"], refused.body["orderStatus"]) == (409, "not_cancellable", "failed")
    assert refused.body["orderId"] == order.id


def test_an_outage_says_when_to_come_back(service: Service) -> None:
    service.store.outages.everything = service.has_trouble = True
    for got in (
        service.place(),
        service.call("GET", "/api/orders"),
        service.call("GET", "/api/orders/ord_" + "0" * 32),
        service.call("GET", f"/api/orders/ord_{'0' * 32}/events"),
        service.call("POST", f"/api/orders/ord_{'0' * 32}/cancel"),
    ):
        assert (got.status, got.body["code"]) == (503, "service_unavailable")


def test_who_asks_for_too_much_is_told_when_to_come_back(service: Service) -> None:
    class Empty:
        def take(self, owner: Owner) -> None:
            raise RateLimited(7)

    service.allowances = Empty()
    got = service.call("POST", "/api/quotes", body=SWAP)
    assert (got.status, got.body["code"], got.headers["Retry-After"]) == (429, "rate_limited", "7")


def test_a_defect_shows_nothing_of_our_insides(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("secret insides")

    service.has_trouble = True
    monkeypatch.setattr(service.store, "get", broken)
    got = service.call("GET", "/api/orders/ord_" + "0" * 32)
    assert (got.status, got.body["code"]) == (500, "internal_error")
    assert "secret" not in got.text
    assert [event for event, _ in service.telemetry.exceptions] == ["request_failed"]


def test_an_answer_that_is_no_json_is_a_defect(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.has_trouble = True
    monkeypatch.setattr("chalicelib.http.api.tokens_view", lambda: {"tokens": float("nan")})
    assert service.call("GET", "/api/tokens").body["code"] == "internal_error"


def test_a_missing_setting_is_a_problem_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def unset() -> None:
        raise RuntimeError("CURSOR_SECRET is not set")

    service.has_trouble = True
    monkeypatch.setattr(bootstrap, "api", unset)
    assert service.call("GET", "/api/tokens").body["code"] == "internal_error"


def test_reading_the_streams_address_explains_it(service: Service) -> None:
    got = service.call("GET", "/api/orders/execute")
    assert (got.status, got.body["code"]) == (426, "upgrade_required")
    assert got.headers["Upgrade"] == "websocket"
    assert f"{WEBSOCKET_URL}?orderId=" in got.body["detail"]


def test_a_dry_run_tells_both_quotes_and_the_choice(service: Service) -> None:
    got = service.call("POST", "/api/quotes", body={**SWAP, "slippageBps": 100}).body
    assert {quote["venue"] for quote in got["quotes"]} == {"raydium", "meteora"}
    assert got["chosenDex"] == "meteora"
    chosen = next(quote for quote in got["quotes"] if quote["venue"] == "meteora")
    assert chosen["minimumOutput"] == got["minimumOutput"]
    assert int(chosen["minimumOutput"]["baseUnits"]) == int(chosen["amountOut"]["baseUnits"]) * 99 // 100
    assert {"effectivePrice", "fee", "priceImpactPct", "expiresAt"} <= chosen.keys()
    assert not service.store.rows


def test_without_a_quote_the_problem_says_why(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: QuoteRequest) -> list[NoQuote]:
        return [NoQuote(venue, ErrorCode.INSUFFICIENT_LIQUIDITY, "Too little.", retryable=False) for venue in VENUES]

    assert isinstance(service.router, FakeRouter)
    monkeypatch.setattr(service.router, "quotes", refuse)
    got = service.call("POST", "/api/quotes", body=SWAP)
    assert (got.status, got.body["code"]) == (422, "no_quote")
    assert "Too little." in got.body["detail"]


def test_a_swap_that_would_move_the_market_too_far_is_refused_with_the_impact(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def far(_: QuoteRequest) -> list[Quote]:
        return [replace(a_quote(venue), price_impact_pct=Decimal("87.25")) for venue in VENUES]

    assert isinstance(service.router, FakeRouter)
    monkeypatch.setattr(service.router, "quotes", far)
    got = service.call("POST", "/api/quotes", body=SWAP)
    assert (got.status, got.body["code"]) == (422, "price_impact_too_high")
    assert got.body["priceImpactPct"] == "87.25"
    assert "allows 15 %" in got.body["detail"]
    accepted = service.call("POST", "/api/quotes", body={**SWAP, "maxPriceImpactBps": 8725})
    assert accepted.status == 200


def test_tokens_are_the_registry(service: Service) -> None:
    tokens = {token["symbol"]: token for token in service.call("GET", "/api/tokens").body["tokens"]}
    assert {"SOL", "WSOL", "USDC", "USDT", "JUP", "BONK", "RAY"} <= tokens.keys()
    for token in tokens.values():
        assert re.fullmatch(r"[1-9A-HJ-NP-Za-km-z]{32,44}", token["mint"])
        assert (
            service.place(inputToken=token["mint"], outputToken="USDC" if token["symbol"] != "USDC" else "JUP").status
            == 202
        )


def test_pages_follow_each_other_while_orders_arrive(service: Service) -> None:
    placed = [service.place().body["orderId"] for _ in range(5)]
    query = {"userId": "user-1", "limit": "2"}
    seen: list[str] = []
    page = service.call("GET", "/api/orders", query=query).body
    while True:
        seen += [order["orderId"] for order in page["orders"]]
        if page["nextCursor"] is None:
            break
        service.place(userId="user-2")
        page = service.call("GET", "/api/orders", query={**query, "cursor": page["nextCursor"]}).body
    assert sorted(seen, reverse=True) == seen
    assert set(seen) == set(placed)
    cursor = service.call("GET", "/api/orders", query=query).body["nextCursor"]
    other = service.call("GET", "/api/orders", query={"userId": "user-2", "cursor": cursor})
    assert (other.status, other.body["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("cursor", ["A" * 40, "ü", "=", "x" * 512])
def test_a_cursor_that_is_none_is_refused_by_its_name(service: Service, cursor: str) -> None:
    refused = service.call("GET", "/api/orders", query={"cursor": cursor})
    assert (refused.status, refused.body["code"], set(refused.fields)) == (400, "invalid_cursor", {"cursor"})


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/asyncapi.json", "/health", "/api/tokens", "/api/orders", "/api/orders/x"]
)
def test_head_is_answered_as_get(service: Service, path: str) -> None:
    head, get = service.call("HEAD", path), service.call("GET", path)
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])
    assert len(head.text) == len(get.text)
