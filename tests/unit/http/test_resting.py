"""Limit and sniper orders at the door: what is taken, what is refused and how, what a client is told."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from chalicelib.domain.launches import Launch, LaunchKind
from chalicelib.domain.order import Order, placed_at
from chalicelib.domain.tokens import launch_token
from chalicelib.domain.transitions import OrderStatus
from tests.fakes.clock import START
from tests.fakes.market import ScriptedMarket
from tests.unit.http.service import Got, Service

TOKEN = launch_token(2967)


@pytest.fixture
def market(service: Service) -> ScriptedMarket:
    """SOL pays 168.06 USDC."""
    service.market = market = ScriptedMarket(usual="168.06")
    return market


def limit(service: Service, price: object = "170", amount: object = "10", **changes: object) -> Got:
    return service.place(orderType="limit", limitPrice=price, amount=amount, **changes)


def snipe(service: Service, **changes: object) -> Got:
    return service.place(**{"orderType": "sniper", "outputToken": TOKEN.symbol, "amount": "1", **changes})


def order_of(service: Service, got: Got) -> Order:
    assert got.status == 202, got.text
    return service.store.rows[got.body["orderId"]].order


def in_seconds(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@pytest.mark.usefixtures("market")
def test_an_order_whose_limit_is_not_met_rests(service: Service) -> None:
    got = limit(service)
    assert got.body | {"orderId": "", "websocketUrl": "", "expiresAt": "", "says": ""} == {
        "orderId": "",
        "status": "waiting",
        "websocketUrl": "",
        "orderType": "limit",
        "limitPrice": "170",
        "expiresAt": "",
        "marketPrice": "168.06",
        "distanceBps": 115,
        "says": "",
    }
    assert got.body["says"].startswith("Sells 10 SOL for at least 1700 USDC: executes when SOL pays 170 USDC")
    assert "now 168.06, 1.15 % away" in got.body["says"]
    row = service.store.rows[got.body["orderId"]]
    assert service.queue.sent == []
    assert (row.attention_at, row.look_at) == (None, None)
    assert row.order.fires == 0
    assert [event.status for event in row.events] == ["waiting"]
    until = got.body["expiresAt"]
    assert (row.events[0].meta["marketPrice"], row.events[0].meta["expiresAt"]) == ("168.06", until)
    # Thirty days, and the watcher is sent for.
    assert row.order.expires_at == row.order.created_at + timedelta(days=30)
    assert service.ticks.wakes == 1


@pytest.mark.parametrize("usual", ["170", "175"])
def test_a_limit_that_is_met_goes_to_the_workers(service: Service, market: ScriptedMarket, usual: str) -> None:
    market.usual = usual
    got = limit(service)
    order = order_of(service, got)
    assert (got.body["status"], got.body["distanceBps"]) == ("pending", 0)
    assert service.queue.sent == [order.id]
    assert (order.status, order.sequence, order.fires) == (OrderStatus.PENDING, 1, 1)
    assert order.guard is not None
    assert (order.guard.minimum_output, order.guard.maximum_input) == (1_700_000_000, 10_000_000_000)


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"amount": "0.000000001"}, {"amount": "is too small to get any USDC"}),
        (
            {"price": "0.00595"},
            {
                "limitPrice": "must be within 8.403 and 3361.2, a twentieth and twenty times the present price; it "
                "looks inverted: it is USDC per SOL"
            },
        ),
        ({"side": "buy", "amount": "40000000"}, {"amount": "no pool holds that much"}),
        ({"slippageBps": 50}, {"slippageBps": "is not a field of a limit order: it never settles past limitPrice"}),
        (
            {"timeInForce": "ioc"},
            {"timeInForce": "must be gtc or fok: use fok, an order is filled whole or not at all"},
        ),
        ({"timeInForce": "gtd"}, {"timeInForce": "must be gtc or fok: use gtc with expiresAt"}),
        ({"timeInForce": "day"}, {"timeInForce": "must be gtc or fok: use gtc with expiresAt"}),
        ({"timeInForce": 7}, {"timeInForce": "must be gtc or fok"}),
        (
            {"timeInForce": "fok", "expiresAt": in_seconds(60)},
            {"expiresAt": "is not for fok: the order is filled at once or not at all"},
        ),
        ({"launch": {}}, {"launch": "is not a field of a limit order: send it with orderType sniper"}),
        ({"outputToken": TOKEN.symbol}, None),
    ],
)
def test_what_is_refused_says_what_to_do(
    service: Service, body: dict[str, object], fields: dict[str, str] | None
) -> None:
    got = limit(service, **body)
    if fields is None:
        service.market = ScriptedMarket(deepest=-1)
        got = limit(service, **body)
        fields = {"outputToken": "has no open pool yet: a sniper order waits for one"}
    assert got.status == 400, got.text
    assert got.fields == fields
    assert not service.queue.sent


@pytest.mark.usefixtures("market")
def test_dust_that_buys_nothing_at_its_limit_is_refused(service: Service, market: ScriptedMarket) -> None:
    market.usual = "1700"
    assert limit(service, "170", "0.000000001").fields == {
        "amount": "would buy nothing at limitPrice (0.17 base units)"
    }


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("price", [0, "-1", "NaN", "1e400", "1.234567890123456789", True, None, [], "0x1", "1e-30"])
def test_a_limit_price_that_is_none_is_named_with_every_other_wrong_field(service: Service, price: object) -> None:
    sent = {"orderType": "limit", "amount": "0", "side": "hold"} | ({} if price is None else {"limitPrice": price})
    assert set(service.place(**sent).fields) == {"limitPrice", "amount", "side"}


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("field", ["limitPrice", "timeInForce", "expiresAt", "launch"])
def test_a_market_order_has_none_of_their_fields(service: Service, field: str) -> None:
    refused = service.place(**{field: "170"})
    assert list(refused.fields) == [field]
    assert "is not a field of a market order" in refused.fields[field]


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    "moment", [1764115200, "2026-12-01T00:00:00", "1764115200", in_seconds(9.9), in_seconds(91 * 86_400), "soon", True]
)
def test_an_end_without_a_zone_or_out_of_bounds_is_refused(service: Service, moment: object) -> None:
    assert list(limit(service, expiresAt=moment).fields) == ["expiresAt"]
    assert list(snipe(service, expiresAt=moment).fields) == ["expiresAt"]


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        (in_seconds(10), in_seconds(10)),
        (in_seconds(90 * 86_400), in_seconds(90 * 86_400)),
        ("2026-12-01T01:00:00+01:00", "2026-12-01T00:00:00Z"),
    ],
)
def test_an_end_is_answered_in_utc(service: Service, moment: str, stored: str) -> None:
    got = limit(service, expiresAt=moment)
    order = order_of(service, got)
    assert order.expires_at == datetime.fromisoformat(stored).astimezone(UTC)
    assert got.body["expiresAt"] == stored.replace("Z", ".000Z")


def test_a_user_has_a_thousand_resting_orders_at_most(service: Service, market: ScriptedMarket) -> None:
    first = order_of(service, limit(service))
    for number in range(999):
        copy = first.id[:-6] + f"{number:06x}"
        service.store.rows[copy] = service.store.rows[first.id]
    refused = limit(service)
    assert (refused.status, refused.body["code"]) == (409, "too_many_resting_orders")
    assert limit(service, userId="user-2").status == 202
    # What is executed at once does not rest.
    market.usual = "171"
    assert limit(service).status == 202
    market.usual = "168"
    service.store.rows.popitem()
    del service.store.rows[first.id[:-6] + "000000"]
    assert limit(service).status == 202


def test_a_repeat_gets_the_first_answer_although_the_market_has_gone(service: Service, market: ScriptedMarket) -> None:
    sent = {"Idempotency-Key": "key"}
    body = {"orderType": "limit", "limitPrice": "170", "amount": "10"}
    first = service.place(sent, **body)
    market.usual = "8000"
    again = service.place(sent, **body)
    assert (again.status, again.body["orderId"], again.headers["Idempotent-Replayed"]) == (
        202,
        first.body["orderId"],
        "true",
    )
    assert service.place(sent, **{**body, "limitPrice": "171"}).status == 422
    assert len(service.store.rows) == 1


@pytest.mark.usefixtures("market")
def test_a_sniper_rests_and_says_for_what(service: Service) -> None:
    got = snipe(service, launch={"event": "migration", "minimumLiquidityUsd": 100, "maxAgeSeconds": 60})
    order = order_of(service, got)
    assert (order.status, got.body["status"]) == (OrderStatus.WAITING, "waiting")
    assert got.body["says"] == "Spends 1 SOL on LNCH-2967: executes when LNCH-2967 is launched."
    shown = service.call("GET", f"/api/orders/{order.id}").body
    assert shown["launch"] == {
        "event": "migration",
        "minimumLiquidityUsd": "100",
        "maxAgeSeconds": 60,
        "requireSafe": True,
    }
    assert (shown["orderType"], shown["slippageBps"], shown["outputToken"]) == ("sniper", 500, "LNCH-2967")
    # Its mint names the same token.
    assert order_of(service, snipe(service, outputToken=TOKEN.mint)).output_token == TOKEN


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"side": "buy"}, "side"),
        ({"launch": {"event": "listing"}}, "launch.event"),
        ({"launch": {"minimumLiquidityUsd": -1}}, "launch.minimumLiquidityUsd"),
        ({"launch": {"minimumLiquidityUsd": "NaN"}}, "launch.minimumLiquidityUsd"),
        ({"launch": {"maxAgeSeconds": 0}}, "launch.maxAgeSeconds"),
        ({"launch": {"maxAgeSeconds": 301}}, "launch.maxAgeSeconds"),
        ({"launch": {"requireSafe": "yes"}}, "launch.requireSafe"),
        ({"launch": {"maxAge": 1}}, "launch.maxAge"),
        ({"launch": 7}, "launch"),
        ({"timeInForce": "gtc"}, "timeInForce"),
        ({"slippageBps": 5001}, "slippageBps"),
        ({"outputToken": "USDC"}, "outputToken"),
        ({"outputToken": "LNCH-01"}, "outputToken"),
        ({"inputToken": "LNCH-1"}, "outputToken"),
    ],
)
def test_a_sniper_that_cannot_be_is_refused(service: Service, body: dict[str, object], field: str) -> None:
    refused = snipe(service, **body)
    assert refused.status == 400
    assert list(refused.fields) == [field]


def test_a_token_that_was_launched_is_refused_with_the_time(service: Service, market: ScriptedMarket) -> None:
    now = placed_at(order_of(service, snipe(service)).id)
    at = now.replace(microsecond=0) - timedelta(minutes=10)
    market.launched_pools.append(
        Launch(
            pool="pool_1",
            event_id="evt_1",
            token=TOKEN,
            kind=LaunchKind.LAUNCH,
            venue="meteora",
            confirmed_at=at,
            opens_at=at,
            liquidity_usd=41_200,
        )
    )
    when = at.isoformat().replace("+00:00", ".000Z")
    assert snipe(service).fields == {"outputToken": f"was launched at {when}: place a market or limit order"}


@pytest.mark.usefixtures("market")
def test_an_order_is_amended_while_it_rests(service: Service) -> None:
    order = order_of(service, limit(service))
    path = f"/api/orders/{order.id}"
    got = service.call("PATCH", path, body={"limitPrice": "171", "ifSequence": 1})
    assert (got.status, got.body["limitPrice"], got.body["sequence"], got.body["status"]) == (200, "171", 2, "waiting")
    row = service.store.rows[order.id]
    assert row.order.guard is not None
    assert row.order.guard.minimum_output == 1_710_000_000
    assert row.order.bound == 171
    changed = service.call("PATCH", path, body={"limitPrice": "172", "ifSequence": 1})
    assert (changed.status, changed.body["code"]) == (409, "order_changed")
    later = service.call("PATCH", path, body={"expiresAt": in_seconds(3600)})
    assert later.body["expiresAt"] == in_seconds(3600).replace("Z", ".000Z")
    assert later.body["limitPrice"] == "171"


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("asked", [{}, {"ifSequence": 1}])
def test_an_amendment_to_what_is_already_so_writes_nothing(
    service: Service, market: ScriptedMarket, asked: dict[str, object]
) -> None:
    """A client sends it again whose answer was lost; that the market is far from the limit by now is no reason."""
    order = order_of(service, limit(service, expiresAt=in_seconds(600)))
    market.usual = "1"
    for same in (
        {"limitPrice": "170.0"},
        {"expiresAt": in_seconds(600)},
        {"limitPrice": 170, "expiresAt": in_seconds(600)},
    ):
        got = service.call("PATCH", f"/api/orders/{order.id}", body=same | asked)
        assert (got.status, got.body["sequence"], got.body["limitPrice"]) == (200, 1, "170")
    assert len(service.store.rows[order.id].events) == 1
    # What it does change is all that it says.
    both = service.call("PATCH", f"/api/orders/{order.id}", body={"limitPrice": "170", "expiresAt": in_seconds(900)})
    assert both.body["sequence"] == 2
    changed = service.store.rows[order.id].events[1].meta["changed"]
    assert isinstance(changed, dict)
    assert list(changed) == ["expiresAt"]
    stale = service.call("PATCH", f"/api/orders/{order.id}", body={"limitPrice": "170", "ifSequence": 1})
    assert (stale.status, stale.body["code"]) == (409, "order_changed")


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize("launch", [[], "soon", 1, True])
def test_conditions_of_a_launch_are_refused_in_the_traders_words(service: Service, launch: object) -> None:
    assert snipe(service, launch=launch).fields == {"launch": "must be an object"}


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "limitPrice"),
        ({"ifSequence": 1}, "limitPrice"),
        ({"limitPrice": "0.00595"}, "limitPrice"),
        ({"limitPrice": 0}, "limitPrice"),
        ({"expiresAt": in_seconds(1)}, "expiresAt"),
        ({"amount": "11", "limitPrice": "171"}, "amount"),
        ({"limitPrice": "171", "ifSequence": 0}, "ifSequence"),
        ({"limitPrice": "171", "ifSequence": "1"}, "ifSequence"),
    ],
)
def test_an_amendment_keeps_the_rules_of_placing(service: Service, body: dict[str, object], field: str) -> None:
    order = order_of(service, limit(service))
    refused = service.call("PATCH", f"/api/orders/{order.id}", body=body)
    assert refused.status == 400
    assert list(refused.fields) == [field]
    assert service.store.rows[order.id].order == order


def test_what_does_not_rest_is_not_amended(service: Service, market: ScriptedMarket) -> None:
    market.usual = "175"
    order = order_of(service, limit(service))
    refused = service.call("PATCH", f"/api/orders/{order.id}", body={"limitPrice": "171"})
    assert (refused.status, refused.body["code"], refused.body["orderStatus"]) == (409, "not_amendable", "pending")
    nobodys = service.call("PATCH", f"/api/orders/{order.id[:-4]}ffff", body={"limitPrice": "171"})
    assert nobodys.status == 404


@pytest.mark.usefixtures("market")
def test_a_resting_order_is_cancelled(service: Service) -> None:
    order = order_of(service, limit(service))
    got = service.call("POST", f"/api/orders/{order.id}/cancel")
    assert (got.status, got.body["status"], got.body["sequence"]) == (200, "cancelled", 2)


@pytest.mark.usefixtures("market")
def test_orders_are_listed_by_type(service: Service) -> None:
    resting = order_of(service, limit(service))
    order_of(service, snipe(service))
    service.place()
    listed = service.call("GET", "/api/orders", query={"orderType": "limit", "status": "waiting"}).body["orders"]
    assert [order["id"] for order in listed] == [resting.id]
    assert service.call("GET", "/api/orders", query={"orderType": "stop"}).status == 400


def test_prices_are_those_of_the_market_now_and_before(service: Service, market: ScriptedMarket) -> None:
    pair = {"inputToken": "SOL", "outputToken": "USDC"}
    second = int(START.timestamp())
    market.usdc = {second - 1: "169.5"}
    now = service.call("GET", "/api/prices", query=pair).body
    assert now["points"] == [
        {
            "at": "2026-11-22T18:00:00.000Z",
            "best": "168.06",
            "venues": [{"venue": "raydium", "price": "168.06"}],
        }
    ]
    past = service.call("GET", "/api/prices", query={**pair, "from": in_seconds(-2), "to": in_seconds(0)}).body
    assert [point["best"] for point in past["points"]] == ["168.06", "169.5", "168.06"]
    assert Fraction(past["points"][1]["venues"][0]["price"]) == Fraction("169.5")


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": in_seconds(1)}, "from"),
        ({"to": in_seconds(-1)}, "from"),
        ({"from": in_seconds(-10), "to": in_seconds(5)}, "to"),
        ({"from": in_seconds(-10), "to": in_seconds(-20)}, "to"),
        ({"from": in_seconds(-601)}, "step"),
        ({"from": in_seconds(-10), "step": "0"}, "step"),
        ({"outputToken": "WSOL"}, "outputToken"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_question_about_prices_that_cannot_be_answered(service: Service, query: dict[str, str], field: str) -> None:
    refused = service.call("GET", "/api/prices", query={"inputToken": "SOL", "outputToken": "USDC", **query})
    assert (refused.status, list(refused.fields)) == (400, [field])


def test_launches_are_listed_newest_first_and_each_pool_once(service: Service) -> None:
    from tests.fakes.market import a_market, watched

    service.market = watched(a_market(service.clock, launch_seconds=600))
    page = service.call("GET", "/api/launches").body
    times = [launch["confirmedAt"] for launch in page["launches"]]
    assert times == sorted(times, reverse=True)
    assert len({launch["pool"] for launch in page["launches"]}) == len(times) == 50
    assert len(page["upcoming"]) == 10
    following = service.call("GET", "/api/launches", query={"before": page["nextBefore"]}).body
    assert following["launches"][0]["confirmedAt"] < times[-1]
    assert following["upcoming"] == []
