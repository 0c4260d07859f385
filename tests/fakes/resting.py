"""Orders that rest, in memory: those of a store, as the watcher reads and moves them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.errors import Fenced
from chalicelib.domain.events import Move
from chalicelib.domain.launches import Launch
from chalicelib.domain.order import History, Order, OrderType
from chalicelib.domain.transitions import OrderStatus
from chalicelib.ports.orders import Transition
from tests.fakes.clock import FakeClock
from tests.fakes.store import MemoryOrders, Row


class MemoryResting:
    """`RestingOrders`."""

    def __init__(self, store: MemoryOrders, clock: FakeClock) -> None:
        self._store = store
        self._clock = clock
        self.launches: list[Launch] = []
        self.beat_at: datetime | None = None

    def any_resting(self) -> bool:
        return self.count(1) > 0

    def count(self, most: int) -> int:
        return len(self._rows(OrderStatus.WAITING)[:most])

    def count_fired(self, most: int) -> int:
        self._store.reach("count_fired")
        return len([row for row in self._rows(OrderStatus.PENDING) if row.order.fires][:most])

    def pairs(self) -> Sequence[tuple[str, str]]:
        resting = [row.order for row in self._rows(OrderStatus.WAITING, OrderType.LIMIT)]
        return sorted({(order.input_token.symbol, order.output_token.symbol) for order in resting})

    def expired(self, limit: int) -> Sequence[Order]:
        resting = [row.order for row in self._rows(OrderStatus.WAITING)]
        return [order for order in resting if order.has_expired(self._clock.now())][:limit]

    def crossing(self, touches: Sequence[tuple[str, str, Decimal]], limit: int) -> Sequence[Order]:
        found: list[Order] = []
        for one, other, touch in touches:
            at_price = [
                order
                for order in self._looked_at(OrderType.LIMIT)
                if (order.input_token.symbol, order.output_token.symbol) == (one, other)
                and order.bound is not None
                and order.bound <= touch
            ]
            found += sorted(at_price, key=lambda order: (order.bound, order.id))
        return found[:limit]

    def tokens_with_snipers(self, symbols: Sequence[str]) -> Collection[str]:
        resting = self._rows(OrderStatus.WAITING, OrderType.SNIPER)
        return {row.order.output_token.symbol for row in resting} & set(symbols)

    def snipers_of(self, symbol: str, after: str, limit: int) -> Sequence[Order]:
        found = [order for order in self._looked_at(OrderType.SNIPER) if order.output_token.symbol == symbol]
        return [order for order in found if order.id > after][:limit]

    def postpone(self, orders: Sequence[Order], seconds: int) -> None:
        for order in orders:
            row = self._store.rows[order.id]
            row.order = replace(row.order, fires_from=self._clock.now() + timedelta(seconds=seconds))

    def move(self, moves: Sequence[tuple[Order, Move]], most_fired: int | None = None) -> Sequence[str]:
        room = len(moves) if most_fired is None else max(most_fired - self.count_fired(most_fired), 0)
        moved = []
        for order, event in moves[:room]:
            transition = Transition(order, event, lease=None, release=True)
            try:
                self._store.advance(self._store.get(order.id), transition)
            except Fenced:
                continue
            moved.append(order.id)
        return moved

    def followed(self, order_ids: Sequence[str]) -> Sequence[History]:
        marked = [self._store.as_marked(self._store.rows[order_id]) for order_id in order_ids]
        return [history for history in marked if history.followed]

    def save_launches(self, launches: Sequence[Launch]) -> None:
        self.launches += launches

    def awake_until(self) -> datetime:
        return self._store.awake_until

    def stay_awake(self, until: datetime) -> None:
        self._store.reach("stay_awake")
        self._store.awake_until = max(self._store.awake_until, until)

    def last_beat(self) -> datetime | None:
        return self.beat_at

    def note_beat(self, at: datetime) -> None:
        self.beat_at = max(self.beat_at or at, at)

    def _rows(self, status: OrderStatus, order_type: OrderType | None = None) -> list[Row]:
        """The oldest first."""
        rows = sorted(self._store.rows.values(), key=lambda row: row.order.id)
        return [row for row in rows if row.order.status is status and order_type in (None, row.order.order_type)]

    def _looked_at(self, order_type: OrderType) -> list[Order]:
        """What rests and is not to be looked at later."""
        now = self._clock.now()
        resting = [row.order for row in self._rows(OrderStatus.WAITING, order_type)]
        return [order for order in resting if order.fires_from is None or order.fires_from <= now]
