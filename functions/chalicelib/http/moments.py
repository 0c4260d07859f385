"""Times as clients send them. Streams read them too, without pydantic."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

# RFC 3339; the seconds and their fraction may be left out.
MOMENT = re.compile(
    r"(?P<minute>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(\.(?P<fraction>[0-9]{1,20}))?)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# No time can be rounded up past it.
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def read_moment(value: object) -> datetime:
    """The first whole millisecond that is not before the time: orders' times are whole, so no order lies between.

    Raises:
        ValueError: it is none, with a sentence for people.
    """
    sent = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if sent:
        with contextlib.suppress(ValueError, OverflowError):
            second, _, _ = (sent["second"] or ":00").partition(".")
            moment = datetime.fromisoformat(f"{sent['minute']}{second}{sent['zone']}".upper()).astimezone(UTC)
            part = Decimal(f"0.{sent['fraction'] or 0}").scaleb(3).to_integral_value(ROUND_CEILING)
            return moment + min(timedelta(milliseconds=int(part)), LAST_MOMENT - moment)
    raise ValueError("must be a time with its zone (RFC 3339), such as 2026-11-22T18:00:00Z; write + as %2B")
