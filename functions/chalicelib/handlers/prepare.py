"""Imports and builds what a function's first call would, while Lambda starts its process.

Lambda does that on a whole core, and calls a function of 512 MB on about a third of one.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable

from chalicelib import bootstrap
from chalicelib.config import ConfigurationError


def _api() -> None:
    from chalicelib.handlers import api  # noqa: F401  # imported ahead, as below

    bootstrap.api()
    bootstrap.identify()


def _execute_orders() -> None:
    from chalicelib.handlers import execute_orders  # noqa: F401

    bootstrap.worker()
    bootstrap.orders_queue()


def _push_status() -> None:
    from chalicelib.handlers import push_status  # noqa: F401

    bootstrap.pusher()
    bootstrap.followers()


def _heartbeat() -> None:
    from chalicelib.handlers import heartbeat  # noqa: F401

    bootstrap.heartbeats()
    bootstrap.followers()


def _connect_or_message() -> None:
    from chalicelib.handlers import websocket  # noqa: F401

    bootstrap.subscriptions()
    bootstrap.followers()


def _disconnect() -> None:
    from chalicelib.handlers import websocket  # noqa: F401

    bootstrap.followers()


def _reconcile() -> None:
    from chalicelib.handlers import reconcile  # noqa: F401

    bootstrap.orders()
    bootstrap.orders_queue()
    bootstrap.status_events()


def _dead_letter() -> None:
    from chalicelib.handlers import dead_letter  # noqa: F401

    bootstrap.worker()
    bootstrap.dead_letters()
    bootstrap.dead_letter_queue()


def _fetch_keys() -> None:
    from chalicelib.handlers import fetch_keys  # noqa: F401

    bootstrap.key_fetcher()


def _store_keys() -> None:
    from chalicelib.handlers import store_keys  # noqa: F401

    bootstrap.issuer_keys()


def _watch() -> None:
    from chalicelib.handlers import watch  # noqa: F401

    bootstrap.watcher()


_BY_HANDLER: dict[str, Callable[[], None]] = {
    "app.app": _api,
    "app.execute_orders": _execute_orders,
    "app.push_status": _push_status,
    "app.heartbeat": _heartbeat,
    "app.websocket_connect": _connect_or_message,
    "app.websocket_message": _connect_or_message,
    "app.websocket_disconnect": _disconnect,
    "app.reconcile": _reconcile,
    "app.watch": _watch,
    "app.dead_letter": _dead_letter,
    "app.fetch_keys": _fetch_keys,
    "app.store_keys": _store_keys,
}


def prepare(handler: str) -> None:
    """For a handler as template.yaml names it; does nothing for any other.

    A wrong setting is left to the first call, which can say so to its caller.
    """
    if handler not in _BY_HANDLER:
        return
    # What is made here stays: to look for garbage in it, again and again, took a tenth of a start.
    gc.disable()
    try:
        bootstrap.telemetry()
        with contextlib.suppress(ConfigurationError):
            _BY_HANDLER[handler]()
    finally:
        gc.freeze()
        gc.enable()
