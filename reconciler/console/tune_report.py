"""A saved report of `reconciler tune --json`, and its curve. Pure, but for the file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

MOST_BYTES = 1_000_000
WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 16, 32


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One trial: the rate that a number of shards and a batch size reached."""

    shards: int
    batch_size: int
    orders_per_second: float
    weight_per_order: float


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The recommended shards and batch size, why, and whether that is enough."""

    shards: int
    batch_size: int
    orders_per_second: float
    limit: str
    reason: str
    keeps_up: bool


class TuneReport(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the report that the console shows. `allowed_per_second` is None for any rate."""

    dry: bool
    open_orders: int
    latency_ms: float
    needed_per_second: float
    allowed_per_second: float | None
    trials: list[Trial]
    advice: Advice

    @property
    def curve(self) -> Sequence[Trial]:
        """The trials with the batch size that was tried with most numbers of shards."""
        sizes = Counter(trial.batch_size for trial in self.trials)
        [(size, _)] = sizes.most_common(1)
        found = (trial for trial in self.trials if trial.batch_size == size)
        return sorted(found, key=lambda trial: trial.shards)


def read_tune_report(file: Path) -> TuneReport:
    """Read a report.

    Raises:
        ValueError: it cannot be read, or is no such report; says why.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES)
        report = msgspec.json.decode(content, type=TuneReport)
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be read") from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    if not report.trials:
        raise ValueError("it has no trial")
    return report


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A trial in the picture: its place, and its trial."""

    x: float
    y: float
    trial: Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """The curve as a picture; `needed_y` is the height of the rate that is needed."""

    dots: Sequence[Dot]
    needed_y: float
    highest: float

    @classmethod
    def of(cls, report: TuneReport) -> "Picture":
        """Place the trials: evenly from left to right, since each has twice the shards."""
        trials = report.curve
        highest = max(*(it.orders_per_second for it in trials), report.needed_per_second, 1.0)
        step = (WIDTH - LEFT - RIGHT) / max(1, len(trials) - 1)

        def height_of(rate: float) -> float:
            return round(HEIGHT - BOTTOM - rate / highest * (HEIGHT - TOP - BOTTOM), 1)

        return cls(
            dots=[
                Dot(x=round(LEFT + step * at, 1), y=height_of(trial.orders_per_second), trial=trial)
                for at, trial in enumerate(trials)
            ],
            needed_y=height_of(report.needed_per_second),
            highest=highest,
        )
