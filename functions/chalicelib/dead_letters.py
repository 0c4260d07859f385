"""What happens to a message of the dead-letter queue: its order ends or goes on, and the message is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from chalicelib.batches import Message, order_id_of
from chalicelib.domain.errors import ErrorCode, OrderNotFound
from chalicelib.services.bury_order import DeadLetter, bury_order
from chalicelib.services.execute_order import Again, Done, Pace, Worker


class Archive(Protocol):
    """Messages kept for a post-mortem. Raises `Unavailable`."""

    def keep(self, message_id: str, order_id: str | None, body: str, receive_count: int, verdict: str) -> None: ...


def bury(message: Message, *, worker: Worker, archive: Archive, until: datetime) -> Done | Again:
    """Ends the order of the message or leaves it to reconcile, then archives the message. Raises `Unavailable`."""
    try:
        order_id = order_id_of(message)
    except ValueError as error:
        archive.keep(message.id, None, message.body, message.receive_count, str(error))
        return Done()
    verdict = bury_order(DeadLetter(order_id, message.receive_count), worker=worker, pace=Pace(), until=until)
    if isinstance(verdict, Done):
        archive.keep(message.id, order_id, message.body, message.receive_count, _outcome(order_id, worker))
    return verdict


def _outcome(order_id: str, worker: Worker) -> str:
    """What an operator reads: not every dead letter has an order that had to be buried."""
    try:
        order = worker.store.get(order_id).order
    except OrderNotFound:
        return "no such order"
    if order.failure is not None and order.failure.code is ErrorCode.PROCESSING_FAILED:
        return "buried"
    return f"left as it is: {order.status}" if order.status.is_terminal else f"enqueued anew soon: {order.status}"
