"""A client of the order execution engine: place orders once, follow them to their end, exact amounts throughout."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from order_engine.answers import Answer
    from order_engine.client import Client
    from order_engine.errors import (
        Conflict,
        ConnectionLost,
        Forbidden,
        InvalidField,
        InvalidHeader,
        InvalidRequest,
        InvalidUrl,
        NotFound,
        OrderEngineError,
        OutcomeUnknown,
        Refused,
        ServiceFailed,
        StreamError,
        StreamLost,
        StreamRefused,
        TimedOut,
        TooManyRequests,
        TransportError,
        Unauthenticated,
        UnexpectedAnswer,
        Unprocessable,
        Unreachable,
    )
    from order_engine.models import (
        OVER,
        STEPS,
        Amount,
        Check,
        Event,
        Failure,
        Feed,
        Frame,
        Health,
        Heartbeat,
        Launch,
        LaunchedToken,
        Launches,
        NewOrder,
        NoQuote,
        Order,
        Page,
        Placed,
        Price,
        Quote,
        Route,
        Snapshot,
        StreamProblem,
        Subscribed,
        Swap,
        Ticket,
        Token,
        Unsubscribed,
        VenuePrice,
    )
    from order_engine.patience import Patience
    from order_engine.stream import Stream

__version__ = "0.1.0"
__all__ = [
    "OVER",
    "STEPS",
    "Amount",
    "Answer",
    "Check",
    "Client",
    "Conflict",
    "ConnectionLost",
    "Event",
    "Failure",
    "Feed",
    "Forbidden",
    "Frame",
    "Health",
    "Heartbeat",
    "InvalidField",
    "InvalidHeader",
    "InvalidRequest",
    "InvalidUrl",
    "Launch",
    "LaunchedToken",
    "Launches",
    "NewOrder",
    "NoQuote",
    "NotFound",
    "Order",
    "OrderEngineError",
    "OutcomeUnknown",
    "Page",
    "Patience",
    "Placed",
    "Price",
    "Quote",
    "Refused",
    "Route",
    "ServiceFailed",
    "Snapshot",
    "Stream",
    "StreamError",
    "StreamLost",
    "StreamProblem",
    "StreamRefused",
    "Subscribed",
    "Swap",
    "Ticket",
    "TimedOut",
    "Token",
    "TooManyRequests",
    "TransportError",
    "Unauthenticated",
    "UnexpectedAnswer",
    "Unprocessable",
    "Unreachable",
    "Unsubscribed",
    "VenuePrice",
]


def __getattr__(name: str) -> object:
    """Loads what is asked for: the command line's --help needs no HTTP client."""
    if name in __all__:
        for module in ("errors", "models", "stream", "answers", "patience", "client"):
            found = getattr(importlib.import_module(f"order_engine.{module}"), name, None)
            if found is not None:
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
