"""The archive of messages that no worker could process, and sending them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import psycopg
from psycopg.rows import class_row

from localstack.deployment.aws_clients import Clients
from localstack.errors import UserError
from localstack.local_stack.cloudformation import Outputs, outputs
from localstack.local_stack.state_file import Running
from order_engine import OVER

_CONNECT_SECONDS = 5
_COLUMNS = """
    SELECT message_id, letter.order_id, body, receive_count, verdict, arrived_at, redriven_at,
           status AS order_status, error_message AS order_error
    FROM dead_letters letter LEFT JOIN orders ON orders.id = letter.order_id
"""
_LIST = f"{_COLUMNS} ORDER BY arrived_at DESC LIMIT %(limit)s"
_FIND = f"""{_COLUMNS} WHERE message_id = %(name)s OR letter.order_id = %(name)s ORDER BY arrived_at DESC"""
_WAITING = f"{_COLUMNS} WHERE redriven_at IS NULL ORDER BY arrived_at"
_EVENTS = """
    SELECT sequence, status, message, occurred_at FROM order_events WHERE order_id = %(order_id)s ORDER BY sequence
"""
_REDRIVEN = "UPDATE dead_letters SET redriven_at = clock_timestamp() WHERE message_id = %(message_id)s"
_QUEUES = {"orders": "OrdersDeadLetterQueueUrl", "statuses": "StatusEventsDeadLetterQueueUrl"}


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter, and where its order stands now."""

    message_id: str
    order_id: str | None
    body: str
    receive_count: int
    verdict: str
    arrived_at: datetime
    redriven_at: datetime | None
    order_status: str | None
    order_error: str | None

    @property
    def order_is_over(self) -> bool:
        """Whether sending the message again can change nothing any more."""
        return self.order_status in OVER


@dataclass(frozen=True)
class Event:
    """A status change of a letter's order."""

    sequence: int
    status: str
    message: str
    occurred_at: datetime


class Archive:
    """The dead letters of a running stack; a context manager. Raises UserError where it does not answer."""

    def __init__(self, running: Running) -> None:
        try:
            self._database = psycopg.connect(running.database_url, connect_timeout=_CONNECT_SECONDS, autocommit=True)
        except psycopg.OperationalError as error:
            raise UserError(f"The database does not answer: start the stack with ./dev up ({error}).") from error
        self._clients = Clients(running.target())
        self._stack_name = running.stack_name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        self._clients.close()

    def newest(self, limit: int) -> Sequence[DeadLetter]:
        """The letters that arrived last."""
        with self._database.cursor(row_factory=class_row(DeadLetter)) as cursor:
            return cursor.execute(_LIST, {"limit": limit}).fetchall()

    def find(self, name: str) -> Sequence[DeadLetter]:
        """The letters with this message id, or of this order; raises UserError where there is none."""
        with self._database.cursor(row_factory=class_row(DeadLetter)) as cursor:
            found = cursor.execute(_FIND, {"name": name}).fetchall()
        if not found:
            raise UserError(f"No dead letter has the message id or order id {name}: ./dev dlq list shows all.")
        return found

    def not_redriven(self) -> Sequence[DeadLetter]:
        """The letters that were not sent again yet, oldest first."""
        with self._database.cursor(row_factory=class_row(DeadLetter)) as cursor:
            return cursor.execute(_WAITING).fetchall()

    def events(self, order_id: str) -> Sequence[Event]:
        """What became of a letter's order."""
        with self._database.cursor(row_factory=class_row(Event)) as cursor:
            return cursor.execute(_EVENTS, {"order_id": order_id}).fetchall()

    def redrive(self, letter: DeadLetter) -> None:
        """Sends the message to the orders queue again, then notes when.

        In this order: a message that is sent twice changes nothing, one that is only noted would be lost.
        """
        self._clients.sqs.send_message(QueueUrl=self._outputs["OrdersQueueUrl"], MessageBody=letter.body)
        self._database.execute(_REDRIVEN, {"message_id": letter.message_id})

    def in_queues(self) -> dict[str, int]:
        """How many messages wait in each dead-letter queue for somebody to deal with them."""
        return {name: self._clients.count_messages(self._outputs[url]) for name, url in _QUEUES.items()}

    @property
    def _outputs(self) -> Outputs:
        return outputs(self._clients, self._stack_name)
