"""The commands' copy of the end states: they run where the service's code may not be."""

from chalicelib.domain.transitions import TERMINAL, OrderStatus
from localstack.chaos import records
from localstack.client import statuses


def test_every_copy_of_the_end_states_is_the_domain_s() -> None:
    assert {str(status) for status in TERMINAL} == statuses.TERMINAL == records.TERMINAL


def test_every_status_has_a_colour() -> None:
    assert set(statuses.COLOURS) == {str(status) for status in OrderStatus}
