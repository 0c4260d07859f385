"""The simulated world's launches: the n-th is a function of (seed, n), with everything that goes wrong on a chain.

Some open late, some are reported twice, some were seen on a fork and never were, some have a decoy beside them, some
get most of their liquidity later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal

from chalicelib.config import Fault
from chalicelib.domain.launches import Launch, LaunchFlag, LaunchKind
from chalicelib.domain.quotes import VENUES, Venue
from chalicelib.domain.tokens import Token, launch_number, launch_token
from chalicelib.simulation.prices import BILLION, Prices, random_bits, uniform

# Until a late pool opens, until late liquidity comes, and how long before its pool a decoy stands, in seconds.
LATE_OPEN = (5, 60)
LATE_LIQUIDITY_SECONDS = 10
DECOY_SECONDS = 5
UNKNOWN_PROGRAM = "unknown"
LEAST_LIQUIDITY_USD, MOST_LIQUIDITY_USD = 500, 120_000
_EXACT = Context(prec=20)


@dataclass(frozen=True, slots=True)
class SeenPool:
    """A new pool as a node reports it: unconfirmed, it may be on a fork, and its venue may be no program of ours."""

    launch: Launch
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLaunch:
    """One launch as it will be. Times in seconds since 1970; a fork or a decoy is never confirmed."""

    number: int
    kind: LaunchKind
    venue: Venue
    at: int
    opens_at: int
    liquidity_usd: int
    late_liquidity: bool
    flags: tuple[LaunchFlag, ...]
    reported_twice: bool
    forked: bool
    decoy: bool

    @property
    def token(self) -> Token:
        """What is launched."""
        return launch_token(self.number)

    def liquidity_at(self, second: int) -> int:
        """Dollars in the pool."""
        late = self.late_liquidity and second < self.at + LATE_LIQUIDITY_SECONDS
        return self.liquidity_usd // 10 if late else self.liquidity_usd

    def seen(self, second: int) -> Iterator[SeenPool]:
        """What a node tells of it at a second, in the order in which it saw it: a decoy comes before the pool."""
        if self.decoy and second >= self.at - DECOY_SECONDS:
            decoy = self._report("decoy", second, venue=UNKNOWN_PROGRAM, liquidity_usd=MOST_LIQUIDITY_USD)
            yield SeenPool(decoy, confirmed=True)
        if second >= self.at:
            for number in range(2 if self.reported_twice else 1):
                yield SeenPool(self._report(number, second), confirmed=not self.forked)

    def _report(
        self, number: object, second: int, venue: Venue | None = None, liquidity_usd: int | None = None
    ) -> Launch:
        return Launch(
            pool=f"pool_{random_bits('pool', self.number, venue) % 16**32:032x}",
            event_id=f"evt_{random_bits('event', self.number, number) % 16**32:032x}",
            token=self.token,
            kind=self.kind,
            venue=venue or self.venue,
            confirmed_at=datetime.fromtimestamp(self.at, UTC),
            opens_at=datetime.fromtimestamp(self.opens_at, UTC),
            liquidity_usd=self.liquidity_at(second) if liquidity_usd is None else liquidity_usd,
            flags=self.flags,
        )


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """All launches of a market, `every` so many seconds; 0 for none."""

    prices: Prices
    every: int
    faults: Mapping[Fault, float]

    def of(self, token: Token) -> PlannedLaunch | None:
        """The launch of this token; None for one that was never launched."""
        number = launch_number(token.symbol)
        return None if number is None or not self.every else self.numbered(number)

    def numbered(self, number: int) -> PlannedLaunch:
        """The n-th."""
        bits = random_bits(self.prices.seed, "launch", number)

        def one_in(parts: int) -> bool:
            nonlocal bits
            bits, rest = divmod(bits, parts)
            return rest == 0

        def within(low: int, high: int) -> int:
            nonlocal bits
            value = uniform(bits, low, high)
            bits //= high - low + 1
            return value

        def is_injected(fault: Fault) -> bool:
            return random_bits(self.prices.seed, fault, number) % BILLION < self.faults.get(fault, 0) * BILLION

        at = number * self.every + within(0, self.every - 1)
        late_by = within(*LATE_OPEN) if one_in(5) else 0
        unsafe = within(0, 99)
        flags = (
            (LaunchFlag.MINT_AUTHORITY,)
            if unsafe < 8
            else (LaunchFlag.FREEZE_AUTHORITY,)
            if unsafe < 15
            else (LaunchFlag.TRANSFER_FEE,)
            if unsafe < 20
            else ()
        )
        return PlannedLaunch(
            number=number,
            kind=LaunchKind.MIGRATION if one_in(3) else LaunchKind.LAUNCH,
            venue=VENUES[within(0, len(VENUES) - 1)],
            at=at,
            opens_at=at + late_by,
            liquidity_usd=_log_uniform(within(0, 9_999)),
            late_liquidity=one_in(10),
            flags=flags,
            reported_twice=one_in(10) or is_injected(Fault.LAUNCH_DUPLICATE),
            forked=one_in(20) or is_injected(Fault.LAUNCH_FORK),
            decoy=one_in(10) or is_injected(Fault.LAUNCH_DECOY),
        )

    def between(self, since: int, until: int) -> list[PlannedLaunch]:
        """Those whose event is later than `since` and not later than `until`, oldest first."""
        if not self.every:
            return []
        numbers = range(max(since // self.every - 1, 0), until // self.every + 1)
        planned = [self.numbered(number) for number in numbers]
        return sorted((one for one in planned if since < one.at <= until), key=lambda one: one.at)


def _log_uniform(part: int) -> int:
    """From the least liquidity to the most: half of all launches have less than the geometric mean."""
    spread = _EXACT.ln(Decimal(MOST_LIQUIDITY_USD) / LEAST_LIQUIDITY_USD)
    grown = _EXACT.exp(_EXACT.divide(spread * part, Decimal(10_000)))
    return int(LEAST_LIQUIDITY_USD * grown)
