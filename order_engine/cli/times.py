"""Times as they are written on a command line."""

import re
from datetime import datetime, timedelta
from typing import Final

_DURATION: Final = re.compile(r"([0-9]{1,7})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta | None:
    """`30s`, `10m`, `2h`, `3d`; None for anything else."""
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def parse_moment(text: str, now: datetime) -> datetime:
    """A duration from now, or an ISO 8601 time, local where it names no zone. Raises ValueError, OverflowError."""
    if (duration := parse_duration(text)) is not None:
        return now + duration
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.astimezone()
