"""One run: orders and followers against a stack that is being broken, then the audit."""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from localstack.chaos import evidence, orders, resting_audit, stack
from localstack.chaos.audit import audit
from localstack.chaos.faults import Faults
from localstack.chaos.followers import Follower, Style, plan_follower
from localstack.chaos.plan import FaultKind, PlannedFault, plan
from localstack.chaos.report import Result
from localstack.chaos.stack import BreakableStack
from localstack.chaos.takeovers import TakeoverWatch
from localstack.chaos.user_followers import UserFollower, plan_user_follower
from localstack.chaos.world import World
from localstack.client import issuer
from localstack.errors import UserError
from order_engine import Client, NewOrder

# The front door lets six requests and six handshakes through at once.
_AT_ONCE = 6
_ASKED_ANEW = 5
_OUTDATED = ("was launched", "expiresAt must be at least")
_PLACED_WITHIN = 240.0
_RECONCILE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_GONE_SECONDS = 120.0
# As long as the longest run and its end.
_TOKEN_SECONDS = 12 * 3600
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_QUEUES = ("OrdersQueueUrl", "OrdersDeadLetterQueueUrl")
_USER_STYLES = (Style.EARLY, Style.LATE, Style.RESTLESS, Style.RESTLESS, Style.FORGETFUL)
_STYLES = (Style.EARLY, Style.EARLY, Style.LATE, Style.RESTLESS, Style.FORGETFUL, Style.LEAVING)
VENUE_FAULTS = (
    "quote_error=0.05,quote_timeout=0.02,price_move=0.06,dropped=0.03,dropped_once=0.05,submit_timeout=0.1,slow=0.05"
)


@dataclass(frozen=True)
class RunSettings:
    """What to run. `seconds` is how long orders arrive, `rest` how long everything may take to end afterwards."""

    orders: int
    seed: int
    seconds: float
    delay_scale: float = 0.05
    interval: float = 1.5
    venue_faults: str = VENUE_FAULTS
    # The chain forgets a transaction after so many seconds, so that an expiry happens within a run.
    lifetime: float = 6.0
    rest: float = 240.0
    without: frozenset[FaultKind] = frozenset()
    # The share of limit and sniper orders, which may rest.
    resting: float = 0.0
    # Whether the stack asks for access tokens: each user then has one, and only the user's own orders.
    asks_for_tokens: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        """The stack's: a market that moves fast and launches often, so that much of what rests fires within a run."""
        return {
            "SimulatedDelayScale": f"{self.delay_scale:g}",
            "SimulatedFaults": self.venue_faults,
            "SimulatedVolatility": "3",
            "SimulatedLaunchSeconds": "10",
        }

    @property
    def text(self) -> str:
        """The settings in a line, to run it again."""
        auth = ", access tokens" if self.asks_for_tokens else ""
        return (
            f"{self.orders} orders in {self.seconds:.0f} s, seed {self.seed}, delays × {self.delay_scale:g}, "
            f"{self.resting:.0%} may rest, a fault every {self.interval:g} s{auth}"
        )


@dataclass
class Progress:
    """How far a run is, for the live display."""

    phase: str = "starting"
    placed: int = 0
    counted: evidence.Counts = field(default_factory=lambda: evidence.Counts(0, 0, 0))
    following: int = 0
    faults: int = 0


class Campaign:
    """A run against a stack that is up."""

    def __init__(self, broken: BreakableStack, settings: RunSettings, report: Callable[[Progress], None]) -> None:
        self._stack = broken
        self._settings = settings
        self._report = report
        self._accepted: list[str] = []
        self._limits: dict[str, Decimal] = {}
        self._world = World(settings.parameters)
        self._placed_by: dict[str, Client] = {}
        self._of_users: dict[str, list[str]] = {user: [] for user in orders.USERS}
        self._user_followers: list[UserFollower] = []
        self._followers: list[Follower] = []
        self._following: list[asyncio.Task[None]] = []
        self._chance = random.Random(f"followers:{settings.seed}")
        self._faults = Faults(broken, lambda: list(self._accepted))
        self._progress = Progress()
        self._handshakes = asyncio.Semaphore(_AT_ONCE)
        self._refused: list[str] = []
        self._takeovers = TakeoverWatch(broken.stack.database_url)

    async def run(self) -> Result:
        """Places, breaks, waits, audits."""
        started = time.monotonic()
        # Faults block for as long as they last, and a freeze or an outage must not keep others waiting.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(24, thread_name_prefix="chaos"))
        sign = partial(issuer.read_issuer().sign, seconds=_TOKEN_SECONDS) if self._settings.asks_for_tokens else None
        async with orders.clients(self._stack.stack.base_url, sign) as clients:
            try:
                self._follow_users(clients)
                async with asyncio.TaskGroup() as running:
                    watching = running.create_task(self._watch())
                    self._progress.phase = "breaking"
                    breaking = running.create_task(self._inject_faults())
                    await self._place_all(clients)
                    await breaking
                    self._progress.phase = "recovering"
                    await asyncio.to_thread(self._faults.end_all)
                    await self._recover()
                    watching.cancel()
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from errors
            finally:
                # Threads that still inject faults would keep an interrupted run from ending.
                await asyncio.to_thread(self._faults.end_all)
                for task in self._following:
                    task.cancel()
                results = await asyncio.gather(*self._following, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        return await asyncio.to_thread(self._result, time.monotonic() - started)

    def _follow_users(self, clients: Mapping[str, Client]) -> None:
        """One or two follow all orders of every other user."""
        chance = random.Random(f"followers of users:{self._settings.seed}")
        for user in orders.USERS[::2]:
            for style in chance.sample(_USER_STYLES, chance.choice((1, 2))):
                follower_plan = plan_user_follower(style, chance, self._settings.seconds)
                follower = UserFollower(user, follower_plan, partial(tuple, self._of_users[user]))
                self._user_followers.append(follower)
                self._following.append(asyncio.create_task(follower.run(clients[user], self._handshakes)))

    async def _place_all(self, clients: Mapping[str, Client]) -> None:
        """Orders arrive at random moments, a few of them together; each has up to two followers."""
        chance = random.Random(f"orders:{self._settings.seed}")
        gate = asyncio.Semaphore(_AT_ONCE)
        moments = sorted(chance.uniform(0, self._settings.seconds) for _ in range(self._settings.orders))
        settings = self._settings
        drafts = orders.order_drafts(chance, settings.orders, f"seed-{settings.seed}", settings.resting)
        started = time.monotonic()
        async with asyncio.TaskGroup() as placing:
            for moment, draft in zip(moments, drafts, strict=True):
                await asyncio.sleep(max(started + moment - time.monotonic(), 0))
                placing.create_task(self._place(clients[draft.user], draft, gate))

    async def _place(self, client: Client, draft: orders.OrderDraft, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                order, accepted = await self._place_until_accepted(client, draft)
            except orders.NotAccepted as error:
                self._refused.append(str(error))
                return
        self._placed_by[accepted.order_id] = client
        if isinstance(order.limit_price, Decimal):
            self._limits[accepted.order_id] = order.limit_price
        self._accepted.append(accepted.order_id)
        self._of_users[draft.user].append(accepted.order_id)
        # The first order has a follower at any rate: without one a short run would show nothing of the stream.
        for _ in range(self._chance.choice((0, 1, 1, 2)) or not self._followers):
            style = self._chance.choice(_STYLES)
            follower = Follower(accepted.order_id, plan_follower(style, self._chance, 60 * self._settings.delay_scale))
            self._followers.append(follower)
            self._following.append(asyncio.create_task(follower.run(client, self._handshakes)))

    async def _place_until_accepted(self, client: Client, draft: orders.OrderDraft) -> tuple[NewOrder, orders.Accepted]:
        """Raises NotAccepted. What an outage made late, a launch that is over or an end that is near, is asked anew."""
        for tries in range(_ASKED_ANEW):
            order = await asyncio.to_thread(draft.order, self._world, time.time())
            try:
                return order, await orders.place(client, order, _PLACED_WITHIN)
            except orders.NotAccepted as error:
                if not any(outdated in str(error) for outdated in _OUTDATED):
                    raise
                draft = replace(draft, key=f"{draft.key}-{tries}")
        raise orders.NotAccepted(f"{_ASKED_ANEW} times in a row an order's time was over before it was placed.")

    async def _inject_faults(self) -> None:
        started = time.monotonic()
        faults = plan(self._settings.seed, self._settings.seconds, self._settings.interval)
        async with asyncio.TaskGroup() as injecting:
            for fault in faults:
                if fault.kind in self._settings.without:
                    continue
                await asyncio.sleep(max(started + fault.at - time.monotonic(), 0))
                self._progress.faults += 1
                if fault.kind is FaultKind.CANCEL:
                    injecting.create_task(self._cancel(fault))
                elif fault.kind is FaultKind.AMEND:
                    injecting.create_task(self._amend(fault))
                else:
                    injecting.create_task(asyncio.to_thread(self._faults.inject, fault))

    async def _cancel(self, fault: PlannedFault) -> None:
        recent = self._accepted[-10:]
        if recent:
            order_id = recent[int(fault.pick * len(recent))]
            status = await orders.cancel(self._placed_by[order_id], order_id)
            self._faults.note(f"asked to cancel {order_id}: {status}")
            self._faults.count(FaultKind.CANCEL)

    async def _amend(self, fault: PlannedFault) -> None:
        recent = list(self._limits)[-10:]
        if recent:
            order_id = recent[int(fault.pick * len(recent))]
            limit = (self._limits[order_id] * Decimal(str(fault.size))).normalize()
            status = await orders.amend(self._placed_by[order_id], order_id, round(limit, 12))
            self._faults.note(f"asked to amend {order_id} to {limit}: {status}")
            self._faults.count(FaultKind.AMEND)

    async def _recover(self) -> None:
        """Waits until every order has ended, every follower knows, and no message is left that could change it."""
        deadline = time.monotonic() + self._settings.rest
        reconciled = 0.0
        while time.monotonic() < deadline:
            if await asyncio.to_thread(self._is_quiet):
                return
            if time.monotonic() - reconciled > _RECONCILE_SECONDS:
                # Its schedule, once a minute, goes on too.
                await asyncio.to_thread(self._faults.reconcile)
                reconciled = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_quiet(self) -> bool:
        if self._not_done():
            return False
        try:
            if evidence.counts(self._stack.stack.database_url).still_open:
                return False
            stack = self._stack.stack
            return not any(stack.clients.count_messages(stack.outputs[queue]) for queue in _QUEUES)
        except (psycopg.OperationalError, BotoCoreError, ClientError):
            return False

    def _not_done(self) -> int:
        of_orders = sum(not follower.is_done for follower in self._followers)
        return of_orders + sum(not follower.is_done for follower in self._user_followers)

    async def _watch(self) -> None:
        """Shows how far everything is. Raises UserError where the database is gone for good."""
        answered = time.monotonic()
        while True:
            try:
                await asyncio.to_thread(self._takeovers.sample)
                self._progress.counted = await asyncio.to_thread(evidence.counts, self._stack.stack.database_url)
                answered = time.monotonic()
            except psycopg.OperationalError as error:
                if time.monotonic() - answered > _GONE_SECONDS:
                    raise UserError(
                        f"Postgres has not answered for {_GONE_SECONDS:.0f} s, longer than any fault lasts: something "
                        "else on this machine ended it. Run this again."
                    ) from error
            self._progress.placed = len(self._accepted)
            self._progress.following = self._not_done()
            self._report(self._progress)
            await asyncio.sleep(_LOOK_SECONDS)

    def _result(self, seconds: float) -> Result:
        seen = evidence.collect(
            self._stack.stack.database_url,
            accepted=self._accepted,
            transcripts=[follower.transcript for follower in self._followers],
            user_transcripts=[follower.transcript for follower in self._user_followers],
            interruptions=self._faults.interruptions,
            unanswered=evidence.unanswered_pushes(self._stack.logged()),
        )
        market = self._world.record(seen.orders, seen.events, time.time())
        blocks = round(self._settings.lifetime / resting_audit.BLOCK_SECONDS)
        seen = replace(seen, market=market, outages=tuple(self._faults.outages), lifetime_blocks=blocks)
        counts = {str(kind): count for kind, count in self._faults.counts.items()}
        counts["failed SQS and DynamoDB calls"] = self._stack.proxy.failed_calls()
        return Result(
            evidence=seen,
            violations=audit(seen),
            refused=self._refused,
            faults=self._faults.log,
            counts=counts,
            settings=self._settings.text,
            seconds=seconds,
            slowest_takeover=self._takeovers.slowest,
        )


def run(folder: Path, settings: RunSettings, report: Callable[[Progress], None]) -> Result:
    """A whole run on a stack of its own, its files below `folder`.

    Raises:
        UserError: the stack does not start.
        KeyboardInterrupt: a signal ended it.
    """
    parameters = dict(settings.parameters)
    if settings.asks_for_tokens:
        # A run has no limits but the faults.
        parameters |= {**issuer.parameters(), "OrdersPerMinute": "0", "MaxOpenOrders": "0"}
    environment = {"SIMULATED_TRANSACTION_LIFETIME": f"{settings.lifetime:g}"}
    report(Progress())
    with stack.boot(folder, parameters=parameters, environment=environment) as broken:
        return _until_a_signal(Campaign(broken, settings, report).run())


def _until_a_signal(campaign: Coroutine[None, None, Result]) -> Result:
    """Runs it; a signal cancels it, so that everything that it started ends in order. Raises KeyboardInterrupt then."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    async def run() -> Result:
        task = asyncio.ensure_future(campaign)
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def default_seconds(count: int) -> float:
    """For how long so many orders arrive where nothing else is asked for: about three a second."""
    return max(count / 3, 12.0)
