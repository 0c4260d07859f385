"""Once a minute: repairs what a crash or an outage left behind."""

from __future__ import annotations

from collections.abc import Mapping

from chalice.app import CloudWatchEvent

from chalicelib import bootstrap
from chalicelib.handlers import sqs_batch
from chalicelib.services.reconcile import reconcile


def handle(event: CloudWatchEvent) -> Mapping[str, int]:
    """Returns how many repairs there were."""
    repairs = reconcile(
        store=bootstrap.orders(),
        queue=bootstrap.orders_queue(),
        events=bootstrap.status_events(),
        telemetry=bootstrap.telemetry(),
        clock=bootstrap.clock(),
        until=sqs_batch.deadline(bootstrap.clock().now(), sqs_batch.remaining_ms(event)),
    )
    return {"repairs": repairs}
