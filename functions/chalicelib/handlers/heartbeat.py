"""The heartbeat: tells every open connection that it is alive. A schedule puts a message into its queue each minute."""

from __future__ import annotations

import json

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers.sqs_message import messages_of
from chalicelib.services.heartbeat import BEATS_A_MINUTE, FIRST, send_heartbeats


def handle(event: SQSEvent) -> None:
    """Sends the beat of each message, of which there is one."""
    for message in messages_of(event):
        send_heartbeats(parse_beat(message.body), bootstrap.heartbeats())


def parse_beat(body: str) -> int:
    """The number of a message's beat; whatever the schedule sends is the first."""
    try:
        message = json.loads(body)
    except ValueError:
        return FIRST
    number = message.get("beat") if isinstance(message, dict) else None
    return number if isinstance(number, int) and FIRST <= number <= BEATS_A_MINUTE else FIRST
