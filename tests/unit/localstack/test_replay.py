"""`./dev replay`: the engine in virtual time."""

import io
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from chalicelib.config import SimulationSettings
from chalicelib.domain.tokens import find_token
from chalicelib.simulation.chance import Simulation
from localstack.commands import replay as command
from localstack.errors import UserError
from localstack.replay import run
from localstack.replay.reading import read
from localstack.replay.run import RefusedOrder, Replay, ReplayEvent, replay
from tests.benchmarks.oracle import check, replayed
from tests.fakes.builders import METEORA, RAYDIUM
from tests.fakes.programs import invoke

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
SELL = {"inputToken": "SOL", "outputToken": "USDC", "amount": 10, "side": "sell"}
LIMIT = {**SELL, "orderType": "limit"}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "orders.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def told(folder: Path, seconds: int, *lines: object, **environment: str) -> list[ReplayEvent | RefusedOrder]:
    """What a replay tells of these orders."""
    end = START + timedelta(seconds=seconds)
    wanted = read(written(folder, *lines), START, end)
    return list(replay(wanted, Replay(SimulationSettings.from_environment(environment), START), end))


def statuses(happened: list[ReplayEvent | RefusedOrder], name: str) -> list[str]:
    return [str(each.event.status) for each in happened if isinstance(each, ReplayEvent) and each.name == name]


def snipers(count: int) -> list[dict[str, object]]:
    """Orders for the tokens of as many launches, named as those are."""
    first = int(START.timestamp()) // 60 + 2
    names = [f"LNCH-{number}" for number in range(first, first + count)]
    return [{**SELL, "outputToken": name, "orderType": "sniper", "amount": 1, "name": name} for name in names]


def test_it_fires_orders_when_brute_force_says() -> None:
    counted = check(200, 120, 5, replayed)
    assert counted["at the first second that pays"] > 10
    assert counted["a second later: looked at in vain before"] > 10
    assert counted["never paid"]


def test_orders_rest_fire_fill_expire_and_are_refused_as_on_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where another venue trades too, the price of "soon" may be paid at once.
    monkeypatch.setattr(run, "VENUES", (RAYDIUM, METEORA))
    orders = (
        {**SELL, "name": "market"},
        {**LIMIT, "name": "soon", "limitPrice": "161.7", "at": 1.5},
        {**LIMIT, "name": "short", "limitPrice": "200", "expiresAt": "2026-11-26T12:00:30Z", "at": 10},
        {**LIMIT, "name": "at once or never", "limitPrice": "200", "timeInForce": "fok"},
        {**LIMIT, "name": "inverted", "limitPrice": "0.00595"},
    )
    happened = told(tmp_path, 600, *orders)
    assert statuses(happened, "market") == ["pending", "routing", "building", "submitted", "confirmed"]
    soon = [each.event for each in happened if isinstance(each, ReplayEvent) and each.name == "soon"]
    assert [str(event.status) for event in soon][:3] == ["waiting", "pending", "routing"]
    assert str(soon[-1].status) == "confirmed"
    trigger = soon[1].meta["trigger"]
    assert isinstance(trigger, dict)
    assert Decimal(trigger["price"]) >= Decimal("161.7")
    # What came out is never below the limit, whatever moved meanwhile.
    assert Decimal(str(soon[-1].meta["finalExecutionPrice"])) >= Decimal("161.7")
    assert statuses(happened, "short") == ["waiting", "expired"]
    assert statuses(happened, "at once or never") == ["pending", "routing", "expired"]
    [refused] = [each for each in happened if isinstance(each, RefusedOrder)]
    assert (refused.name, "looks inverted" in refused.reason) == ("inverted", True)
    moments = [each.event.occurred_at if isinstance(each, ReplayEvent) else each.at for each in happened]
    assert moments == sorted(moments)
    # The same file, seed and time: the same replay, ids and signatures included.
    assert told(tmp_path, 600, *orders) == happened
    assert told(tmp_path, 600, *orders, SIMULATED_MARKET_SEED="2") != happened


def test_a_sniper_fires_at_its_launch(tmp_path: Path) -> None:
    happened = told(tmp_path, 600, *snipers(6), SIMULATED_LAUNCH_SECONDS="60")
    fired = [each for each in happened if isinstance(each, ReplayEvent) and "trigger" in each.event.meta]
    assert fired
    skipped = {each.name for each in happened if isinstance(each, ReplayEvent) and "conditions" in each.event.meta}
    assert skipped.isdisjoint(each.name for each in fired)
    for each in fired:
        assert statuses(happened, each.name)[-1] in ("confirmed", "failed")


@pytest.mark.parametrize(
    ("fault", "fires"), [("launch_fork", False), ("launch_decoy", True), ("launch_duplicate", True)]
)
def test_a_sniper_fires_once_at_the_pool_that_was_confirmed(tmp_path: Path, fault: str, fires: bool) -> None:

    environment = {"SIMULATED_LAUNCH_SECONDS": "60", "SIMULATED_FAULTS": f"{fault}=1"}
    happened = told(tmp_path, 480, *snipers(4), **environment)
    fired = [each for each in happened if isinstance(each, ReplayEvent) and "trigger" in each.event.meta]
    assert bool(fired) == fires
    assert len({each.name for each in fired}) == len(fired)
    settings = SimulationSettings.from_environment(environment)
    plan = Simulation(settings, now=lambda: START, sleep=lambda _: None).launches
    for each in fired:
        token = find_token(each.name)
        assert token is not None
        planned = plan.of(token)
        assert planned is not None
        # The decoy came first and promised more; a pool that is told of twice is one.
        seen = list(planned.seen(planned.opens_at + 60))
        assert len(seen) > 1
        trigger = each.event.meta["trigger"]
        assert isinstance(trigger, dict)
        assert trigger["pool"] == seen[-1].launch.pool


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", r"line 2: it is no valid JSON"),
        ("[]", r"line 2: it is no JSON object"),
        ("[" * 100_000, r"line 2: nested too deeply"),
        ('{"side": "sell", "side": "buy"}', r"line 2: it is no valid JSON \(the key 'side' stands twice"),
        ({**LIMIT, "limitPrice": "0", "amount": -1}, r"line 2: amount: .*; limitPrice: "),
        ({**LIMIT, "limitPrice": "170", "at": 60}, r"line 2: at: is not within --from and --to"),
        ({**LIMIT, "limitPrice": "170", "at": "2026-11-26"}, r"line 2: at: it takes a time with its zone"),
        ({**LIMIT, "limitPrice": "170", "at": []}, r"line 2: at: takes a time with its zone, or seconds"),
        ({**LIMIT, "limitPrice": "170", "at": 1e300}, r"line 2: at: "),
        ({**LIMIT, "limitPrice": "170", "at": "NaN"}, r"line 2: at: "),
        ({**LIMIT, "limitPrice": "170", "name": 5}, r"line 2: name: takes 1 to 128"),
        ({**LIMIT, "limitPrice": "170", "name": "line 1"}, r"line 2: name: line 1 is called so already"),
    ],
)
def test_a_line_that_is_no_order_is_named_with_the_reason(tmp_path: Path, line: object, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read(written(tmp_path, SELL, line), START, START + timedelta(seconds=60))


def test_files_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = START + timedelta(seconds=60)
    with pytest.raises(UserError, match="holds no order"):
        read(written(tmp_path, "", " "), START, end)
    (tmp_path / "bytes").write_bytes(b"{}\n\xff")
    with pytest.raises(UserError, match="line 2: it is not UTF-8"):
        read(tmp_path / "bytes", START, end)
    with pytest.raises(UserError, match="is larger than 64 MiB"):
        read(Path("/dev/zero"), START, end)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none", START, end)
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + json.dumps(SELL).encode() + b"\r\n")
    assert len(read(tmp_path / "marked", START, end)) == 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(SELL).encode())))
    assert [wanted.name for wanted in read(Path("-"), START, end)] == ["line 1"]


def test_the_command_prints_lines_for_people_and_json_for_programs(tmp_path: Path) -> None:
    path = str(written(tmp_path, {**LIMIT, "limitPrice": "161.7", "name": "soon"}, {**LIMIT, "limitPrice": "1"}))
    arguments = [path, "--from", "2026-11-26T12:00:00Z", "--to", "10m"]
    shown = invoke(command, *arguments)
    assert shown.exit_code == 0, shown.output
    assert "2 orders: 1 confirmed, 1 refused." in shown.output
    lines = [json.loads(line) for line in invoke(command, *arguments, "--json").output.splitlines()]
    assert [line["status"] for line in lines if line["name"] == "line 2"] == ["refused"]
    assert [line["sequence"] for line in lines if line["name"] == "soon"][:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"--from": "noon"}, "--from takes a time with its zone"),
        ({"--from": "0001-01-01T00:00:00Z"}, "--from takes a time from 2000 to 2100"),
        ({"--to": "noon"}, "--to takes a time with its zone"),
        ({"--to": "2026-11-26T11:00:00Z"}, "--to must be later than --from"),
        ({"--to": "8d"}, "--to is more than 7 days after --from"),
        ({"--seed": "-1"}, "--seed is -1"),
        ({"--volatility": "101"}, "--volatility is 101"),
        ({"--launch-seconds": "5"}, "--launch-seconds is 5"),
        ({"--faults": "rain=1"}, "--faults names 'rain'"),
    ],
)
def test_options_that_cannot_be_meant_are_named(tmp_path: Path, options: Mapping[str, str], why: str) -> None:
    arguments = {"--from": "2026-11-26T12:00:00Z", **options}
    words = [str(written(tmp_path, SELL)), *(word for pair in arguments.items() for word in pair)]
    failed = invoke(command, *words)
    assert isinstance(failed.exception, UserError)
    assert why in str(failed.exception)
