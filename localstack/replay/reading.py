"""The orders of a replay: a JSON object a line, as POST /api/orders/execute takes it, with `at` and `name` beside."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib import strict_json
from chalicelib.domain.errors import InvalidOrder
from chalicelib.domain.order import NewOrder
from chalicelib.domain.text import is_name
from chalicelib.http.bodies import read_order
from localstack.errors import UserError

MOST_ORDERS = 100_000
MOST_BYTES = 64 * 2**20
_YEARS = (2000, 2100)
_STDIN = Path("-")
_NOBODY = {"userId": "replay", "walletAddress": "replay"}


@dataclass(frozen=True)
class ReplayOrder:
    """An order of the file: what it is called there, and when it is placed."""

    name: str
    at: datetime
    order: NewOrder


def moment_of(text: str, what: str) -> datetime:
    """A time with its zone. Raises UserError, naming what it is for."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UserError(f"{what} takes a time with its zone, as 2026-11-26T12:00:00Z, not {text!r}.")
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        raise UserError(f"{what} takes a time from {_YEARS[0]} to {_YEARS[1]}, not {text!r}.")
    return moment.astimezone(UTC)


def read(path: Path, since: datetime, until: datetime) -> list[ReplayOrder]:
    """The orders in the file, or of standard input for `-`, in the order in which they are placed.

    Raises:
        UserError: with the line, where one is no order, or is placed outside of the time that is replayed.
    """
    found = sorted(_read(path, since, until), key=lambda wanted: wanted.at)
    if not found:
        raise UserError(f"{_display_name(path)} holds no order: write one JSON object a line.")
    return found


def _read(path: Path, since: datetime, until: datetime) -> Iterator[ReplayOrder]:
    names: dict[str, int] = {}
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        if number > MOST_ORDERS:
            raise UserError(f"{_display_name(path)} has more than {MOST_ORDERS:,} lines, the most that are replayed.")
        try:
            wanted = _parse_order(line, number, since, until)
        except (ValueError, RecursionError, InvalidOrder) as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else error
            raise UserError(f"{_display_name(path)}, line {number}: {why}.") from None
        if wanted.name in names:
            raise UserError(
                f"{_display_name(path)}, line {number}: name: line {names[wanted.name]} is called so already."
            )
        names[wanted.name] = number
        yield wanted


def _parse_order(line: str, number: int, since: datetime, until: datetime) -> ReplayOrder:
    try:
        values = strict_json.read(line)
    except ValueError as error:
        raise ValueError(f"it is no valid JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    name = values.pop("name", f"line {number}")
    if not isinstance(name, str) or not is_name(name):
        raise ValueError("name: takes 1 to 128 printable characters")
    at = _placed_at(values.pop("at", 0), since)
    if not since <= at < until:
        raise ValueError("at: is not within --from and --to")
    body = read_order({**_NOBODY, **values}, strict_wallets=False, now=at)
    return ReplayOrder(name, at, body.to_order())


def _placed_at(given: object, since: datetime) -> datetime:
    """When an order is placed: a time, or seconds after the replay's first."""
    if isinstance(given, str):
        try:
            return moment_of(given, "it")
        except UserError as error:
            raise ValueError(f"at: {str(error).removesuffix('.')}") from None
    try:
        return since + timedelta(seconds=float(str(given)))
    except (ValueError, OverflowError):
        raise ValueError("at: takes a time with its zone, or seconds after --from") from None


def _read_text(path: Path) -> str:
    if path == _STDIN:
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{_display_name(path)} is larger than {MOST_BYTES >> 20} MiB, the most that is replayed.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{_display_name(path)}, line {line}: it is not UTF-8.") from None


def _display_name(path: Path) -> str:
    return "Standard input" if path == _STDIN else str(path)
