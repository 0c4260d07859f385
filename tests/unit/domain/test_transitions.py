"""The whole matrix: every status with every trigger, against what the design says in words."""

import json

import pytest

from chalicelib.domain.errors import IllegalTransition
from chalicelib.domain.order import Order
from chalicelib.domain.transitions import OPEN, TERMINAL, TRANSITIONS, WORKABLE, OrderStatus, Trigger, next_status
from localstack.chaos.audit import FOLLOWS
from localstack.paths import ROOT
from order_engine import OVER, STEPS
from order_engine.cli.text import COLOURS
from tests.fakes import an_order

# Written by hand, not from the table: a row a status; a column for start, choose_route, submit, confirm, retry,
# fail, cancel, fire, amend, rest, expire; "-" where the move is forbidden.
EXPECTED = """
waiting    -        -         -          -          -        failed  cancelled  pending  waiting  -        expired
pending    routing  -         -          -          -        failed  cancelled  -        -        -        expired
routing    -        building  -          -          routing  failed  cancelled  -        -        waiting  expired
building   -        -         submitted  -          routing  failed  cancelled  -        -        waiting  expired
submitted  -        -         -          confirmed  routing  failed  -          -        -        waiting  -
confirmed  -        -         -          -          -        -       -          -        -        -        -
failed     -        -         -          -          -        -       -          -        -        -        -
cancelled  -        -         -          -          -        -       -          -        -        -        -
expired    -        -         -          -          -        -       -          -        -        -        -
"""
COLUMNS = (
    "start", "choose_route", "submit", "confirm", "retry", "fail", "cancel", "fire", "amend", "rest", "expire"
)  # fmt: skip


def matrix() -> list[tuple[str, str, str | None]]:
    cells = []
    for line in EXPECTED.strip().splitlines():
        status, *following = line.split()
        cells += [(status, trigger, None if to == "-" else to) for trigger, to in zip(COLUMNS, following, strict=True)]
    return cells


def test_the_matrix_has_every_status_and_every_trigger() -> None:
    assert {status for status, _, _ in matrix()} == set(OrderStatus)
    assert {trigger for _, trigger, _ in matrix()} == set(Trigger)
    assert len(matrix()) == len(OrderStatus) * len(Trigger)


@pytest.mark.parametrize(("status", "trigger", "expected"), matrix())
def test_a_cell(status: str, trigger: str, expected: str | None) -> None:
    before, move = OrderStatus(status), Trigger(trigger)
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"{status} cannot {trigger}"):
            next_status(before, move)
        with pytest.raises(IllegalTransition):
            an_order(before).moved(move)
    else:
        assert next_status(before, move) is OrderStatus(expected)


@pytest.mark.parametrize(("status", "trigger"), TRANSITIONS)
def test_an_order_that_moves_gains_exactly_one_event(status: OrderStatus, trigger: Trigger) -> None:
    order = an_order(status, sequence=4)
    moved = order.moved(trigger)
    assert moved.status is TRANSITIONS[status, trigger]
    assert moved.sequence == 5
    assert order.sequence == 4


def test_a_move_changes_nothing_but_what_it_is_told() -> None:
    order = an_order(OrderStatus.SUBMITTED, attempt=2)
    moved = order.moved(Trigger.RETRY, attempt=3, route=None, transaction=None)
    assert (moved.attempt, moved.route, moved.transaction) == (3, None, None)
    untouched = set(Order.__dataclass_fields__) - {"status", "sequence", "attempt", "route", "transaction"}
    assert all(getattr(moved, name) == getattr(order, name) for name in untouched)


def test_nothing_leaves_a_terminal_state_and_every_other_can_fail() -> None:
    assert {OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED, OrderStatus.EXPIRED} == TERMINAL
    assert OPEN - {OrderStatus.WAITING} == WORKABLE
    assert set(OrderStatus) == OPEN | TERMINAL
    assert not OPEN & TERMINAL
    assert all(status.is_terminal == (status in TERMINAL) for status in OrderStatus)
    assert not [status for status, _ in TRANSITIONS if status.is_terminal]
    assert {status for status, trigger in TRANSITIONS if trigger is Trigger.FAIL} == OPEN


def test_every_copy_of_the_states_is_the_tables() -> None:
    assert OVER == TERMINAL
    assert list(STEPS) == json.loads((ROOT / "web" / "src" / "generated" / "domain.json").read_text())["steps"]
    assert COLOURS.keys() == set(OrderStatus)
    for status in OPEN:
        assert {to for (before, _), to in TRANSITIONS.items() if before is status} == FOLLOWS[status]
