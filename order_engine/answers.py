"""What came back, or did not: answers as types, and the error for each way in which a call may fail."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec

from order_engine import errors

T = TypeVar("T")
_SHOWN_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no refusal, as it came."""

    status: int
    text: str
    headers: Mapping[str, str]


def transport_error(url: str, error: Exception) -> errors.TransportError:
    """The error for what the network did."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return errors.Unreachable(f"{url} can't be reached: {_reason(error)}.")
    if isinstance(error, TimeoutError):
        return errors.TimedOut(f"{url} does not answer in time.")
    return errors.ConnectionLost(f"{url} broke the connection off: {_reason(error)}.")


def unexpected(url: str, answer: Answer) -> errors.UnexpectedAnswer:
    """The error for an answer that is not of this service."""
    shown = " ".join(answer.text.split())
    shown = shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}…"
    return errors.UnexpectedAnswer(
        f"{url} answers, but not as this service does ({answer.status}: {shown or 'an empty answer'}). "
        "Check the address; on AWS it ends with the stage, /live.",
        answer.status,
    )


def is_transient(error: errors.OrderEngineError) -> bool:
    """Whether the same request may be answered in a moment."""
    kinds = errors.TransportError | errors.TooManyRequests | errors.ServiceFailed
    return isinstance(error, kinds) or (isinstance(error, errors.UnexpectedAnswer) and error.is_transient)


def may_have_arrived(error: errors.OrderEngineError) -> bool:
    """Whether the service may have done what it was asked for."""
    kinds = errors.TimedOut | errors.ConnectionLost | errors.ServiceFailed
    return isinstance(error, kinds) or (isinstance(error, errors.UnexpectedAnswer) and error.is_transient)


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"nobody knows the name {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted ({error.certificate_error})"
        case aiohttp.ClientConnectorSSLError():
            return "it does not speak TLS"
        case aiohttp.ClientConnectorError(errno=errno.ECONNREFUSED):
            return "nothing listens there"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or str(error)
        case aiohttp.ConnectionTimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientResponseError():
            return f"it does not speak HTTP as expected ({error.message})"
    return str(error) or type(error).__name__


def read(answer: Answer, kind: type[T], url: str) -> T:
    """The answer as this type. Raises UnexpectedAnswer."""
    try:
        # Not strict: base units are whole numbers written as strings, since u64 does not fit a double.
        return msgspec.json.decode(answer.text, type=kind, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise unexpected(url, answer) from error


def fields_of(text: str) -> Mapping[str, object]:
    """The fields of a JSON object; none where the text is something else."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def seconds_of(header: str | None) -> float | None:
    """The seconds of a Retry-After; its other form, a date, is not taken."""
    return float(header) if header and header.isascii() and header.isdigit() else None
