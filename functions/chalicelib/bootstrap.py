"""The composition root: the only place where adapters are built, each once a container and at its first use.

Handlers call these before they start threads: neither `cache` nor a botocore session builds one thing once where
several threads ask for it at the same time, and threads that import the same modules wait for each other.

Imports stand inside the functions, because every function of the stack loads this module and an import is felt at each
cold start: `push_status` never loads the database driver, the worker never loads DynamoDB's models. What a function
needs in any case, `handlers/prepare.py` builds before its first call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from chalicelib.adapters.connections import DynamoFollowers
    from chalicelib.adapters.crash_point import CrashFolder, NoCrash
    from chalicelib.adapters.notifier import ApiGatewayNotifier
    from chalicelib.adapters.postgres.dead_letters import PostgresDeadLetters
    from chalicelib.adapters.postgres.history import PostgresHistory
    from chalicelib.adapters.postgres.issuer_keys import PostgresIssuerKeys
    from chalicelib.adapters.postgres.orders import PostgresOrders
    from chalicelib.adapters.postgres.pool import Database
    from chalicelib.adapters.queues.beats import SqsTicks
    from chalicelib.adapters.queues.orders import SqsOrders
    from chalicelib.adapters.queues.status_events import SqsStatusEvents
    from chalicelib.adapters.telemetry import PowertoolsTelemetry
    from chalicelib.auth.checker import JwtChecker
    from chalicelib.config import AuthMode
    from chalicelib.http.api import Api
    from chalicelib.http.identity import Identify
    from chalicelib.http.signing import SigningKeys
    from chalicelib.ports.access import Admission, Allowances
    from chalicelib.ports.history import OwnedHistory
    from chalicelib.ports.orders import OwnedOrders
    from chalicelib.services.firing import WatcherPorts
    from chalicelib.services.heartbeat import HeartbeatPorts
    from chalicelib.services.issuer_keys import KeyFetcher
    from chalicelib.services.posting import Pusher
    from chalicelib.services.subscriptions import SubscriptionPorts
    from chalicelib.services.worker import Worker
    from chalicelib.simulation.chance import Simulation
    from chalicelib.venues.router import VenueRouter
    from chalicelib.venues.simulated.market import SimulatedMarket

# As many as DynamoDB answers in time even where it is an emulator on two busy cores: a post that cannot be recorded in
# time is posted twice.
PUSH_THREADS = 16
HEARTBEAT_THREADS = 32


class SystemClock:
    """`Clock` of the operating system."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        import time

        time.sleep(seconds)


@cache
def clock() -> SystemClock:
    """Real time, in UTC."""
    return SystemClock()


@cache
def telemetry() -> PowertoolsTelemetry:
    """Log lines and metrics, written to standard output."""
    from chalicelib.adapters.telemetry import PowertoolsTelemetry

    return PowertoolsTelemetry()


@cache
def crash_point() -> CrashFolder | NoCrash:
    """Where tests may kill the process."""
    from chalicelib.adapters.crash_point import crash_point_from

    return crash_point_from(os.environ)


@cache
def database() -> Database:
    """Postgres: as many connections as DATABASE_CONNECTIONS allows, opened at their first use."""
    from chalicelib.adapters.postgres.pool import Database
    from chalicelib.config import DatabaseSettings

    return Database(DatabaseSettings.from_environment(os.environ))


@cache
def orders() -> PostgresOrders:
    """The order store."""
    from chalicelib.adapters.postgres.orders import PostgresOrders

    return PostgresOrders(database())


@cache
def history() -> PostgresHistory:
    """Pages of the order history."""
    from chalicelib.adapters.postgres.history import PostgresHistory

    return PostgresHistory(database())


@cache
def owned_orders() -> OwnedOrders:
    """Orders as their owners reach them; in open mode everybody reaches all."""
    from chalicelib import config

    if auth_mode() is config.AuthMode.OPEN:
        from chalicelib.services.anyone import AnyonesOrders

        return AnyonesOrders(orders())
    from chalicelib.adapters.postgres.owned import PostgresOwnedOrders

    return PostgresOwnedOrders(database(), config.order_limits(os.environ))


@cache
def allowances() -> Allowances:
    """What users may ask for besides orders; in open mode everything."""
    from chalicelib import config

    if auth_mode() is config.AuthMode.OPEN:
        from chalicelib.services.anyone import NoLimits

        return NoLimits()
    from chalicelib.adapters.postgres.limits import PostgresAllowances

    return PostgresAllowances(database(), config.order_limits(os.environ))


@cache
def owned_history() -> OwnedHistory:
    """Pages as the orders' owners reach them; in open mode everybody reaches all."""
    from chalicelib.config import AuthMode

    if auth_mode() is AuthMode.OPEN:
        from chalicelib.services.anyone import AnyonesHistory

        return AnyonesHistory(history())
    from chalicelib.adapters.postgres.owned import PostgresOwnedHistory

    return PostgresOwnedHistory(database())


@cache
def dead_letters() -> PostgresDeadLetters:
    """Messages kept for a post-mortem."""
    from chalicelib.adapters.postgres.dead_letters import PostgresDeadLetters

    return PostgresDeadLetters(database())


@cache
def sqs() -> SQSClient:
    """SQS, which every queue below is reached through."""
    from chalicelib.adapters.aws.clients import sqs_client

    return sqs_client()


@cache
def orders_queue() -> SqsOrders:
    """Orders that wait for a worker."""
    from chalicelib.adapters.queues.orders import SqsOrders
    from chalicelib.config import required

    return SqsOrders(sqs(), required(os.environ, "ORDERS_QUEUE_URL"))


@cache
def dead_letter_queue() -> SqsOrders:
    """Messages that no worker could process."""
    from chalicelib.adapters.queues.orders import SqsOrders
    from chalicelib.config import required

    return SqsOrders(sqs(), required(os.environ, "ORDERS_DEAD_LETTER_QUEUE_URL"))


@cache
def ticks() -> SqsTicks:
    """The watcher's beats."""
    from chalicelib.adapters.queues.beats import SqsTicks
    from chalicelib.config import required

    return SqsTicks(sqs(), required(os.environ, "TICKS_QUEUE_URL"))


@cache
def status_events() -> SqsStatusEvents:
    """What followers are told."""
    from chalicelib.adapters.queues.status_events import SqsStatusEvents
    from chalicelib.config import required

    return SqsStatusEvents(sqs(), required(os.environ, "STATUS_EVENTS_QUEUE_URL"))


@cache
def followers() -> DynamoFollowers:
    """Who follows which order."""
    from chalicelib.adapters.aws.clients import dynamo_calls
    from chalicelib.adapters.connections import DynamoFollowers
    from chalicelib.config import required

    return DynamoFollowers(required(os.environ, "CONNECTIONS_TABLE"), dynamo_calls())


@cache
def simulation() -> Simulation:
    """The simulated market's seed, faults and delays, which venues and chain share."""
    from chalicelib.config import SimulationSettings
    from chalicelib.simulation.chance import Simulation

    return Simulation(SimulationSettings.from_environment(os.environ), now=clock().now, sleep=clock().sleep)


@cache
def router() -> VenueRouter:
    """The venues that trade: each name in VENUES is a module's."""
    from importlib import import_module

    from chalicelib.domain.quotes import VENUES
    from chalicelib.venues.router import VenueRouter

    connectors = [import_module(f"chalicelib.venues.{name}").connect(simulation()) for name in VENUES]
    return VenueRouter(connectors, crash_point(), telemetry())


@cache
def market() -> SimulatedMarket:
    """What resting orders are compared with: the simulated ones of the venues, without delays and faults."""
    from importlib import import_module

    from chalicelib.domain.quotes import VENUES
    from chalicelib.venues.simulated.market import SimulatedMarket
    from chalicelib.venues.simulated.venue import SimulatedVenue

    venues = [import_module(f"chalicelib.venues.{name}").connect(simulation()) for name in VENUES]
    return SimulatedMarket(simulation(), [venue for venue in venues if isinstance(venue, SimulatedVenue)])


@cache
def worker() -> Worker:
    """Everything that executes an order."""
    from chalicelib.adapters.postgres.ledger import PostgresLedger
    from chalicelib.chain.simulated import SimulatedChain
    from chalicelib.services.worker import Worker

    return Worker(
        store=orders(),
        events=status_events(),
        router=router(),
        swaps=router(),
        chain=SimulatedChain(simulation(), PostgresLedger(database())),
        clock=clock(),
        telemetry=telemetry(),
        crash_point=crash_point(),
        ticks=ticks(),
    )


@cache
def watcher() -> WatcherPorts:
    """Everything that watches the market."""
    from chalicelib.adapters.postgres.resting import PostgresResting
    from chalicelib.config import watch_interval
    from chalicelib.services.firing import WatcherPorts

    return WatcherPorts(
        resting=PostgresResting(database()),
        store=orders(),
        queue=orders_queue(),
        events=status_events(),
        market=market(),
        ticks=ticks(),
        clock=clock(),
        telemetry=telemetry(),
        crash_point=crash_point(),
        interval=watch_interval(os.environ),
    )


@cache
def notifier() -> ApiGatewayNotifier:
    """What posts to open WebSocket connections."""
    from chalicelib.adapters.aws.clients import websocket_calls
    from chalicelib.adapters.notifier import ApiGatewayNotifier
    from chalicelib.config import required

    return ApiGatewayNotifier(websocket_calls(), required(os.environ, "WEBSOCKET_MANAGEMENT_URL"), telemetry())


@cache
def pusher() -> Pusher:
    """What a push needs, with threads that are kept from one invocation to the next."""
    from concurrent.futures import ThreadPoolExecutor

    from chalicelib.services.posting import Pusher

    return Pusher(
        followers=followers(),
        notifier=notifier(),
        clock=clock(),
        telemetry=telemetry(),
        crash_point=crash_point(),
        requeue=status_events().requeue,
        threads=ThreadPoolExecutor(PUSH_THREADS, thread_name_prefix="push"),
    )


@cache
def heartbeats() -> HeartbeatPorts:
    """What sending heartbeats needs, with threads that are kept likewise."""
    from concurrent.futures import ThreadPoolExecutor

    from chalicelib.adapters.queues.beats import SqsHeartbeats
    from chalicelib.config import required
    from chalicelib.services.heartbeat import HeartbeatPorts

    return HeartbeatPorts(
        connections=followers(),
        notifier=notifier(),
        clock=clock(),
        telemetry=telemetry(),
        schedule_next=SqsHeartbeats(sqs(), required(os.environ, "HEARTBEATS_QUEUE_URL")).schedule_next,
        threads=ThreadPoolExecutor(HEARTBEAT_THREADS, thread_name_prefix="heartbeat"),
    )


@cache
def allowed_origins() -> frozenset[str]:
    """Whose pages may read answers."""
    from chalicelib import config

    return config.allowed_origins(os.environ)


@cache
def auth_mode() -> AuthMode:
    """Whether requests prove whose they are."""
    from chalicelib import config

    return config.auth_mode(os.environ)


@cache
def identify() -> Identify:
    """Who sends a request."""
    from chalicelib.config import AuthMode
    from chalicelib.http import identity

    if auth_mode() is AuthMode.OPEN:
        return identity.anyone
    return identity.bearer(token_checker(), telemetry())


@cache
def token_checker() -> JwtChecker:
    """What checks access tokens; jwt mode only, for its library takes a while to load."""
    from chalicelib.auth.checker import FixedKeySet, JwtChecker, KeySet
    from chalicelib.auth.keys import InvalidKeys, has_private_key, read_keys
    from chalicelib.config import AuthSettings, ConfigurationError

    settings = AuthSettings.from_environment(os.environ)
    key_sets: dict[str, KeySet] = {}
    if settings.keys:
        if has_private_key(settings.keys):
            raise ConfigurationError("AUTH_KEYS has a private or a symmetric key: it takes public ones only.")
        try:
            key_sets[settings.keys_issuer] = FixedKeySet(read_keys(settings.keys))
        except InvalidKeys as error:
            raise ConfigurationError(f"AUTH_KEYS cannot be used: {error}.") from None
    if settings.jwks_url:
        from chalicelib.auth.stored import StoredKeySet

        key_sets[settings.issuer] = StoredKeySet(settings.issuer, issuer_keys(), now=clock().now, telemetry=telemetry())
    return JwtChecker(key_sets, audience=settings.audience, revoked=settings.revoked, now=clock().now)


@cache
def key_fetcher() -> KeyFetcher:
    """What fetches the external issuer's keys."""
    from functools import partial

    from chalicelib.adapters.issuer import fetch
    from chalicelib.adapters.queues.issuer_keys import SqsIssuerKeys
    from chalicelib.auth.keys import read_keys
    from chalicelib.config import env_bool, required
    from chalicelib.services.issuer_keys import KeyFetcher

    url = required(os.environ, "AUTH_JWKS_URL")
    return KeyFetcher(
        issuer=required(os.environ, "AUTH_ISSUER"),
        fetch=partial(fetch, url, allow_http=env_bool(os.environ, "AUTH_JWKS_OVER_HTTP")),
        check=read_keys,
        send=SqsIssuerKeys(sqs(), required(os.environ, "ISSUER_KEYS_QUEUE_URL")).send,
        now=clock().now,
        telemetry=telemetry(),
    )


def cloudformation() -> Callable[..., None]:
    """Tells CloudFormation what its request came to."""
    from chalicelib.adapters.cloudformation import answer

    return answer


@cache
def issuer_keys() -> PostgresIssuerKeys:
    """Issuers' public keys."""
    from chalicelib.adapters.postgres.issuer_keys import PostgresIssuerKeys

    return PostgresIssuerKeys(database())


@cache
def signing_keys() -> SigningKeys:
    """The keys of cursors and stream tickets."""
    from chalicelib.config import required, signing_generation
    from chalicelib.http.signing import SigningKeys

    return SigningKeys(required(os.environ, "CURSOR_SECRET"), signing_generation(os.environ))


@cache
def api() -> Api:
    """The HTTP calls."""
    from chalicelib.config import env_bool, required
    from chalicelib.http.api import Api

    return Api(
        orders=owned_orders(),
        allowances=allowances(),
        history=owned_history(),
        queue=orders_queue(),
        events=status_events(),
        router=router(),
        market=market(),
        ticks=ticks(),
        clock=clock(),
        telemetry=telemetry(),
        probes={"database": database().check, "queue": orders_queue().check},
        websocket_url=required(os.environ, "PUBLIC_WEBSOCKET_URL"),
        signing_keys=signing_keys(),
        crash_point=crash_point(),
        strict_wallets=env_bool(os.environ, "STRICT_WALLETS"),
    )


@cache
def admission() -> Admission:
    """Who may follow an order."""
    from chalicelib.config import AuthMode
    from chalicelib.http.admission import AdmitByTicket, admit_anyone

    if auth_mode() is AuthMode.OPEN:
        return admit_anyone

    return AdmitByTicket(signing_keys(), clock().now, owned_orders())


@cache
def user_admission() -> Admission:
    """Who may follow all orders of a user."""
    from chalicelib.config import AuthMode
    from chalicelib.http.admission import AdmitOwner, admit_to_any_user

    return admit_to_any_user if auth_mode() is AuthMode.OPEN else AdmitOwner(signing_keys(), clock().now)


@cache
def subscriptions() -> SubscriptionPorts:
    """The subscriptions of WebSocket clients."""
    from chalicelib.services.subscriptions import SubscriptionPorts

    return SubscriptionPorts(
        store=orders(),
        followers=followers(),
        events=status_events(),
        clock=clock(),
        telemetry=telemetry(),
        crash_point=crash_point(),
        admit=admission(),
        admit_user=user_admission(),
    )
