"""What a run of the bench found, as it is written down, read again and compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localstack.errors import UserError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Value:
    """A figure of a row as it was measured."""

    name: str
    unit: str
    better: str  # "≤" or "≥": which way it gets better
    target: float | None
    value: float | None

    @property
    def reached(self) -> bool | None:
        """Whether it is as good as it is to be; None where there is nothing to reach or nothing was measured."""
        if self.target is None or self.value is None:
            return None
        return self.value <= self.target if self.better == "≤" else self.value >= self.target


@dataclass(frozen=True, slots=True)
class Run:
    """One row, measured at one server with so many orders in its history. Samples are milliseconds, moments seconds."""

    row: str
    title: str
    server: str
    history: int
    values: tuple[Value, ...]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    moments: Mapping[str, Sequence[float]] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)  # milliseconds on average in each status
    processor: Mapping[str, float] = field(default_factory=dict)  # milliseconds an order by process
    items: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # USD per million by case and item
    ends: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0  # handshakes that were tried again

    @property
    def key(self) -> tuple[str, str, int]:
        """What the same run of another day has, too."""
        return self.row, self.server, self.history


@dataclass(frozen=True, slots=True)
class Results:
    """All runs of one call of the bench, and where they were made. `seed` is that of the orders."""

    at: str
    commit: str
    machine: Mapping[str, str]
    seed: int
    scale: float
    runs: tuple[Run, ...]

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """What `write` wrote. Raises UserError where it did not."""
        try:
            found = json.loads(path.read_text())
            if found.pop("format") != FORMAT:
                raise UserError(f"{path} was written by another version of the bench.")
            runs = tuple(
                Run(**{**run, "values": tuple(Value(**value) for value in run["values"])}) for run in found.pop("runs")
            )
            return cls(**found, runs=runs)
        except FileNotFoundError as error:
            raise UserError(f"There is no file {path}: ./dev bench --json {path} writes one.") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path} is no result of ./dev bench --json.") from error

    def before(self, run: Run) -> Run | None:
        """The run of these that the other one is to be compared with."""
        return next((each for each in self.runs if each.key == run.key), None)


def value_of(run: Run | None, name: str) -> float | None:
    """The run's figure of that name."""
    return next((each.value for each in run.values if each.name == name), None) if run else None
