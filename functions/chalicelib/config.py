"""Settings from the environment, validated at their first use; every mistake gets one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from chalicelib.ports.access import OrderLimits

# Solana's slot.
BLOCK_MS = 400
# How long the server may be silent about what was sent to it; a statement may take as long (the role's setting).
SILENCE_MS = 5_000
CONNECT_TIMEOUT_S = 3
MOST_CONNECTIONS = 10


ORIGIN = re.compile(r"https?://[a-z0-9.:-]+")

# What each variable of a function says; docs/configuration.md is made of these and of template.yaml.
VARIABLES: Final[Mapping[str, str]] = {
    "ALLOWED_ORIGINS": "Origins whose pages may read answers, separated by commas, or *; none without it.",
    "AUTH_AUDIENCE": "The audience that tokens must name.",
    "AUTH_ISSUER": "The issuer of AUTH_JWKS_URL's keys, without that of AUTH_KEYS.",
    "AUTH_JWKS_URL": "Where the external issuer publishes its keys; none without it.",
    "AUTH_JWKS_OVER_HTTP": "true lets AUTH_JWKS_URL be http, for emulators; false without it.",
    "AUTH_KEYS": "Our own issuer's public keys, as a JWK set.",
    "AUTH_KEYS_ISSUER": "The issuer of AUTH_KEYS where AUTH_JWKS_URL is set.",
    "AUTH_REVOKED": "Ids (jti) of tokens that count no more, separated by commas.",
    "AUTH_MODE": "open: nobody proves who they are; jwt: by an access token.",
    "CONNECTIONS_TABLE": "The DynamoDB table of WebSocket connections.",
    "CURSOR_SECRET": "What the keys of page cursors and stream tickets are derived from.",
    "DATABASE_CONNECTIONS": "How many connections one process may hold: 1 to 10, 1 without it.",
    "DATABASE_HOST": "Host of the created database or its proxy; the function logs in with an IAM token.",
    "DATABASE_NAME": "Name of that database.",
    "DATABASE_OWNER": "The role that owns the schema; the migrations log in as it.",
    "DATABASE_OWNER_PASSWORD": "Its first password, which the first migration makes useless.",
    "DATABASE_PORT": "Port of that database; 5432 without it.",
    "DATABASE_ROLES": "The functions' roles and how many connections each may hold, as role=limit,role=limit.",
    "DATABASE_URL": "A Postgres as a libpq URI, in place of the other DATABASE_ variables.",
    "DATABASE_USER": "The role that the function logs in as.",
    "HEARTBEATS_QUEUE_URL": "The queue of heartbeats.",
    "ISSUER_KEYS_QUEUE_URL": "The queue of the issuer's keys on their way into the database.",
    "LOG_LEVEL": "The lowest level that is logged.",
    "MAX_OPEN_ORDERS": "How many orders of a user may be open at once, in jwt mode; 0 is no limit.",
    "ORDERS_DEAD_LETTER_QUEUE_URL": "The queue of messages that no worker could finish.",
    "ORDERS_PER_MINUTE": "How many orders, quotes and tickets a user may ask for, in jwt mode; 0 is no limit.",
    "ORDERS_QUEUE_URL": "The queue of orders that wait for a worker.",
    "PGSSLMODE": "libpq's: how connections to the created database are protected; verify-full without it.",
    "PGSSLROOTCERT": "libpq's: the certificates that verify-full checks against.",
    "POWERTOOLS_METRICS_NAMESPACE": "The CloudWatch namespace of the metrics.",
    "POWERTOOLS_SERVICE_NAME": "The stack's name, in every log line and metric.",
    "PUBLIC_WEBSOCKET_URL": "Where clients open their streams; shapes websocketUrl.",
    "SIGNING_GENERATION": "Which keys are derived from CURSOR_SECRET, 1 without it; the number before holds too.",
    "SIMULATED_DELAY_SCALE": "Scales the simulated delays, 0 to 100: 1, the default, is realistic, 0 none at all.",
    "SIMULATED_FAULTS": "Rates of simulated faults, such as quote_error=0.1,dropped=0.05; none without it.",
    "SIMULATED_LAUNCH_SECONDS": "How far apart simulated launches are: 0 (none) or 10 to 86,400; 600 without it.",
    "SIMULATED_MARKET_SEED": "Which simulated market: the same number is the same market everywhere; 1 without it.",
    "SIMULATED_VOLATILITY": "Scales how the market moves, 0 to 100: 1, the default, is realistic, 0 a standing market.",
    "STATUS_EVENTS_QUEUE_URL": "The FIFO queue of statuses to push.",
    "STRICT_WALLETS": "true refuses wallet addresses that cannot sign on Solana; false without it.",
    "TICKS_QUEUE_URL": "The queue of the watcher's beats.",
    "WATCH_INTERVAL_SECONDS": "How often resting orders are compared with the market: 1 without it.",
    "WEBSOCKET_MANAGEMENT_URL": "Where the WebSocket API takes what is posted to connections.",
}


class AuthMode(StrEnum):
    """Whether requests prove whose they are."""

    OPEN = "open"  # nobody is asked: for one's own machine
    JWT = "jwt"  # by an access token


class ConfigurationError(Exception):
    """A setting is missing or wrong; the text names it and says what it takes."""


def required(environ: Mapping[str, str], name: str) -> str:
    """The setting's value.

    Raises:
        ConfigurationError: it is not set.
    """
    value = environ.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set: template.yaml gives it to the functions that need it.")
    return value


def env_bool(environ: Mapping[str, str], name: str) -> bool:
    """Whether a setting that takes true or false is true; unset means false.

    Raises:
        ConfigurationError: it is neither.
    """
    value = environ.get(name, "") or "false"
    if value not in ("true", "false"):
        raise ConfigurationError(f"{name} is {value!r}; it takes true or false.")
    return value == "true"


def allowed_origins(environ: Mapping[str, str]) -> frozenset[str]:
    """The origins whose pages may read answers; * is every one.

    Raises:
        ConfigurationError: one is no origin.
    """
    named = frozenset(filter(None, environ.get("ALLOWED_ORIGINS", "").split(",")))
    for origin in named - {"*"}:
        if not ORIGIN.fullmatch(origin):
            raise ConfigurationError(f"ALLOWED_ORIGINS names {origin!r}; it takes origins such as https://example.com.")
    return named


def auth_mode(environ: Mapping[str, str]) -> AuthMode:
    """How requests prove whose they are.

    Raises:
        ConfigurationError: it is unset or none that there is: nothing is open by an oversight.
    """
    value = required(environ, "AUTH_MODE")
    if value not in set(AuthMode):
        raise ConfigurationError(f"AUTH_MODE is {value!r}; it takes {' or '.join(AuthMode)}.")
    return AuthMode(value)


def order_limits(environ: Mapping[str, str]) -> OrderLimits:
    """How much one user may ask for.

    Raises:
        ConfigurationError: one is no whole number.
    """
    return OrderLimits(
        per_minute=_integer(environ, "ORDERS_PER_MINUTE", 600, 0, 1_000_000),
        max_open=_integer(environ, "MAX_OPEN_ORDERS", 1_000, 0, 1_000_000),
    )


def signing_generation(environ: Mapping[str, str]) -> int:
    """The number of the keys that sign now.

    Raises:
        ConfigurationError: it is no whole number from 1 on.
    """
    return _integer(environ, "SIGNING_GENERATION", 1, 1, 1_000_000)


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Whose access tokens count. An empty text is a setting that is not used; one of `keys` and `jwks_url` is."""

    audience: str
    keys: str  # a JWK set of our own issuer
    keys_issuer: str
    jwks_url: str  # where an external issuer has its own
    issuer: str
    revoked: frozenset[str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> AuthSettings:
        """Reads AUTH_AUDIENCE, AUTH_ISSUER, AUTH_KEYS or AUTH_JWKS_URL or both, and AUTH_REVOKED.

        AUTH_ISSUER belongs to AUTH_JWKS_URL where that is set, and the other keys' issuer is AUTH_KEYS_ISSUER then.
        """
        keys, jwks_url = environ.get("AUTH_KEYS", ""), environ.get("AUTH_JWKS_URL", "")
        issuer = required(environ, "AUTH_ISSUER")
        keys_issuer = environ.get("AUTH_KEYS_ISSUER", "") if jwks_url else issuer
        if not keys and not jwks_url:
            raise ConfigurationError("AUTH_MODE is jwt: set AUTH_KEYS or AUTH_JWKS_URL, or nobody can be let in.")
        if keys and jwks_url and keys_issuer in ("", issuer):
            raise ConfigurationError("AUTH_KEYS_ISSUER must be set beside AUTH_JWKS_URL, and differ from AUTH_ISSUER.")
        return cls(
            audience=required(environ, "AUTH_AUDIENCE"),
            keys=keys,
            keys_issuer=keys_issuer,
            jwks_url=jwks_url,
            issuer=issuer,
            revoked=frozenset(filter(None, (name.strip() for name in environ.get("AUTH_REVOKED", "").split(",")))),
        )


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where Postgres is: a whole URL, or a host where the functions log in with an IAM token."""

    url: str | None
    host: str
    port: int
    name: str
    user: str
    region: str
    tls: str = "verify-full"
    connections: int = 1  # that one process may hold; template.yaml budgets them

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> DatabaseSettings:
        """Reads DATABASE_URL, or DATABASE_HOST, _PORT, _NAME and _USER; and DATABASE_CONNECTIONS.

        libpq's own PGSSLMODE and PGSSLROOTCERT say how the connections are protected. Unset, the server's certificate
        is checked.
        """
        connections = _integer(environ, "DATABASE_CONNECTIONS", 1, 1, MOST_CONNECTIONS)
        url = environ.get("DATABASE_URL") or None
        if url is not None:
            return cls(url, "", 0, "", "", "", connections=connections)
        return cls(
            url=None,
            host=required(environ, "DATABASE_HOST"),
            port=_integer(environ, "DATABASE_PORT", 5432, 1, 65535),
            name=required(environ, "DATABASE_NAME"),
            user=required(environ, "DATABASE_USER"),
            region=required(environ, "AWS_REGION"),
            tls=environ.get("PGSSLMODE") or "verify-full",
            connections=connections,
        )

    @property
    def connect_options(self) -> dict[str, object]:
        """How every connection behaves: statements commit one by one, nothing waits without a limit.

        Time zone and statement timeout belong to the role (infra/migrations/roles.py): RDS Proxy refuses connections
        that bring `options`, and one that SETs something is never shared again.
        """
        from psycopg.rows import dict_row

        return {
            "autocommit": True,
            "row_factory": dict_row,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "order-engine",
            "keepalives_idle": 30,
            "tcp_user_timeout": SILENCE_MS,
        }


def watch_interval(environ: Mapping[str, str]) -> int:
    """How many seconds lie between two beats of the watcher. Raises `ConfigurationError`."""
    return _integer(environ, "WATCH_INTERVAL_SECONDS", 1, 1, 30)


class Fault(StrEnum):
    """What the simulated venues and chain can do wrong; each has a rate between 0 and 1."""

    QUOTE_ERROR = "quote_error"
    QUOTE_TIMEOUT = "quote_timeout"
    PRICE_MOVE = "price_move"
    DROPPED = "dropped"
    DROPPED_ONCE = "dropped_once"
    SUBMIT_TIMEOUT = "submit_timeout"
    SLOW = "slow"
    BAD_TICK = "bad_tick"
    FEED_DOWN = "feed_down"
    LAUNCH_DUPLICATE = "launch_duplicate"
    LAUNCH_FORK = "launch_fork"
    LAUNCH_DECOY = "launch_decoy"


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """How the simulated venues and chain behave. `delay_scale` 1 is realistic, 0 waits for nothing.

    `transaction_lifetime` is in seconds; a `volatility` of 0 is a market that stands, `launch_seconds` of 0 a world
    without launches.
    """

    delay_scale: float
    faults: Mapping[Fault, float]
    transaction_lifetime: float
    market_seed: int = 1
    volatility: Decimal = Decimal(1)
    launch_seconds: int = 600

    @property
    def transaction_lifetime_blocks(self) -> int:
        """For how many blocks after it was built a transaction may land."""
        return max(round(self.transaction_lifetime * 1000 / BLOCK_MS), 1)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> SimulationSettings:
        """Reads the variables that begin with SIMULATED_. Raises `ConfigurationError`."""
        return cls(
            delay_scale=_number(environ, "SIMULATED_DELAY_SCALE", 1.0, 0.0, 100.0),
            faults=_faults(environ.get("SIMULATED_FAULTS", "")),
            transaction_lifetime=_number(environ, "SIMULATED_TRANSACTION_LIFETIME", 30.0, 0.1, 120.0),
            market_seed=_integer(environ, "SIMULATED_MARKET_SEED", 1, 0, 999_999_999),
            volatility=_decimal(environ, "SIMULATED_VOLATILITY", 1.0, 0.0, 100.0),
            launch_seconds=_launch_seconds(environ),
        )


def _faults(text: str) -> Mapping[Fault, float]:
    rates: dict[Fault, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, rate = part.partition("=")
        if name not in set(Fault):
            known = ", ".join(Fault)
            raise ConfigurationError(f"SIMULATED_FAULTS names {name!r}; the faults are {known}.")
        if not rate:
            raise ConfigurationError(f"SIMULATED_FAULTS gives {name} no rate: write {name}=0.1, for example.")
        rates[Fault(name)] = _number({name: rate}, name, 0.0, 0.0, 1.0)
    return rates


def _launch_seconds(environ: Mapping[str, str]) -> int:
    seconds = _integer(environ, "SIMULATED_LAUNCH_SECONDS", 600, 0, 86_400)
    if 0 < seconds < 10:
        raise ConfigurationError(f"SIMULATED_LAUNCH_SECONDS is {seconds}; it takes 0, or 10 to 86400.")
    return seconds


def _number(environ: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    return float(_decimal(environ, name, default, low, high))


def _decimal(environ: Mapping[str, str], name: str, default: float, low: float, high: float) -> Decimal:
    text = environ.get(name, "")
    if not text:
        return Decimal(str(default))
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ConfigurationError(f"{name} is {text!r}; it takes a number.") from None
    if not value.is_finite() or not low <= value <= high:
        raise ConfigurationError(f"{name} is {text}; it takes a number from {low:g} to {high:g}.")
    return value


def _integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = _number(environ, name, default, low, high)
    if value != int(value):
        raise ConfigurationError(f"{name} is {value:g}; it takes a whole number.")
    return int(value)
