"""What a mint keeps of each transfer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.venues.pools.transfer_fee import TransferFee

U64 = 2**64 - 1


@pytest.mark.parametrize(
    ("basis_points", "maximum", "sent", "received"),
    [
        (100, U64, 10000, 9900),
        (1000, 500, 10000, 9500),
        (1000, 500, U64, 18446744073709551115),
        (0, 500, 10000, 10000),
        (10_000, 500, 10000, 9500),
        (1, U64, 1, 0),
        (100, U64, 0, 0),
    ],
)
def test_what_arrives(basis_points: int, maximum: int, sent: int, received: int) -> None:
    assert TransferFee(basis_points, maximum).received(sent) == received


@pytest.mark.parametrize(
    ("basis_points", "maximum", "received", "sent"),
    [
        (100, U64, 9900, 10000),
        (1000, 500, 9500, 10000),
        (1000, 500, 18446744073709551115, U64),
        (0, 500, 9500, 9500),
        (10_000, 500, 9500, 10000),
        (100, U64, 0, 0),
    ],
)
def test_what_must_be_sent(basis_points: int, maximum: int, received: int, sent: int) -> None:
    assert TransferFee(basis_points, maximum).sent(received) == sent


@given(st.integers(0, 9_999), st.integers(0, U64), st.integers(1, U64))
def test_what_must_be_sent_arrives(basis_points: int, maximum: int, received: int) -> None:
    fee = TransferFee(basis_points, maximum)
    assert fee.received(fee.sent(received)) >= received
