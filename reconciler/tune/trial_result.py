"""What a trial has shown."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimeSpent:
    """Where workers' time went, in seconds, added up over all of them.

    Waiting is time in which the worker itself computed nothing. It may wait for both the exchange
    and the database.
    """

    exchange: float = 0.0
    database: float = 0.0
    computing: float = 0.0

    def __add__(self, other: "TimeSpent") -> "TimeSpent":
        return TimeSpent(
            exchange=self.exchange + other.exchange,
            database=self.database + other.database,
            computing=self.computing + other.computing,
        )


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One sweep, with a number of shards and a batch size.

    Attributes:
        orders: Orders that were answered for.
        failed: Orders that the trials' exchange gave no answer for.
        seconds: From when all workers were ready until the last order was done.
        weight: What the requests weighed.
        machine_busy: The share of all cores' time in which they were busy, whoever kept them so.
        exchange_busy: The share of one core's time that the trials' own exchange took.
    """

    shards: int
    batch_size: int
    orders: int
    seconds: float
    weight: int
    requests: int
    spent: TimeSpent
    machine_busy: float
    exchange_busy: float
    failed: int = 0

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds if self.seconds > 0 else 0.0

    @property
    def weight_per_order(self) -> float:
        """What it costs at the exchange to look at an order."""
        return self.weight / self.orders if self.orders else 0.0

    @property
    def shares(self) -> TimeSpent:
        """Where the workers' time went, as shares of all of it; what is missing, they had no work.

        What a worker waited for both counts twice.
        """
        whole = self.shards * self.seconds
        if whole <= 0:
            return TimeSpent()
        return TimeSpent(
            exchange=self.spent.exchange / whole,
            database=self.spent.database / whole,
            computing=self.spent.computing / whole,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as the report shows it."""
        shares = self.shares
        return {
            "shards": self.shards,
            "batch_size": self.batch_size,
            "orders": self.orders,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "orders_per_second": round(self.rate, 1),
            "requests": self.requests,
            "weight": self.weight,
            "weight_per_order": round(self.weight_per_order, 5),
            "waits_for_exchange": round(shares.exchange, 3),
            "waits_for_database": round(shares.database, 3),
            "computes": round(shares.computing, 3),
            "machine_busy": round(self.machine_busy, 3),
            "trial_exchange_busy": round(self.exchange_busy, 3),
        }


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What of the exchange's limit is ours: `share` of the weight of a minute."""

    weight_per_minute: int
    share: float

    @property
    def weight_per_second(self) -> float:
        """How much may be spent."""
        return self.weight_per_minute * self.share / 60

    def orders_per_second(self, trial: TrialResult) -> float:
        """Return what it allows at the trial's weight an order."""
        weight = trial.weight_per_order
        return self.weight_per_second / weight if weight > 0 else float("inf")
