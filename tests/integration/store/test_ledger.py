"""The simulated chain's ledger on a real Postgres, and the fake that stands for it in unit tests."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from chalicelib.adapters.postgres.ledger import PostgresLedger
from chalicelib.adapters.postgres.pool import Database
from chalicelib.chain.ledger import Entry, Found, Ledger, Outcome
from chalicelib.config import BLOCK_MS
from chalicelib.domain.order import Fill
from tests.fakes import FakeClock, MemoryLedger
from tests.fakes.builders import RAYDIUM
from tests.fakes.postgres import Forgetful, at_once, settings_for

FILL = Fill(1_000_000_000, 2**64 - 1, 2_500_000)


class RealTime(FakeClock):
    """The machine's own clock, so that fake and real can be asked the same."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def in_seconds(self, seconds: float) -> datetime:
        return self.now() + timedelta(seconds=seconds)


@pytest.fixture(params=["postgres", "memory", "postgres, answers lost once"])
def ledger(request: pytest.FixtureRequest, database: Database, database_url: str) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(RealTime())
    elif request.param == "postgres":
        yield PostgresLedger(database)
    else:
        opened = Forgetful(settings_for(database_url))
        yield PostgresLedger(opened)
        opened.close()


def height_now(seconds: float = 0) -> int:
    """The chain's height so many seconds from now."""
    return int((time.time() + seconds) * 1000 / BLOCK_MS)


def an_entry(**changes: object) -> Entry:
    """A transaction that lands at once and is good for a minute."""
    entry = Entry(
        signature="signature",
        order_id="ord_1",
        attempt=1,
        venue=RAYDIUM,
        outcome=Outcome.SETTLES,
        dropped_once=False,
        reason=None,
        fill=FILL,
        lands_in=0,
        last_valid_height=height_now(60),
    )
    return replace(entry, **changes)  # type: ignore[arg-type]


def look(ledger: Ledger, entry: Entry) -> Found:
    return ledger.find(entry.signature, entry.last_valid_height)


def known(found: Found) -> tuple[Outcome | None, bool, str | None, Fill | None]:
    """All but the height."""
    return found.outcome, found.landed, found.reason, found.fill


def test_the_height_grows_by_a_block_every_400_ms_and_comes_with_every_look(ledger: Ledger) -> None:
    first = ledger.height()
    assert abs(first - height_now()) <= 2
    time.sleep(2 * BLOCK_MS / 1000)
    second = look(ledger, an_entry()).height
    assert first + 2 <= second <= ledger.height()


def test_nothing_is_known_of_a_transaction_that_nobody_sent(ledger: Ledger) -> None:
    assert known(look(ledger, an_entry())) == (None, False, None, None)


def test_a_transaction_settles_with_what_it_exchanged(ledger: Ledger) -> None:
    entry = an_entry()
    assert ledger.submit(entry)
    assert known(look(ledger, entry)) == (Outcome.SETTLES, True, None, FILL)


def test_it_lands_when_its_time_has_come(ledger: Ledger) -> None:
    entry = an_entry(lands_in=30)
    assert ledger.submit(entry)
    assert not look(ledger, entry).landed


def test_a_reverted_one_tells_why(ledger: Ledger) -> None:
    entry = an_entry(outcome=Outcome.REVERTS, reason="The price moved.")
    assert ledger.submit(entry)
    assert known(look(ledger, entry)) == (Outcome.REVERTS, True, "The price moved.", FILL)


def test_sending_it_again_changes_nothing(ledger: Ledger) -> None:
    entry = an_entry(lands_in=30)
    assert ledger.submit(entry)
    assert ledger.submit(replace(entry, lands_in=0, outcome=Outcome.REVERTS, reason="Late.", fill=Fill(1, 1, 1)))
    assert known(look(ledger, entry)) == (Outcome.SETTLES, False, None, FILL)


def test_a_dropped_one_stays_dropped(ledger: Ledger) -> None:
    entry = an_entry(outcome=Outcome.DROPPED)
    assert ledger.submit(entry)
    assert ledger.submit(entry)
    assert look(ledger, entry).outcome is Outcome.DROPPED


def test_past_its_last_valid_height_nothing_is_taken(ledger: Ledger) -> None:
    entry = an_entry(last_valid_height=height_now() - 1)
    assert not ledger.submit(entry)
    assert look(ledger, entry).outcome is Outcome.EXPIRED
    assert not ledger.submit(entry)


def test_what_was_found_expired_never_lands_even_with_a_later_height(ledger: Ledger) -> None:
    """A chain whose height falls back cannot revive a transaction that a new attempt may have replaced."""
    entry = an_entry(last_valid_height=height_now() - 1)
    assert look(ledger, entry).outcome is Outcome.EXPIRED
    assert not ledger.submit(replace(entry, last_valid_height=height_now(60)))
    assert look(ledger, entry).outcome is Outcome.EXPIRED


def test_what_was_taken_in_time_is_still_known_past_the_height(ledger: Ledger) -> None:
    entry = an_entry()
    assert ledger.submit(entry)
    found = ledger.find(entry.signature, height_now() - 5)
    assert found.outcome is Outcome.SETTLES


# Dropped once: only sending it again makes it land.


def test_dropped_once_is_rescued_by_the_second_submission(database: Database) -> None:
    ledger = PostgresLedger(database)
    entry = an_entry(dropped_once=True)
    assert ledger.submit(entry)
    assert look(ledger, entry).outcome is Outcome.DROPPED
    assert ledger.submit(entry)
    assert known(look(ledger, entry)) == (Outcome.SETTLES, True, None, FILL)


def test_dropped_once_and_never_sent_again_expires(database: Database) -> None:
    ledger = PostgresLedger(database)
    entry = an_entry(dropped_once=True)
    assert ledger.submit(entry)
    assert ledger.find(entry.signature, height_now() - 1).outcome is Outcome.EXPIRED
    assert not ledger.submit(entry)


# Races


def settled(url: str) -> dict[str, tuple[str, int]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT signature, outcome, submissions FROM chain_transactions").fetchall()
    return {str(signature): (str(outcome), int(submissions)) for signature, outcome, submissions in rows}


def test_forty_submissions_at_once_are_one_transaction(connect: Callable[[], Database], database_url: str) -> None:
    ledgers = [PostgresLedger(connect()) for _ in range(4)]
    entry = an_entry()
    assert at_once(40, lambda number: ledgers[number % 4].submit(entry)) == [True] * 40
    assert settled(database_url) == {"signature": ("settles", 40)}


def ends_at(entry: Entry) -> float:
    """When the entry's last valid block ends."""
    return (entry.last_valid_height + 1) * BLOCK_MS / 1000


class Race:
    """Submitters and lookers on many signatures, each asked about in the 60 ms around the end of its last block."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.published: dict[str, set[str]] = {entry.signature: set() for entry in entries}
        self._lock = threading.Lock()

    def run(self, databases: list[Database]) -> None:
        with ThreadPoolExecutor(2 * len(databases)) as threads:
            runs = [
                threads.submit(self._until_all_expired, act, PostgresLedger(database))
                for database in databases
                for act in (self._submit, self._find)
            ]
        for one in runs:
            one.result()

    def _until_all_expired(self, act: Callable[[Ledger, Entry], str], ledger: Ledger) -> None:
        around = 0.03
        while time.time() < ends_at(self.entries[-1]) + around:
            for entry in self.entries:
                if abs(time.time() - ends_at(entry)) < around:
                    word = act(ledger, entry)
                    with self._lock:
                        self.published[entry.signature].add(word)

    @staticmethod
    def _submit(ledger: Ledger, entry: Entry) -> str:
        return "taken" if ledger.submit(entry) else "refused"

    @staticmethod
    def _find(ledger: Ledger, entry: Entry) -> str:
        return str(look(ledger, entry).outcome or "unknown")


@pytest.mark.parametrize("dropped_once", [False, True])
def test_around_its_last_block_a_transaction_either_lands_or_is_expired_never_both(
    connect: Callable[[], Database], database_url: str, dropped_once: bool
) -> None:
    start = height_now() + 1
    race = Race(
        [
            an_entry(signature=f"s{number}", dropped_once=dropped_once, last_valid_height=start + number // 5)
            for number in range(20)
        ]
    )
    race.run([connect() for _ in range(4)])
    ends = settled(database_url)
    for signature, told in race.published.items():
        end = ends.get(signature, ("never seen", 0))[0]
        assert not {"settles", "expired"} <= told, f"{signature} was told to have settled and to have expired"
        # The first word that is final stays true.
        for final in ("settles", "expired"):
            assert final not in told or end == final, f"{signature} was told to be {final}, and is {end}"
        assert "taken" not in told or dropped_once or end == "settles", f"{signature} was taken, and is {end}"
