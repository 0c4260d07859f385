"""The choice between the venues' answers."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.amounts import maximum_input, minimum_output
from chalicelib.domain.errors import ErrorCode, PriceImpactTooHigh, Rejected, Retryable
from chalicelib.domain.quotes import VENUES, NoQuote, Quote, QuoteRequest, Side, Venue, choose_route
from chalicelib.domain.tokens import SOL, USDC, USDT
from tests.fakes import a_quote, no_quote
from tests.fakes.builders import METEORA, ONE_SOL, RAYDIUM

SELL = QuoteRequest(SOL, USDC, Side.SELL, ONE_SOL, "seed")
BUY = QuoteRequest(SOL, USDC, Side.BUY, 165_000_000, "seed")
units = st.integers(1, 2**64 - 1)


@given(units, units)
def test_selling_takes_whoever_gives_more(raydium: int, meteora: int) -> None:
    quotes = [a_quote(RAYDIUM, amount_out=raydium), a_quote(METEORA, amount_out=meteora)]
    route = choose_route(SELL, list(quotes), 50)
    assert route.chosen.amount_out == max(raydium, meteora)
    assert route.chosen.venue is (METEORA if meteora > raydium else RAYDIUM)


@given(units, units)
def test_buying_takes_whoever_asks_less(raydium: int, meteora: int) -> None:
    quotes = [a_quote(RAYDIUM, amount_in=raydium), a_quote(METEORA, amount_in=meteora)]
    route = choose_route(BUY, list(quotes), 50)
    assert route.chosen.amount_in == min(raydium, meteora)
    assert route.chosen.venue is (METEORA if meteora < raydium else RAYDIUM)


def test_the_lower_fee_does_not_win_the_better_price_after_fees_does() -> None:
    cheap = a_quote(RAYDIUM, amount_out=164_000_000, fee=0)
    dear = a_quote(METEORA, amount_out=165_000_000, fee=50_000_000)
    assert choose_route(SELL, [cheap, dear], 50).chosen is dear


@pytest.mark.parametrize("request_", [SELL, BUY], ids=["sell", "buy"])
@pytest.mark.parametrize("order", [(RAYDIUM, METEORA), (METEORA, RAYDIUM)])
def test_on_a_tie_whoever_was_asked_first(request_: QuoteRequest, order: tuple[Venue, Venue]) -> None:
    route = choose_route(request_, [a_quote(venue) for venue in order], 50)
    assert route.chosen.venue is order[0]
    assert route.spread_bps == 0


@given(units, units, st.integers(0, 5000))
def test_a_sale_gives_everything_and_at_least_the_minimum(amount_in: int, amount_out: int, bps: int) -> None:
    quote = a_quote(amount_in=amount_in, amount_out=amount_out)
    route = choose_route(replace(SELL, amount=amount_in), [quote], bps)
    assert route.maximum_input == amount_in
    assert route.minimum_output == minimum_output(amount_out, bps) <= amount_out


@given(units, units, st.integers(0, 5000))
def test_a_purchase_gets_everything_and_pays_at_most_the_maximum(amount_in: int, amount_out: int, bps: int) -> None:
    quote = a_quote(amount_in=amount_in, amount_out=amount_out)
    route = choose_route(replace(BUY, amount=amount_out), [quote], bps)
    assert route.minimum_output == amount_out
    assert route.maximum_input == maximum_input(amount_in, bps) >= amount_in


@pytest.mark.parametrize("venue", VENUES)
def test_one_venue_is_enough(venue: Venue) -> None:
    other = next(one for one in VENUES if one is not venue)
    route = choose_route(SELL, [no_quote(other, message="Out to lunch."), a_quote(venue)], 50)
    assert route.chosen.venue is venue
    assert route.spread_bps is None
    assert [answer.venue for answer in route.unavailable] == [other]
    assert str(venue) in route.reason
    assert "Out to lunch." in route.reason


def test_the_reason_names_both_prices() -> None:
    better = a_quote(METEORA, amount_out=169_000_000)
    route = choose_route(SELL, [a_quote(RAYDIUM, amount_out=165_000_000), better], 50)
    assert route.reason == "meteora gives 169 USDC per SOL after fees, raydium 165."
    assert route.quotes == (a_quote(RAYDIUM, amount_out=165_000_000), better)


def test_nobody_quotes_but_somebody_may_next_time() -> None:
    with pytest.raises(Retryable, match="No venue gave a quote") as caught:
        choose_route(SELL, [no_quote(RAYDIUM, retryable=False), no_quote(METEORA)], 50)
    assert caught.value.code is ErrorCode.NO_QUOTE


def test_nobody_was_asked() -> None:
    with pytest.raises(Retryable):
        choose_route(SELL, [], 50)


def test_everybody_refuses_for_good() -> None:
    answers: list[Quote | NoQuote] = [
        no_quote(RAYDIUM, code=ErrorCode.AMOUNT_TOO_SMALL, message="Too small.", retryable=False),
        no_quote(METEORA, code=ErrorCode.INSUFFICIENT_LIQUIDITY, message="Too large.", retryable=False),
    ]
    with pytest.raises(Rejected) as caught:
        choose_route(SELL, answers, 50)
    assert str(caught.value) == "No venue can fill this order. raydium: Too small. meteora: Too large."
    # With two reasons the first venue's stands for both.
    assert caught.value.code is ErrorCode.AMOUNT_TOO_SMALL


@given(units, units, units, units)
def test_the_spread_is_how_much_better_the_better_is(in_a: int, out_a: int, in_b: int, out_b: int) -> None:
    route = choose_route(SELL, [a_quote(RAYDIUM, in_a, out_a), a_quote(METEORA, in_b, out_b)], 50)
    low, high = sorted((Fraction(out_a, in_a), Fraction(out_b, in_b)))
    assert route.spread_bps is not None
    exact = (high / low - 1) * 10_000
    # The decimals that it is reckoned with carry 28 digits.
    assert abs(route.spread_bps - exact) <= 1 + exact / 10**26


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        (SELL, ("wrap SOL", "swap WSOL for USDC on raydium")),
        (replace(SELL, input_token=USDC, output_token=SOL), ("swap USDC for WSOL on raydium", "unwrap SOL")),
        (replace(SELL, input_token=USDC, output_token=USDT), ("swap USDC for USDT on raydium",)),
    ],
)
def test_sol_is_wrapped_for_the_swap(request_: QuoteRequest, steps: tuple[str, ...]) -> None:
    assert choose_route(request_, [a_quote()], 50).steps == steps


# Price impact.


def moving(venue: Venue, impact_pct: str, amount_out: int = 165_000_000) -> Quote:
    return replace(a_quote(venue, amount_out=amount_out), price_impact_pct=Decimal(impact_pct))


@pytest.mark.parametrize(
    ("impact_pct", "maximum_bps", "accepted"),
    [
        ("15", 1500, True),
        ("15.0001", 1500, False),
        ("0", 0, True),
        ("0.0001", 0, False),
        ("99.9", 10_000, True),
    ],
)
def test_a_quote_may_move_the_market_as_far_as_the_trader_accepts(
    impact_pct: str, maximum_bps: int, accepted: bool
) -> None:
    if accepted:
        assert choose_route(SELL, [moving(RAYDIUM, impact_pct)], 50, maximum_bps).chosen.venue == RAYDIUM
        return
    with pytest.raises(PriceImpactTooHigh) as caught:
        choose_route(SELL, [moving(RAYDIUM, impact_pct)], 50, maximum_bps)
    assert caught.value.impact_pct == Decimal(impact_pct)
    assert not caught.value.retryable


def test_unless_told_otherwise_that_is_fifteen_percent() -> None:
    choose_route(SELL, [moving(RAYDIUM, "15")], 50)
    with pytest.raises(PriceImpactTooHigh, match=r"by 15\.0001 % on raydium; maxPriceImpactBps allows 15 %"):
        choose_route(SELL, [moving(RAYDIUM, "15.0001")], 50)


def test_a_better_price_with_too_high_an_impact_gives_way_to_the_other() -> None:
    quotes: list[Quote | NoQuote] = [moving(RAYDIUM, "20", 170_000_000), moving(METEORA, "1", 165_000_000)]
    route = choose_route(SELL, quotes, 50)
    assert route.chosen.venue == METEORA
    assert len(route.quotes) == 2
    assert route.reason == (
        "meteora gives 165 USDC per SOL after fees, raydium 170 with too high a price impact (20 %)."
    )


def test_the_least_impact_is_told() -> None:
    with pytest.raises(PriceImpactTooHigh, match=r"by 87\.5 % on meteora") as caught:
        choose_route(SELL, [moving(RAYDIUM, "98.2"), moving(METEORA, "87.5")], 50)
    assert caught.value.impact_pct == Decimal("87.5")


def test_the_reason_names_every_other_venue() -> None:
    quotes: list[Quote | NoQuote] = [
        a_quote(RAYDIUM, amount_out=165_000_000),
        a_quote("orca", amount_out=170_000_000),
        a_quote(METEORA, amount_out=169_000_000),
    ]
    assert choose_route(SELL, quotes, 50).reason == (
        "orca gives 170 USDC per SOL after fees, raydium 165, meteora 169."
    )
