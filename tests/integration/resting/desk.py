"""The desk on a real Postgres: time passes in it and in the database alike."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.adapters.postgres.orders import PostgresOrders
from chalicelib.adapters.postgres.pool import Database
from chalicelib.adapters.postgres.resting import PostgresResting
from chalicelib.domain.order import Order
from chalicelib.services.worker import Worker
from tests.fakes import FakeClock
from tests.fakes.postgres import let_time_pass
from tests.fakes.resting_desk import Desk


@dataclass(kw_only=True)
class DatabaseDesk(Desk):
    """`Desk` on one database."""

    url: str
    database: Database
    store: PostgresOrders = field(init=False)
    resting: PostgresResting = field(init=False)
    clock: FakeClock = field(default_factory=lambda: FakeClock(datetime.now(UTC).replace(microsecond=0)))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = PostgresOrders(self.database)
        self.resting = PostgresResting(self.database)

    def pass_time(self, seconds: int) -> None:
        super().pass_time(seconds)
        let_time_pass(self.url, seconds)

    def run(self, order: Order, worker: Worker | None = None, *, deliveries: int = 20) -> None:
        # The worker's clock is no earlier than the database's.
        self.clock.advance(max((datetime.now(UTC) - self.clock.now()).total_seconds(), 0))
        super().run(order, worker, deliveries=deliveries)
