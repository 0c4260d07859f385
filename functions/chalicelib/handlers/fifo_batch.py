"""Batches of a FIFO queue: each message group as a whole, those that must come again in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from chalicelib import correlation
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.order import is_order_id
from chalicelib.handlers.sqs_batch import BatchResponse, count_ages
from chalicelib.handlers.sqs_message import Message
from chalicelib.ports.queues import GroupQueue
from chalicelib.ports.runtime import Telemetry
from chalicelib.services.posting import Postponed

# How long the groups of a batch wait for the slowest of them before they go on without it.
SLOW_GROUP_SECONDS = 0.25
# A group that failed comes again after 1 s, 2 s, 4 s … and then as often as what was never answered.
LONGEST_GROUP_PAUSE = 26


def run_in_groups(
    messages: Sequence[Message],
    work: Callable[[Sequence[Message]], None],
    *,
    queue: GroupQueue,
    telemetry: Telemetry,
    in_time: Callable[[], bool] = lambda: True,
) -> BatchResponse:
    """For a FIFO queue: the groups at once, each as a whole; a group that fails comes again as a whole, in order.

    A batch ends with its slowest group, and until then no group of it goes on. So where one takes long, those that are
    done are acknowledged without it, and those that failed are sent off to come again. `work` raises `Postponed` to say
    when that is.
    """
    count_ages(messages, telemetry)
    groups: dict[str | None, list[Message]] = {}
    for message in messages:
        groups.setdefault(message.group, []).append(message)
    failed: list[Message] = []

    def finish(done: Iterable[Future[int | None]], *, early: bool) -> None:
        over: list[Message] = []
        for future in done:
            group, pause = running[future], future.result()
            if pause is None:
                over += group
                continue
            failed.extend(group)
            if in_time():
                _try(lambda group=group, pause=pause: queue.postpone(_handles(group), pause), group, telemetry)  # type: ignore[misc]
        if early and over and in_time():
            _try(lambda: queue.acknowledge(_handles(over)), over, telemetry)

    with ThreadPoolExecutor(max_workers=max(len(groups), 1), thread_name_prefix="group") as threads:
        running = {threads.submit(_run_group, group, work, telemetry): group for group in groups.values()}
        done, left = wait(running, timeout=SLOW_GROUP_SECONDS)
        while left:
            finish(done, early=True)
            done, left = wait(left, return_when=FIRST_COMPLETED)
        finish(done, early=False)
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in messages if message in failed]}


def _handles(messages: Sequence[Message]) -> list[str]:
    return [message.receipt_handle for message in messages]


def _try(call: Callable[[], None], messages: Sequence[Message], telemetry: Telemetry) -> None:
    """What fails here happens all the same, only later: with the batch's end, or the queue's visibility timeout."""
    try:
        call()
    except Unavailable as error:
        telemetry.warn("group_not_answered", message_id=messages[0].id, reason=str(error))


def _run_group(group: Sequence[Message], work: Callable[[Sequence[Message]], None], telemetry: Telemetry) -> int | None:
    """In how many seconds the group is to come again; None where it is done."""
    newest = group[-1]
    pause = min(1 << min(max(message.receive_count for message in group) - 1, 6), LONGEST_GROUP_PAUSE)
    with correlation.scoped(order_id=_order_of(newest), request_id=newest.request_id, trace_id=newest.trace_id):
        try:
            work(group)
        except Postponed as later:
            return later.seconds
        except Unavailable as error:
            telemetry.warn("group_returned", message_id=group[0].id, reason=str(error))
            return pause
        except Exception as error:  # noqa: BLE001 - one order's defect must not hold up the others
            telemetry.exception("group_failed", error, message_id=group[0].id)
            telemetry.add_metric("MessagesFailed")
            return pause
    return None


def _order_of(message: Message) -> str | None:
    """The order that a group is about: a follower's own group has its connection behind the order's id.

    What a stream of all of a user's orders begins with is about none.
    """
    named = message.group.partition(":")[0] if message.group else ""
    return named if is_order_id(named) else None
