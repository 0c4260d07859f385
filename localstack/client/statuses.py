"""The statuses that end an order, and how each is coloured. The service has its own: domain/transitions.py."""

from typing import Final

CONFIRMED: Final = "confirmed"
CANCELLED: Final = "cancelled"
TERMINAL: Final = frozenset({CONFIRMED, "failed", CANCELLED})
COLOURS: Final = {
    "pending": "cyan",
    "routing": "blue",
    "building": "magenta",
    "submitted": "yellow",
    CONFIRMED: "green",
    "failed": "red",
    CANCELLED: "bright_black",
}
