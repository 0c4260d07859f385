"""The watcher's beats: a schedule puts the first of each minute into its queue, and that one queues the others."""

from __future__ import annotations

import json

from chalice.app import SQSEvent

from chalicelib import bootstrap
from chalicelib.handlers.sqs_message import messages_of
from chalicelib.services.watch import beat, begin_minute, watch_on


def handle(event: SQSEvent) -> None:
    """Makes the beat of each message, of which there is one."""
    watcher = bootstrap.watcher()
    for message in messages_of(event):
        match parse_tick(message.body):
            case "beat":
                beat(watcher)
            case "wake":
                watch_on(watcher)
            case _:
                begin_minute(watcher)


def parse_tick(body: str) -> str:
    """What a message asks for; whatever the schedule sends is a minute's first beat."""
    try:
        message = json.loads(body)
    except ValueError:
        return "minute"
    tick = message.get("tick") if isinstance(message, dict) else None
    return tick if tick in ("beat", "wake") else "minute"
