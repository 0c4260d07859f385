"""The audit of orders that rest must be able to fail: every promise is broken here once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from localstack.chaos.audit import longest_silence
from localstack.chaos.records import ChainRecord, EventRecord, Evidence, Market, OrderRecord, Outage, Pool
from localstack.chaos.resting_audit import counts
from localstack.chaos.violations import Kind
from tests.unit.chaos.evidence import ID, kinds

START = 1_000
STATUSES = ("waiting", "pending", "routing", "building", "submitted", "confirmed")


def order(status: str = "confirmed", **changes: object) -> OrderRecord:
    """Sells 10 SOL at 170 USDC or better, and got 170.2; it rested for 10 s."""
    done = status == "confirmed"
    whole = OrderRecord(
        ID,
        status,
        1,
        6 if done else 1,
        "sig" if done else None,
        10_000_000_000 if done else None,
        1_702_000_000 if done else None,
        None,
        None,
        START,
        START + 20,
        order_type="limit",
        input_token="SOL",
        output_token="USDC",
        amount=10_000_000_000,
        limit_price=Decimal(170),
        time_in_force="gtc",
        expires_at=START + 60,
        fires=1 if done else 0,
        last_valid_height=int((START + 12) / 0.4) + 15,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def trigger(second: int, **changes: object) -> dict[str, object]:
    at = datetime.fromtimestamp(second, UTC).isoformat()
    return {"trigger": {"kind": "price", "at": at, "price": "170.1", "fires": 1, **changes}}


def events(
    statuses: Sequence[str] = STATUSES, at: Sequence[float] = (), meta: dict[int, dict[str, object]] | None = None
) -> tuple[EventRecord, ...]:
    """Ten seconds after the first, a second apart, where nothing else is said."""
    moments = at or [START, *(START + 9 + number for number in range(1, len(statuses)))]
    metas = {2: trigger(START + 10)} if meta is None else meta
    return tuple(
        EventRecord(ID, number, status, 1, "", float(moment), metas.get(number, {}))
        for number, (status, moment) in enumerate(zip(statuses, moments, strict=True), start=1)
    )


def evidence(**changes: object) -> Evidence:
    clean = Evidence(
        accepted=frozenset({ID}),
        orders=(order(),),
        events=events(),
        chain=(ChainRecord("sig", ID, 1, "settles", 1, 10_000_000_000, 1_702_000_000, START + 13, START + 14),),
        dead_letters=(),
        transcripts=(),
        market=Market(paid={ID: frozenset({START + 10, START + 11})}),
        lifetime_blocks=15,
    )
    return replace(clean, **changes)  # type: ignore[arg-type]


EXPIRED = {
    "orders": (order("expired", sequence=2, last_valid_height=None, updated_at=START + 60.2),),
    "events": events(("waiting", "expired"), (START, START + 60.2), {}),
    "chain": (),
}


def expired_after(seconds: float) -> Evidence:
    """An order that expires after 60 s and did so then."""
    return evidence(**{**EXPIRED, "events": events(("waiting", "expired"), (START, START + seconds), {})})


PAID_LONG = Market(paid={ID: frozenset(range(START + 5, START + 50))})
POOL = Pool("LNCH-7", START + 5.0, START + 9.0)
SNIPER = order(order_type="sniper", output_token="LNCH-7", limit_price=None)
SNIPED = {
    "orders": (SNIPER,),
    "events": events(meta={2: trigger(START + 10, kind="launch", pool="pool_1")}),
    "market": Market(pools={"pool_1": POOL}),
}
RESTED_AGAIN = ("waiting", "pending", "routing", "waiting", "pending", "routing", "building", "submitted", "confirmed")


def rested_again(seconds: int) -> Evidence:
    """It fired, missed, and rested again for so long at a price that was paid all the time."""
    second = START + 12 + seconds
    at = (START, START + 10, START + 11, START + 12, second, *(second + number for number in range(1, 5)))
    return evidence(
        orders=(order(fires=2, sequence=9, updated_at=second + 5, expires_at=START + 600),),
        events=events(RESTED_AGAIN, at, {2: trigger(START + 10), 5: trigger(second)}),
        market=Market(paid={ID: frozenset({START + 10, *range(START + 12, second + 1)})}),
    )


@pytest.mark.parametrize(
    "clean",
    [
        evidence(),
        evidence(**EXPIRED),
        evidence(**SNIPED),
        # The pause after a miss is no time in which it could have fired.
        rested_again(2 + 28),
        evidence(**{**EXPIRED, "market": PAID_LONG, "outages": (Outage(START + 20, START + 40),)}),
        # Met when it was placed: fired without the watcher.
        evidence(orders=(order(sequence=5),), events=events(STATUSES[1:], meta={})),
    ],
    ids=["fired", "expired", "sniped", "paused", "the watcher was away", "at once"],
)
def test_a_clean_run_passes(clean: Evidence) -> None:
    assert kinds(clean) == set()


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (
            evidence(
                orders=(order(amount_out=1_699_999_999),),
                chain=(replace(evidence().chain[0], amount_out=1_699_999_999),),
            ),
            Kind.PAST_LIMIT,
        ),
        (evidence(orders=(order(fires=2),)), Kind.FIRED_TWICE),
        (evidence(events=events(meta={2: trigger(START + 9)})), Kind.FIRED_WRONGLY),
        (evidence(**{**SNIPED, "market": Market()}), Kind.FIRED_WRONGLY),
        (evidence(**{**SNIPED, "market": Market(pools={"pool_1": replace(POOL, token="LNCH-8")})}), Kind.FIRED_WRONGLY),
        (
            evidence(**{**SNIPED, "market": Market(pools={"pool_1": replace(POOL, opens_at=START + 11.0)})}),
            Kind.FIRED_WRONGLY,
        ),
        (
            evidence(**{**SNIPED, "market": Market(pools={"pool_1": replace(POOL, confirmed_at=START - 6.0)})}),
            Kind.FIRED_WRONGLY,
        ),
        (evidence(**{**EXPIRED, "market": PAID_LONG}), Kind.NOT_FIRED),
        (rested_again(2 + 40), Kind.NOT_FIRED),
        (expired_after(59), Kind.EXPIRED_WRONGLY),
        (expired_after(92), Kind.EXPIRED_WRONGLY),
        (evidence(orders=(order(expires_at=START + 11),)), Kind.SIGNED_LATE),
        (evidence(orders=(order(order_type="market", limit_price=None),)), Kind.HISTORY_ILLEGAL),
        (evidence(**{**EXPIRED, "chain": evidence().chain}), Kind.SETTLED_BUT_FAILED),
        (evidence(orders=(order("waiting"),), events=events(("waiting",), meta={}), chain=()), Kind.STUCK),
    ],
)
def test_each_broken_promise_is_found(broken: Evidence, kind: Kind) -> None:
    assert kind in kinds(broken)


def test_what_rested_is_counted_and_resting_is_no_silence() -> None:
    assert counts(rested_again(30)) == {"limit": 1, "sniper": 0, "fired": 2, "rested again": 0, "amended": 0}
    assert longest_silence(rested_again(30)) == 1.0
