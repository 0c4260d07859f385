"""Percentiles of all samples: nothing is sampled, put into classes or averaged first."""

import math
from collections.abc import Sequence


def percentile(samples: Sequence[float], rank: float) -> float:
    """The smallest sample that at least `rank` per cent of all do not exceed (nearest rank). Raises on no samples."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(len(ordered) * rank / 100), 1) - 1]
