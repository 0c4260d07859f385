"""Evidence of a market order that was accepted, executed and confirmed, of which tests break one promise each."""

from collections.abc import Sequence
from dataclasses import replace

from localstack.chaos.audit import audit
from localstack.chaos.records import ChainRecord, EventRecord, Evidence, Frame, OrderRecord
from localstack.chaos.violations import Kind

ID = "ord_1"
STATUSES = ("pending", "routing", "building", "submitted", "confirmed")
NOTHING = Evidence(frozenset(), (), (), (), (), ())


def an_order(order_id: str = ID, status: str = "confirmed", **changes: object) -> OrderRecord:
    """Its fill is 10 for 20."""
    signature, given, got = (f"sig-{order_id}", 10, 20) if status == "confirmed" else (None, None, None)
    whole = OrderRecord(order_id, status, 1, 5, signature, given, got, None, None, 100.0, 104.0)
    return replace(whole, **changes)  # type: ignore[arg-type]


def some_events(
    statuses: Sequence[str] = STATUSES, order_id: str = ID, since: float = 100.0, attempt: int = 1
) -> tuple[EventRecord, ...]:
    """One a second, the first a second after `since`."""
    return tuple(
        EventRecord(order_id, number, status, attempt, f"Event {number}.", since + number)
        for number, status in enumerate(statuses, 1)
    )


def a_settlement(signature: str = "", order_id: str = ID, **changes: object) -> ChainRecord:
    whole = ChainRecord(signature or f"sig-{order_id}", order_id, 1, "settles", 1, 10, 20, 103.0, 103.5)
    return replace(whole, **changes)  # type: ignore[arg-type]


def some_frames(*sequences: int, at: float = 100.0) -> list[Frame]:
    """One a second, from then on."""
    return [Frame(number, STATUSES[number - 1], 1, at + place) for place, number in enumerate(sequences)]


def some_evidence(**changes: object) -> Evidence:
    """Nobody followed the order."""
    clean = Evidence(frozenset({ID}), (an_order(),), some_events(), (a_settlement(),), (), ())
    return replace(clean, **changes)  # type: ignore[arg-type]


def kinds(given: Evidence) -> set[Kind]:
    """What is wrong with it; each is told in a sentence."""
    found = audit(given)
    assert all(violation.detail.endswith(".") for violation in found)
    return {violation.kind for violation in found}
