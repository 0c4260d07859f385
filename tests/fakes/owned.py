"""One owner's orders of a store in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.errors import OrderNotFound
from chalicelib.domain.events import OrderPlaced
from chalicelib.domain.identity import Owner
from chalicelib.domain.order import History, Order
from chalicelib.ports.history import FeedPage, FeedPlace, OrderFilter, Page, StageTime
from chalicelib.ports.orders import ClientOrders, Idempotency, Transition
from tests.fakes.history import MemoryHistory
from tests.fakes.store import MemoryOrders

NOBODY = "\0nobody"


@dataclass(frozen=True)
class OwnersOrders:
    """`ClientOrders` of one owner."""

    store: MemoryOrders
    owner: Owner

    def insert(
        self,
        order: Order,
        idempotency: Idempotency | None,
        placed: OrderPlaced = OrderPlaced(),  # noqa: B008 - frozen
    ) -> Order | History | None:
        assert self.owner.subject is not None
        return self.store.insert(replace(order, user_id=self.owner.subject), idempotency, placed)

    def find_repeated(self, user_id: str, idempotency: Idempotency) -> Order | None:
        return self.store.find_repeated(self.owner.subject or NOBODY, idempotency)

    def count_resting(self, user_id: str, most: int) -> int:
        return self.store.count_resting(self.owner.subject or NOBODY, most)

    def wake_watcher(self) -> bool:
        return self.store.wake_watcher()

    def get(self, order_id: str) -> History:
        return self._own(self.store.get(order_id))

    def follow(self, order_id: str) -> History:
        self.get(order_id)
        return self.store.follow(order_id)

    def advance(self, history: History, transition: Transition) -> History:
        self._own(history)
        return self.store.advance(history, transition)

    def mark_published(self, order: Order) -> None:
        self.store.mark_published(self.get(order.id).order)

    def _own(self, history: History) -> History:
        if history.order.user_id != self.owner.subject:
            raise OrderNotFound(history.order.id)
        return history


class MemoryOwnedOrders:
    """`OwnedOrders`."""

    def __init__(self, store: MemoryOrders) -> None:
        self._store = store

    def of(self, owner: Owner) -> ClientOrders:
        return OwnersOrders(self._store, owner)


class MemoryOwnedHistory:
    """`OwnedHistory`."""

    def __init__(self, store: MemoryOrders) -> None:
        self._store = store
        self._history = MemoryHistory(store)

    def feed(self, owner: Owner, user_id: str, *, limit: int, after: FeedPlace | None) -> FeedPage:
        return self._history.feed(owner.subject if owner.subject is not None else NOBODY, limit=limit, after=after)

    def page(self, owner: Owner, filters: OrderFilter, *, limit: int, before_id: str | None) -> Page:
        mine = replace(filters, user_id=owner.subject if owner.subject is not None else NOBODY)
        return self._history.page(mine, limit=limit, before_id=before_id)

    def stage_times(self, owner: Owner, order_ids: Sequence[str]) -> tuple[StageTime, ...]:
        mine = [each for each in order_ids if self._store.rows[each].order.user_id == owner.subject]
        return self._history.stage_times(mine)
