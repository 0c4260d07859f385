"""What clients read of an order that rests: the sentence and the JSON of each event."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.events import (
    LimitMissed,
    Move,
    OrderAmended,
    OrderExpired,
    OrderPlaced,
    PriceReached,
    TokenLaunched,
)
from chalicelib.domain.launches import Launch, LaunchKind
from chalicelib.domain.order import Failure, LaunchConditions, Order
from chalicelib.domain.quotes import Side
from chalicelib.domain.tokens import launch_token
from chalicelib.domain.transitions import OrderStatus
from chalicelib.services.event_messages import describe, limit_sentence, market_meta, resting_sentence
from chalicelib.services.views import error_view
from tests.fakes import an_order
from tests.fakes.builders import METEORA
from tests.fakes.clock import START

LATER = START + timedelta(seconds=60)
LIMIT = replace(an_order(OrderStatus.WAITING, amount=10**10), limit_price=Decimal(170), fires=2)
ENDS = replace(LIMIT, expires_at=LATER)
SNIPER = replace(an_order(OrderStatus.WAITING), output_token=launch_token(7), launch=LaunchConditions())
MISSED = Failure(ErrorCode.LIMIT_NOT_MET, "No venue met it.", retryable=True)
# 168.123456789 USDC for a SOL.
MARKET = Fraction(168_123_456_789, 10**12)
LAUNCH = Launch(
    pool="pool_1",
    event_id="evt_1",
    token=launch_token(7),
    kind=LaunchKind.LAUNCH,
    venue=METEORA,
    confirmed_at=START,
    opens_at=START,
    liquidity_usd=41_200,
)
AT = "2026-11-22T18:01:00.000Z"
TRIGGER = {"at": AT, "fires": 3, "latencyMs": 250}
BOTH_WAYS = "SOL pays 170 USDC or more after fees ({}1 USDC for at most 0.005882352941 SOL)"


@pytest.mark.parametrize(
    ("order", "event", "sentence", "meta"),
    [
        (
            LIMIT,
            OrderPlaced(MARKET),
            f"Resting until {BOTH_WAYS.format('now 168.12346, 1.12 % away; ')}.",
            {"limitPrice": "170", "marketPrice": "168.123456789", "distanceBps": 112, "expiresAt": None},
        ),
        (
            ENDS,
            OrderPlaced(),
            f"Resting until {BOTH_WAYS.format('')}, until {AT}.",
            {"limitPrice": "170", "expiresAt": AT},
        ),
        (
            replace(SNIPER, limit_price=Decimal("0.50")),
            OrderPlaced(),
            "Waiting for the launch of LNCH-7.",
            {
                "expiresAt": None,
                "launch": {
                    "event": "any",
                    "minimumLiquidityUsd": "5000",
                    "maxAgeSeconds": 30,
                    "requireSafe": True,
                },
                "limitPrice": "0.5",
            },
        ),
        (
            LIMIT,
            PriceReached(Fraction(17, 100), LATER, 250),
            "The market reached 170 USDC per SOL: queued.",
            {"trigger": {"kind": "price", "price": "170", **TRIGGER}},
        ),
        (
            replace(SNIPER, fires=2),
            TokenLaunched(LAUNCH, LATER, 250),
            "LNCH-7 opened on meteora with 41200 USD: queued.",
            {"trigger": {"kind": "launch", "eventId": "evt_1", "pool": "pool_1", **TRIGGER}},
        ),
        (
            LIMIT,
            LimitMissed(MISSED, MARKET, 4, LATER),
            "The price moved away: 168.123456789 at best. Resting again, next look in 4 s.",
            {"attempt": 1, "error": error_view(MISSED), "fires": 2},
        ),
        (
            LIMIT,
            LimitMissed(MISSED, None, 4, LATER),
            "The price moved away: No venue met it. Resting again, next look in 4 s.",
            {"attempt": 1, "error": error_view(MISSED), "fires": 2},
        ),
        (
            ENDS,
            OrderAmended(Decimal("171.0"), Decimal(171), LATER + timedelta(seconds=1)),
            f"Amended: 171 instead of 170 USDC per SOL, until 2026-11-22T18:01:01.000Z instead of {AT}.",
            {
                "changed": {
                    "limitPrice": {"from": "170", "to": "171"},
                    "expiresAt": {"from": AT, "to": "2026-11-22T18:01:01.000Z"},
                }
            },
        ),
        (
            replace(LIMIT, status=OrderStatus.ROUTING),
            OrderExpired(MISSED),
            "Not filled at once: No venue met it.",
            {"attempt": 1, "error": error_view(MISSED)},
        ),
        (
            ENDS,
            OrderExpired(),
            f"Expired at {AT}: SOL did not pay 170 USDC when we looked.",
            {},
        ),
        (
            replace(ENDS, status=OrderStatus.PENDING),
            OrderExpired(),
            f"Expired at {AT}, before anything was signed.",
            {},
        ),
        (
            replace(SNIPER, expires_at=LATER),
            OrderExpired(),
            f"Expired at {AT}: LNCH-7 was not launched.",
            {},
        ),
    ],
)
def test_what_happened_to_an_order_that_rests(
    order: Order, event: OrderPlaced | Move, sentence: str, meta: dict[str, object]
) -> None:
    assert describe(order, event) == (sentence, meta)


@pytest.mark.parametrize(
    ("order", "means"),
    [
        (LIMIT, f"Sells 10 SOL for at least 1700 USDC: executes when {BOTH_WAYS.format('')}."),
        (
            replace(LIMIT, side=Side.BUY, amount=1_700_000_000),
            f"Buys 1700 USDC for at most 10 SOL: executes when {BOTH_WAYS.format('')}.",
        ),
        (SNIPER, "Spends 1 SOL on LNCH-7: executes when LNCH-7 is launched."),
        (
            replace(SNIPER, limit_price=Decimal("0.5")),
            "Sells 1 SOL for at least 0.5 LNCH-7: executes when LNCH-7 is launched.",
        ),
    ],
)
def test_what_a_resting_order_means(order: Order, means: str) -> None:
    assert resting_sentence(order, None) == means


def test_a_market_at_the_limit_is_not_away_from_it() -> None:
    assert limit_sentence(LIMIT, Fraction(17, 100)) == BOTH_WAYS.format("now 170; ")
    assert market_meta(LIMIT, Fraction(17, 100)) == {"marketPrice": "170", "distanceBps": 0}
    # Nothing to be away from.
    assert limit_sentence(SNIPER, None) == ""
    assert market_meta(an_order(), MARKET) == {"marketPrice": "168.123456789", "distanceBps": 0}
