"""The composition root, in a process of its own: what is built from the environment, and what is never loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.tokens import ED, jwks

FUNCTIONS = Path(__file__).parents[3] / "functions"
ENVIRONMENT = {
    "PATH": os.defpath,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "ORDERS_QUEUE_URL": "http://127.0.0.1:1/orders",
    "ORDERS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/dead",
    "STATUS_EVENTS_QUEUE_URL": "http://127.0.0.1:1/events.fifo",
    "HEARTBEATS_QUEUE_URL": "http://127.0.0.1:1/heartbeats",
    "TICKS_QUEUE_URL": "http://127.0.0.1:1/ticks",
    "CONNECTIONS_TABLE": "connections",
    "WEBSOCKET_MANAGEMENT_URL": "http://127.0.0.1:1/live",
    "PUBLIC_WEBSOCKET_URL": "ws://localhost:3000/api/orders/execute",
    "CURSOR_SECRET": "secret",
    "AUTH_MODE": "open",
    "SIGNING_GENERATION": "3",
    "ORDERS_PER_MINUTE": "20",
    "MAX_OPEN_ORDERS": "7",
    "AUTH_ISSUER": "urn:order-engine:test",
    "AUTH_AUDIENCE": "order-engine",
    "AUTH_KEYS": jwks(ED),
    "AUTH_JWKS_URL": "https://login.example.com/jwks.json",
    "AUTH_KEYS_ISSUER": "urn:order-engine:own",
    "ISSUER_KEYS_QUEUE_URL": "http://127.0.0.1:1/issuer-keys",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "POWERTOOLS_SERVICE_NAME": "order-engine",
    "POWERTOOLS_METRICS_NAMESPACE": "OrderEngine",
}


def run(code: str, *, without: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != without} | changes
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", f"import sys\nfrom chalicelib import bootstrap\n{code}"],
        cwd=FUNCTIONS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def everything() -> str:
    """Builds every part twice; says for each whether it was built once, and what a part loads by itself."""
    done = run(
        """
import functools
parts = [part for part in vars(bootstrap).values() if isinstance(part, functools._lru_cache_wrapper)]
pusher = bootstrap.pusher()
print("database driver after pusher:", "psycopg" in sys.modules)
print("web framework after pusher:", "pydantic" in sys.modules)
worker = bootstrap.worker()
print("request models after worker:", "pydantic" in sys.modules)
api = bootstrap.api(), bootstrap.identify()
print("token library in open mode:", "jwt" in sys.modules or "cryptography" in sys.modules)
for part in parts:
    print(part.__name__, part() is part())
bootstrap.database().close()
"""
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_part_is_built_from_the_environment_and_once(everything: str) -> None:
    built = [line.split() for line in everything.splitlines() if ":" not in line]
    assert {name for name, _ in built} >= {
        "api",
        "subscriptions",
        "worker",
        "pusher",
        "orders",
        "history",
        "dead_letters",
    }
    assert {once for _, once in built} == {"True"}


def test_the_pusher_needs_no_database_driver_and_nobody_but_the_api_the_request_models(everything: str) -> None:
    assert "database driver after pusher: False" in everything
    assert "web framework after pusher: False" in everything
    assert "token library in open mode: False" in everything
    assert "request models after worker: False" in everything


def test_a_user_s_limits_and_the_generation_of_keys_are_those_of_the_settings() -> None:
    told = "print(bootstrap.signing_keys().generation, bootstrap.owned_orders()._bound, bootstrap.allowances()._limits)"
    done = run(f"{told}\nbootstrap.database().close()", AUTH_MODE="jwt")
    limits = "{'per_minute': 20, 'max_open': 7} OrderLimits(per_minute=20, max_open=7)"
    assert (done.stdout, done.stderr) == (f"3 {limits}\n", "")


def test_a_missing_setting_is_named() -> None:
    done = run("bootstrap.api()", without="CURSOR_SECRET")
    assert done.returncode != 0
    assert "CURSOR_SECRET is not set" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("without", ["", "CURSOR_SECRET"])
def test_a_start_looks_for_no_garbage_and_the_calls_behind_it_do(without: str) -> None:
    done = run(
        """
import gc
from chalicelib.handlers.prepare import prepare
before = gc.get_stats()[1]["collections"]
prepare("app.app")
print(gc.get_stats()[1]["collections"] - before, gc.isenabled(), gc.get_freeze_count() > 10_000)
""",
        without=without,
    )
    assert (done.stdout, done.returncode) == ("0 True True\n", 0), done.stderr
