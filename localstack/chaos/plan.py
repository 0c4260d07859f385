"""Which faults strike when: the same for the same seed. What they hit depends on how the run goes."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chalicelib.domain.quotes import VENUES

QUOTE_POINTS: Final = tuple(f"after_quote_{venue}" for venue in VENUES)
CRASH_POINTS: Final = (
    "after_claim",
    *QUOTE_POINTS,
    "after_route",
    "after_signature",
    "after_submit",
    "after_commit_routing",
    "after_commit_building",
    "after_commit_submitted",
    "after_commit_confirmed",
    "after_commit_failed",
    "before_confirmed",
    "after_post",
    "after_follower_stored",
)
# The API's, between the commit and the first message.
API_CRASH_POINTS: Final = ("after_placed",)
# Those of orders that rest: the watcher's, and the worker's that sends one back to rest.
RESTING_CRASH_POINTS: Final = ("after_crossing", "after_fire_commit", "after_fire_send", "after_rest_commit")
ALL_CRASH_POINTS: Final = CRASH_POINTS + RESTING_CRASH_POINTS + API_CRASH_POINTS
FUNCTIONS: Final = (
    "ApiFunction",
    "ExecuteOrdersFunction",
    "PushStatusFunction",
    "WebsocketConnectFunction",
    "ReconcileFunction",
    "WatchFunction",
    "DeadLetterFunction",
)


class FaultKind(StrEnum):
    """What can be done to the stack."""

    CRASH = "crash point"
    KILL = "kill -9"
    FREEZE = "freeze"
    DUPLICATES = "duplicates"
    CANCEL = "cancel"
    AMEND = "amend"
    DEAD_LETTER = "dead letter"
    RECONCILERS = "reconcilers"
    THROTTLING = "throttling"
    POSTGRES = "postgres restart"
    EMULATOR = "emulator restart"


# How often each happens in comparison. Freezing a worker makes a zombie: it wakes up after its lease was taken over.
WEIGHTS: Mapping[FaultKind, int] = {
    FaultKind.CRASH: 30,
    FaultKind.KILL: 14,
    FaultKind.FREEZE: 8,
    FaultKind.DUPLICATES: 20,
    FaultKind.CANCEL: 6,
    FaultKind.AMEND: 6,
    FaultKind.DEAD_LETTER: 5,
    FaultKind.RECONCILERS: 6,
    FaultKind.THROTTLING: 5,
    FaultKind.POSTGRES: 3,
    FaultKind.EMULATOR: 1,
}


@dataclass(frozen=True)
class PlannedFault:
    """One fault, so many seconds after the start. `name` is a crash point or a function, `size` a number or seconds."""

    at: float
    kind: FaultKind
    name: str = ""
    size: float = 0.0
    pick: float = 0.0

    def __str__(self) -> str:
        details = " ".join(filter(None, (self.name, f"{self.size:.1f}" if self.size else "")))
        return f"{self.kind} {details}".strip()


def plan(seed: int, seconds: float, interval: float) -> tuple[PlannedFault, ...]:
    """Faults on average every `interval` seconds."""
    chance = random.Random(f"faults:{seed}")
    faults: list[PlannedFault] = []
    moment = chance.expovariate(1 / interval)
    while moment < seconds:
        faults.append(_planned_fault(chance, moment))
        moment += chance.expovariate(1 / interval)
    return tuple(faults)


def _planned_fault(chance: random.Random, moment: float) -> PlannedFault:
    kind = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    pick = chance.random()
    name, size = "", 0.0
    match kind:
        case FaultKind.CRASH:
            name = chance.choice(ALL_CRASH_POINTS)
        case FaultKind.KILL:
            name = chance.choice(FUNCTIONS)
        case FaultKind.FREEZE:
            name, size = chance.choice(FUNCTIONS), chance.choice((2.0, 7.0, 19.0))
        case FaultKind.DUPLICATES | FaultKind.RECONCILERS:
            size = chance.randint(2, 5)
        case FaultKind.THROTTLING:
            size = chance.uniform(4, 12)
        case FaultKind.AMEND:
            size = round(chance.uniform(0.997, 1.003), 4)
        case FaultKind.POSTGRES:
            size = chance.choice((0.0, 1.0, 4.0, 9.0))
        case _:
            pass
    return PlannedFault(moment, kind, name, size, pick)
