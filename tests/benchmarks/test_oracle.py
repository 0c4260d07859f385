"""The oracle at a middle size; at its full one it is a command."""

import pytest

from tests.benchmarks.oracle import check, replayed


@pytest.mark.timeout(600)
def test_a_replay_fires_a_thousand_orders_when_brute_force_says() -> None:
    counted = check(1_000, 300, 5, replayed)
    assert counted["at the first second that pays"] > 100
    assert counted["a second later: looked at in vain before"] > 100
