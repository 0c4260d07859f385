"""The capacity page says what the simulation shows, and the simulation agrees with what queueing theory knows."""

from dataclasses import replace

import pytest

from localstack.bench import capacity, queue_simulation
from localstack.bench.capacity import DEFAULT, STEPS, uses
from localstack.bench.queue_simulation import QueueSimulation, StackSize, simulate
from localstack.paths import ROOT


def test_the_page_says_what_the_simulation_shows() -> None:
    page = capacity.PAGE.read_text()
    assert page == capacity.fill_page(page, capacity.rows()), "./dev bench capacity --write makes the tables anew"


def test_a_page_without_a_place_for_the_tables() -> None:
    with pytest.raises(ValueError, match="no place"):
        capacity.fill_page("nothing", [])


@pytest.mark.parametrize("rate", [5.0, 40.0])
def test_orders_in_hand_are_rate_times_lifetime(rate: float) -> None:
    """Little's law, with workers for everybody."""
    seen = QueueSimulation(StackSize(400, 4, 60, "db.m7g.xlarge"), rate, 200).run()
    assert seen.finished == pytest.approx(rate, rel=0.1)
    assert seen.in_hand == pytest.approx(seen.finished * sum(seen.seconds) / len(seen.seconds), rel=0.1)
    # Nobody waits: the venues' and the chain's own delays, and little else.
    assert 3.5 < seen.rank(50) < 4.0


def test_more_orders_than_workers_can_have_in_hand_wait_for_ever() -> None:
    few = replace(DEFAULT, workers=2)
    seen = QueueSimulation(few, 20, 60).run()
    assert not seen.keeps_up
    assert seen.finished <= 2 * queue_simulation.BATCH / 3.5
    assert uses(few, 20, seen)[0].limit == "workers (orders in hand)"
    assert uses(few, 20, seen)[0].used > 1


def test_a_slow_database_is_found_out() -> None:
    slow = StackSize(200, 0.05, 60, "db.m7g.xlarge")
    seen = QueueSimulation(slow, 20, 60).run()
    assert not seen.keeps_up
    assert max(uses(slow, 20, seen), key=lambda use: use.used).limit == "processor of the database"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.rate))
def test_each_step_serves_its_rate_within_every_limit(step: capacity.Step) -> None:
    seen = simulate(step.stack, step.rate, 4_000)
    assert seen.keeps_up
    assert all(use.used < 0.8 for use in uses(step.stack, step.rate, seen))


def test_the_default_is_what_the_template_deploys() -> None:
    template = (ROOT / "template.yaml").read_text()
    for name, value in (
        ("WorkerConcurrency", f'"{DEFAULT.workers}"'),
        ("ApiConnections", str(DEFAULT.api_connections)),
        ("ThrottleRate", str(DEFAULT.rest_rate)),
        ("DatabaseInstanceClass", DEFAULT.instance),
    ):
        parameter = template.partition(f"\n  {name}:\n")[2].partition("Default: ")[2].partition("\n")[0]
        assert parameter == value, name
