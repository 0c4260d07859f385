"""Telling followers, and asking dependencies how they are."""

import threading
import time

import pytest

from chalicelib.domain.errors import Rejected, Retryable, Unavailable
from chalicelib.domain.quotes import VENUES, QuoteRequest, Side
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.check_health import check_health
from chalicelib.services.publish import publish
from chalicelib.services.quote_pair import quote_pair
from tests.fakes import RecordingTelemetry, an_order, no_quote
from tests.fakes.builders import METEORA
from tests.fakes.engine import Engine


def tell(engine: Engine, status: OrderStatus, *, repeat: bool = False) -> str:
    history = engine.store.put(an_order(status))
    publish(history, store=engine.store, events=engine.events, telemetry=engine.telemetry, repeat=repeat)
    return history.order.id


@pytest.mark.parametrize("status", OrderStatus)
def test_an_end_or_a_rest_that_was_published_needs_no_attention_any_more(engine: Engine, status: OrderStatus) -> None:
    order_id = tell(engine, status)
    rests_or_is_over = status is OrderStatus.WAITING or status.is_terminal
    assert (engine.store.rows[order_id].attention_at is None) == rests_or_is_over
    assert [sent.repeat for sent in engine.events.sent] == [False]


def test_a_repeat_is_sent_as_one(engine: Engine) -> None:
    tell(engine, OrderStatus.FAILED, repeat=True)
    assert [sent.repeat for sent in engine.events.sent] == [True]


@pytest.mark.parametrize("broken", ["queue", "database"])
def test_an_outage_stops_no_trade_and_leaves_the_end_to_reconcile(engine: Engine, broken: str) -> None:
    engine.events.outage = broken == "queue"
    if broken == "database":
        engine.store.outages.next_calls = ["mark_published"]
    order_id = tell(engine, OrderStatus.CONFIRMED)
    assert engine.store.rows[order_id].attention_at is not None
    assert engine.telemetry.total("PublishFailures") == 1


def test_health_names_who_is_away_and_asks_all_at_once() -> None:
    together = threading.Barrier(2)

    def well() -> None:
        together.wait(10)
        time.sleep(0.02)

    def away() -> None:
        together.wait(10)
        raise Unavailable("postgresql://host is down")

    telemetry = RecordingTelemetry()
    database, queue = check_health({"database": away, "queue": well}, telemetry)
    assert (database.name, database.error) == ("database", "cannot be reached")
    assert (queue.name, queue.error) == ("queue", None)
    assert database.milliseconds >= 0
    assert 20 <= queue.milliseconds < 60_000
    # The reason is for whoever runs the service.
    assert [(line.event, line.fields["check"]) for line in telemetry.warnings] == [("check_failed", "database")]


def test_a_dry_run_routes_and_executes_nothing(engine: Engine) -> None:
    request = QuoteRequest(SOL, USDC, Side.SELL, 1_000_000_000, "quote:1")
    route = quote_pair(request, 100, 1500, router=engine.router)
    assert route.chosen.venue == METEORA
    assert route.minimum_output == route.chosen.amount_out * 99 // 100
    assert engine.chain.signed == []
    assert engine.store.rows == {}


@pytest.mark.parametrize(("retryable", "error"), [(True, Retryable), (False, Rejected)])
def test_a_dry_run_without_a_quote(engine: Engine, retryable: bool, error: type[Exception]) -> None:
    engine.router.answers = {1: [no_quote(venue, retryable=retryable) for venue in VENUES]}
    with pytest.raises(error):
        quote_pair(QuoteRequest(SOL, USDC, Side.SELL, 1, "quote:1"), 50, 1500, router=engine.router)
