"""Patterns that meet what strangers send: no text of 16 KiB makes one of them slow.

A pattern that can match one text in two ways takes the square of its length, or worse. Each is tried with texts that it
begins to match, goes on matching for long and then does not; time is compared with that of an eighth of the text.
"""

import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product

import pytest

import chalicelib
import localstack.gateway
from chalicelib.http.files import WEB
from localstack.local_stack import emulator_gate

LONG, SHORT = 16 * 1024, 2 * 1024
# Eight times the text may take eight times as long; the square would be 64 times. Either may be off by as much as this.
MOST = 22
BEGINNINGS = (
    "", "-", "1", "1.", "1e", "-1.1e+", "Bearer ", "Bearer a.", "Bearer a.a.", "t1.1.", "t1.1.A.", "ord_", "LNCH-1",
    "2026-11-22T18:00:00.", "2026-11-22T18:00:00+", "http://", "https://a:", "[", "localhost:", "Input should ", "a",
)  # fmt: skip
UNITS = ("a", "1", "-", ".", " ", "/", ":", "a.", "1.", " a")
ENDS = ("", "\x00")


def found() -> Iterator[tuple[str, re.Pattern[str]]]:
    """The compiled patterns of every module that a request goes through."""
    modules = [emulator_gate.__name__]
    for package in (chalicelib, localstack.gateway):
        modules += [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    for module in modules:
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, re.Pattern):
                yield f"{module}.{name}", value


def published(schema: object) -> Iterator[str]:
    """The patterns of the specification, which clients and their tools run over what they send."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from published(each)


# Each once, under the first of its names.
PATTERNS = {name: value for value, name in {value: name for name, value in reversed([*found()])}.items()}
PUBLISHED = sorted(set(published(json.loads((WEB / "openapi.json").read_text()))))
# These look for something anywhere in a text; all others have to match the whole of it.
SEARCHES = {name for name in PATTERNS if name.endswith((".FORBIDDEN_CHARS", ".PYDANTIC_SUBJECT", "._SEPARATORS"))}


def seconds(use: Callable[[str], object], text: str, times: int = 1) -> float:
    """The least processor time of so many uses."""

    def once() -> float:
        started = time.thread_time()
        use(text)
        return time.thread_time() - started

    return min(once() for _ in range(times))


def slow_one(use: Callable[[str], object], texts: Iterable[tuple[str, str, str]]) -> tuple[str, str, str] | None:
    """The first text, as beginning, unit and end, whose time grows faster than its length."""
    plain = seconds(re.compile("[^x]*").fullmatch, " " * LONG, times=9)
    for beginning, unit, end in texts:
        long, short = (beginning + unit * (size // len(unit)) + end for size in (LONG, SHORT))
        # What is about as quick as to look at each character once needs no second look.
        if seconds(use, long) > MOST * plain:
            base = max(seconds(use, short, times=5), plain / 8)
            if seconds(use, long, times=5) > MOST * base:
                return beginning, unit, end
    return None


def test_the_patterns_are_found() -> None:
    assert {name.rsplit(".", 1)[1] for name in PATTERNS} >= {"BEARER", "TICKET", "MOMENT", "ORDER_ID", "_AUTHORITY"}
    assert len(SEARCHES) >= 3
    assert len(PUBLISHED) >= 5


def test_a_pattern_that_takes_the_square_of_a_length_is_noticed() -> None:
    assert slow_one(re.compile("a*!").search, [("", "a", "")]) == ("", "a", "")


@pytest.mark.parametrize("name", PATTERNS)
def test_no_long_text_makes_a_pattern_slow(name: str) -> None:
    pattern = PATTERNS[name]
    use: Callable[[str], object] = pattern.search if name in SEARCHES else pattern.fullmatch
    assert slow_one(use, product(BEGINNINGS, UNITS, ENDS)) is None


@pytest.mark.parametrize("pattern", PUBLISHED)
def test_no_long_text_makes_a_published_pattern_slow(pattern: str) -> None:
    assert slow_one(re.compile(pattern).search, product(BEGINNINGS, UNITS, ENDS)) is None
