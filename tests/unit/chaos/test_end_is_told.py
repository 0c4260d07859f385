"""The worker dies between the end of an order and telling of it: the message's next delivery tells."""

import pytest

from tests.fakes import CrashAt, Killed
from tests.fakes.engine import Engine


def test_the_next_delivery_tells_the_end() -> None:
    engine = Engine()
    order_id = engine.place().id
    with pytest.raises(Killed):
        engine.run(order_id, engine.worker(CrashAt("after_commit_confirmed")))
    assert max(sent.history.order.sequence for sent in engine.events.sent) == 4
    engine.run(order_id)
    assert [sent.history.order.status for sent in engine.events.sent][-1] == "confirmed"
    told = len(engine.events.sent)
    engine.run(order_id)
    assert len(engine.events.sent) == told
