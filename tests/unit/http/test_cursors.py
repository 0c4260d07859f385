"""Cursors: opaque, signed, and good only for the filter that they came from."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.order import OrderType, new_order_id
from chalicelib.domain.tokens import SOL, USDC
from chalicelib.domain.transitions import OrderStatus
from chalicelib.http.cursors import decode_cursor, encode_cursor
from chalicelib.http.problems import Problem, ProblemCode
from chalicelib.http.signing import Purpose, SigningKeys
from chalicelib.ports.history import OrderFilter
from tests.fakes.builders import METEORA, RAYDIUM

KEYS = SigningKeys("secret", 3)
WHICH = OrderFilter(
    user_id="ann",
    client_order_id="c",
    status=OrderStatus.FAILED,
    order_type=OrderType.LIMIT,
    venue=RAYDIUM,
    input_token=SOL,
    output_token=USDC,
    placed_from=datetime(2026, 1, 1, tzinfo=UTC),
    placed_before=datetime(2026, 2, 1, tzinfo=UTC),
)
OTHERS = {
    "user_id": "bob",
    "client_order_id": "d",
    "status": OrderStatus.CONFIRMED,
    "order_type": OrderType.SNIPER,
    "venue": METEORA,
    "input_token": USDC,
    "output_token": SOL,
    "placed_from": datetime(2026, 1, 2, tzinfo=UTC),
    "placed_before": datetime(2026, 2, 2, tzinfo=UTC),
}


@pytest.mark.parametrize("filters", [WHICH, OrderFilter()])
def test_a_cursor_is_read_as_it_was_written(filters: OrderFilter) -> None:
    order_id = new_order_id()
    assert decode_cursor(encode_cursor(order_id, filters, KEYS), filters, KEYS) == order_id


@pytest.mark.parametrize("name", OrderFilter.__dataclass_fields__)
def test_a_cursor_belongs_to_its_filter(name: str) -> None:
    cursor = encode_cursor(new_order_id(), WHICH, KEYS)
    for value in (None, OTHERS[name]):
        with pytest.raises(Problem) as caught:
            decode_cursor(cursor, replace(WHICH, **{name: value}), KEYS)  # type: ignore[arg-type]
        assert caught.value.code is ProblemCode.INVALID_CURSOR


def test_a_cursor_is_an_id_behind_a_signature_of_128_bits() -> None:
    order_id = new_order_id()
    content = base64.urlsafe_b64decode(encode_cursor(order_id, WHICH, KEYS) + "==")
    assert (content[16:], len(content)) == (order_id.encode(), 16 + len(order_id))


@pytest.mark.parametrize("changed", [lambda cursor: cursor[:9] + "!" + cursor[9:], lambda cursor: cursor + "==="])
def test_a_cursor_with_something_added_is_refused(changed: Callable[[str], str]) -> None:
    with pytest.raises(Problem):
        decode_cursor(changed(encode_cursor(new_order_id(), WHICH, KEYS)), WHICH, KEYS)


def test_a_cursor_of_another_deployment_is_refused() -> None:
    with pytest.raises(Problem):
        decode_cursor(encode_cursor(new_order_id(), WHICH, KEYS), WHICH, SigningKeys("another"))


@given(st.integers(0, 200), st.sampled_from("ABCxyz019-_"))
def test_a_changed_cursor_is_refused(position: int, character: str) -> None:
    cursor = encode_cursor("ord_" + "0" * 32, WHICH, KEYS)
    # The last character has bits that nothing is in.
    position %= len(cursor) - 1
    changed = cursor[:position] + character + cursor[position + 1 :]
    if changed != cursor:
        with pytest.raises(Problem):
            decode_cursor(changed, WHICH, KEYS)


@given(st.text(max_size=60))
def test_whatever_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(text, WHICH, KEYS)
    assert caught.value.code is ProblemCode.INVALID_CURSOR


def test_a_cursor_fits_a_url() -> None:
    cursor = encode_cursor(new_order_id(), WHICH, KEYS)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) < 100


@pytest.mark.parametrize(("generation", "holds"), [(3, True), (4, True), (5, False), (2, False), (1, False)])
def test_a_cursor_holds_for_its_own_generation_of_keys_and_the_next(generation: int, holds: bool) -> None:
    order_id = new_order_id()
    cursor = encode_cursor(order_id, WHICH, KEYS)
    later = replace(KEYS, generation=generation)
    if holds:
        assert decode_cursor(cursor, WHICH, later) == order_id
    else:
        with pytest.raises(Problem):
            decode_cursor(cursor, WHICH, later)


def test_what_was_signed_for_another_purpose_never_holds_and_keys_are_never_shown() -> None:
    signature = KEYS.sign(Purpose.STREAM_TICKET, b"content")
    assert KEYS.holds(Purpose.STREAM_TICKET, b"content", signature)
    assert not KEYS.holds(Purpose.CURSOR, b"content", signature)
    assert not SigningKeys("secret", 1).holds(Purpose.CURSOR, b"", SigningKeys("secret").sign(Purpose.CURSOR, b"", 0))
    assert "secret" not in repr(KEYS)
