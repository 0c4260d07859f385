"""Order ids, and what an order knows about itself."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.order import EPOCH, Fill, first_id_at, new_order_id, placed_at
from chalicelib.domain.quotes import Side
from chalicelib.domain.tokens import SOL, USDC
from tests.fakes import an_order
from tests.fakes.builders import an_id

moments = st.integers(0, 253_402_214_400_000).map(lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds))


def test_an_id_is_well_formed_and_new_every_time() -> None:
    ids = {new_order_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"ord_[0-9a-f]{32}", order_id) for order_id in ids)


def test_an_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = placed_at(new_order_id())
    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC)


@given(moments, moments)
def test_ids_sort_as_their_times_do(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    if later - earlier >= timedelta(milliseconds=1):
        assert an_id(earlier) < an_id(later)


@given(moments)
def test_the_smallest_id_of_a_moment_divides_earlier_from_later(moment: datetime) -> None:
    border = first_id_at(moment)
    assert border <= f"{border}{'0' * 20}"
    assert placed_at(f"{border}{'0' * 20}") == moment
    if moment > EPOCH:
        just_before = first_id_at(moment - timedelta(milliseconds=1))
        assert f"{just_before}{'f' * 20}" < border


def test_amounts_count_the_input_when_selling_and_the_output_when_buying() -> None:
    assert an_order(side=Side.SELL).amount_token is SOL
    assert an_order(side=Side.BUY).amount_token is USDC


def test_every_attempt_is_a_question_of_its_own() -> None:
    order = an_order()
    references = {replace(order, attempt=attempt).quote_request().reference for attempt in (1, 2, 3)}
    assert len(references) == 3
    assert order.quote_request() == order.quote_request()


def test_the_executed_price_is_what_settled() -> None:
    assert an_order().executed_price is None
    filled = replace(an_order(), fill=Fill(1_000_000_000, 164_500_000, 2_500_000))
    assert filled.executed_price == Decimal("164.5")
