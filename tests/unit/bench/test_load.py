"""The load, before a small server with the contract."""

import itertools

import pytest

from localstack.bench import load
from localstack.bench.load import Workload, measure
from order_engine import StreamLost, Unprocessable
from tests.unit.bench.conftest import Service


async def test_every_order_is_a_sample_and_the_history_tells_its_end(service: Service) -> None:
    samples = await measure(service.url, Workload(450, connections=8, followed=3), 60)
    assert len(samples.posts) == len(samples.orders) == len(samples.ended_at) == 450
    assert samples.ends == {"confirmed": 450}
    assert 1 <= len(samples.frames) <= 6
    assert samples.stages["pending"] == pytest.approx([0.25] * len(samples.stages["pending"]), abs=0.001)
    assert service.most_at_once <= 8
    assert list(samples.ended_at) == sorted(samples.ended_at)


async def test_at_a_constant_rate_waiting_counts_for_everybody_who_would_have_come(service: Service) -> None:
    service.frozen_seconds = 0.5
    # One client alone waits, and asks nothing meanwhile.
    closed = await measure(service.url, Workload(20, connections=1), 60)
    service.placed.clear()
    service._first = 0.0
    constant = await measure(service.url, Workload(20, rate=40), 60)
    assert sum(constant.posts) > 2 * sum(closed.posts)


async def test_one_by_one_waits_for_each_end(service: Service) -> None:
    service.life = 0.05
    await measure(service.url, Workload(3, connections=1, one_by_one=True), 60)
    moments = list(service.placed.values())
    assert all(after - before >= 0.05 for before, after in itertools.pairwise(moments))


async def test_orders_that_do_not_end_in_time_are_an_error_and_none_is_measured(service: Service) -> None:
    service.life = 60
    with pytest.raises(TimeoutError):
        await measure(service.url, Workload(2), 0.5)


async def test_a_refusal_ends_the_load_with_the_services_own_sentence(service: Service) -> None:
    service.refuses = True
    with pytest.raises(Unprocessable, match="Not today"):
        await measure(service.url, Workload(50), 60)


async def test_a_handshake_that_a_busy_server_refuses_is_tried_again(service: Service) -> None:
    service.busy_streams = 2
    samples = await measure(service.url, Workload(1, followed=1), 60)
    assert samples.refused == 2
    assert samples.frames


async def test_no_more_streams_are_open_than_a_server_takes(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_STREAMS", 3)
    samples = await measure(service.url, Workload(30, connections=8, followed=30), 60)
    assert len(samples.frames) == 60
    assert service.most_streams == 3


async def test_a_stream_that_ends_too_early_is_an_error(service: Service) -> None:
    service.statuses = ()
    with pytest.raises(StreamLost, match="ended before its order"):
        await measure(service.url, Workload(1, followed=1), 60)
