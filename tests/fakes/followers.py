"""Connections in memory, and what was posted to them."""

import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.followers import MAX_SUBSCRIPTIONS, Delivery, Follower, TooManySubscriptions
from tests.fakes.clock import FakeClock


class MemoryFollowers:
    """`Followers`."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Follower] = {}
        self.outage = False
        self.records = 0
        self._lock = threading.Lock()

    def add(self, follower: Follower) -> None:
        self._reach()
        if follower.of_user:
            self.rows[follower.key] = follower
            return
        with self._lock:
            others = [row for row in self.asked(follower.connection_id) if row != follower.order_id]
            if len(others) >= MAX_SUBSCRIPTIONS:
                raise TooManySubscriptions
            self.rows[follower.order_id, follower.connection_id] = follower

    def asked(self, connection_id: str) -> list[str]:
        """What the connection asked to follow."""
        return [row.order_id for row in self.rows.values() if row.connection_id == connection_id and not row.of_user]

    def begin(self, follower: Follower, opening: int, shown: Mapping[str, int]) -> None:
        self._reach()
        with self._lock:
            known = self.rows.get(follower.key)
            if known is not None and known.connected_at == follower.connected_at:
                self.rows[follower.key] = replace(known, opening=opening, shown=dict(shown))

    def leave_to_user(self, order_id: str, connection_id: str) -> None:
        self._reach()
        with self._lock:
            known = self.rows.get((order_id, connection_id))
            if known is not None:
                self.rows[known.key] = replace(known, of_user=True)

    def _save_of_user(self, follower: Follower) -> None:
        known = self.rows.get(follower.key)
        if known is None or (known.of_user and known.connected_at <= follower.connected_at):
            self.rows[follower.key] = replace(follower, through=None)

    def set_apart(self, follower: Follower) -> None:
        self._reach()
        with self._lock:
            if follower.of_user:
                self._save_of_user(replace(follower, apart=True))
                return
            known = self.rows.get(follower.key)
            if known is not None and known.connected_at == follower.connected_at:
                self.rows[follower.key] = replace(known, apart=True)

    def of_order(self, order_id: str) -> Sequence[Follower]:
        self._reach()
        with self._lock:
            return [follower for follower in self.rows.values() if follower.order_id == order_id]

    def orders_of(self, connection_id: str) -> Sequence[str]:
        self._reach()
        with self._lock:
            return self.asked(connection_id)

    def find(self, order_id: str, connection_id: str) -> Follower | None:
        self._reach()
        with self._lock:
            return self.rows.get((order_id, connection_id))

    def record(self, follower: Follower, sequence: int) -> None:
        self._reach()
        key = (follower.order_id, follower.connection_id)
        with self._lock:
            self.records += 1
            if follower.of_user:
                self._save_of_user(replace(follower, last_sequence=sequence, opened=True))
                return
            known = self.rows.get(key)
            same = known is not None and known.connected_at == follower.connected_at
            if known is not None and same and known.last_sequence < sequence:
                self.rows[key] = replace(known, last_sequence=sequence, opened=True)

    def remove(self, order_id: str, connection_id: str) -> None:
        self._reach()
        with self._lock:
            self.rows.pop((order_id, connection_id), None)

    def forget(self, connection_id: str) -> Sequence[str]:
        followed = self.orders_of(connection_id)
        for order_id in followed:
            self.remove(order_id, connection_id)
        return followed

    def last_sequence(self, order_id: str, connection_id: str) -> int:
        """What the follower is noted to have been sent."""
        return self.rows[order_id, connection_id].last_sequence

    def _reach(self) -> None:
        if self.outage:
            raise Unavailable("The connections table is down.")


class MemoryNotifier:
    """`Notifier`: delivers, unless the connection is gone, not yet open, or has a script of refusals."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.posts: dict[str, int] = defaultdict(int)
        self.refusals: dict[str, list[Delivery]] = {}
        self.gone: set[str] = set()
        self.opens_at: dict[str, datetime] = {}
        self.closed: list[str] = []
        self.unclosable: set[str] = set()

    def post(self, connection_id: str, text: str) -> Delivery:
        with self._lock:
            self.posts[connection_id] += 1
            if connection_id in self.gone or self._clock.now() < self.opens_at.get(connection_id, self._clock.now()):
                return Delivery.GONE
            script = self.refusals.get(connection_id)
            if script:
                verdict = script.pop(0)
                if verdict is not Delivery.DELIVERED:
                    return verdict
            self.frames[connection_id].append(json.loads(text))
            return Delivery.DELIVERED

    def close(self, connection_id: str) -> bool:
        if connection_id in self.unclosable:
            return False
        self.closed.append(connection_id)
        return True

    def sequences(self, connection_id: str) -> list[int]:
        """The sequences of what the connection got, in order."""
        return [frame["sequence"] for frame in self.frames[connection_id] if frame["type"] == "status"]

    def told(self, connection_id: str, order_id: str) -> list[int]:
        """The sequences of what the connection got of one order, in order."""
        frames = self.frames[connection_id]
        return [frame["sequence"] for frame in frames if frame.get("orderId") == order_id]
