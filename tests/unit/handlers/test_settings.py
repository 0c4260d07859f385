"""Settings from the environment: read once, and every mistake gets one sentence."""

import pytest

from chalicelib.adapters.postgres.pool import conninfo
from chalicelib.config import (
    ConfigurationError,
    DatabaseSettings,
    Fault,
    SimulationSettings,
    env_bool,
    required,
)

HOST = {"DATABASE_HOST": "db", "DATABASE_NAME": "orders", "DATABASE_USER": "engine", "AWS_REGION": "us-east-1"}


def test_a_required_setting() -> None:
    assert required({"A": "b"}, "A") == "b"
    for environ in ({}, {"A": ""}):
        with pytest.raises(ConfigurationError, match=r"^A is not set"):
            required(environ, "A")


@pytest.mark.parametrize(("text", "value"), [("", False), ("false", False), ("true", True)])
def test_a_switch(text: str, value: bool) -> None:
    assert env_bool({"S": text}, "S") is value
    assert env_bool({}, "S") is False


@pytest.mark.parametrize("text", ["yes", "1", "True"])
def test_a_switch_takes_true_or_false(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"S is .* takes true or false"):
        env_bool({"S": text}, "S")


def test_a_database_by_its_url() -> None:
    settings = DatabaseSettings.from_environment({"DATABASE_URL": "postgresql://x", **HOST})
    assert conninfo(settings) == "postgresql://x"


@pytest.mark.parametrize(
    ("mode", "used"), [("", "verify-full"), ("require", "require"), ("verify-full", "verify-full")]
)
def test_a_database_where_functions_log_in_with_a_token(monkeypatch: pytest.MonkeyPatch, mode: str, used: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    fresh = conninfo(DatabaseSettings.from_environment({**HOST, "PGSSLMODE": mode}))
    assert callable(fresh)
    parts = conninfo_to_dict(fresh())
    assert (parts["host"], parts["port"], parts["dbname"], parts["user"]) == ("db", "5432", "orders", "engine")
    assert parts["sslmode"] == used
    assert "X-Amz-Signature" in str(parts["password"])


@pytest.mark.parametrize("missing", HOST)
def test_a_database_that_is_not_described(missing: str) -> None:
    environ = {name: value for name, value in HOST.items() if name != missing}
    with pytest.raises(ConfigurationError, match=missing):
        DatabaseSettings.from_environment(environ)


@pytest.mark.parametrize("port", ["x", "0", "65536", "1.5"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_PORT"):
        DatabaseSettings.from_environment({**HOST, "DATABASE_PORT": port})


def test_the_market_is_realistic_by_default() -> None:
    settings = SimulationSettings.from_environment({})
    assert (settings.delay_scale, dict(settings.faults), settings.transaction_lifetime) == (1, {}, 30)


def test_the_market_as_a_test_wants_it() -> None:
    settings = SimulationSettings.from_environment(
        {
            "SIMULATED_DELAY_SCALE": "0",
            "SIMULATED_FAULTS": " quote_error=0.1, dropped=1 ,",
            "SIMULATED_TRANSACTION_LIFETIME": "2.5",
        }
    )
    assert settings.delay_scale == 0
    assert settings.faults == {Fault.QUOTE_ERROR: 0.1, Fault.DROPPED: 1}
    assert settings.transaction_lifetime == 2.5


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("SIMULATED_DELAY_SCALE", "fast", "SIMULATED_DELAY_SCALE is 'fast'; it takes a number"),
        ("SIMULATED_DELAY_SCALE", "-1", "from 0 to 100"),
        ("SIMULATED_DELAY_SCALE", "NaN", "SIMULATED_DELAY_SCALE"),
        ("SIMULATED_DELAY_SCALE", "sNaN", "SIMULATED_DELAY_SCALE"),
        ("SIMULATED_FAULTS", "gremlins=1", "SIMULATED_FAULTS names 'gremlins'; the faults are quote_error"),
        ("SIMULATED_FAULTS", "dropped=2", "from 0 to 1"),
        ("SIMULATED_FAULTS", "dropped=often", "dropped is 'often'"),
        ("SIMULATED_FAULTS", "dropped", "dropped"),
        ("SIMULATED_FAULTS", "dropped=", "dropped"),
    ],
)
def test_a_market_that_makes_no_sense(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        SimulationSettings.from_environment({name: text})
