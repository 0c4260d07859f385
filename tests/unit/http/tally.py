"""How many requests the fuzzers sent, and what they were answered."""

from collections import Counter

ANSWERS: Counter[str] = Counter()


def count(kind: str, outcome: object) -> None:
    """One more request of this kind with this outcome."""
    ANSWERS[f"{kind} {outcome}"] += 1


def summary() -> str:
    """One line: the number of requests, and how often each outcome was seen."""
    seen = ", ".join(f"{name}: {number}" for name, number in sorted(ANSWERS.items()))
    return f"{ANSWERS.total()} generated requests ({seen})"
