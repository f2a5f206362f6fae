"""The result of a trial."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TimeSpent:
    """The workers' time, in seconds: waiting for the exchange or the database, and computing.

    A worker waits while it does not compute. It may wait for both at the same time.
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
    """The result of one sweep, with a number of shards and a batch size.

    Attributes:
        orders: Orders that the trials' exchange answered.
        failed: Orders that it did not answer.
        seconds: From when all workers were ready until the last order was done.
        weight: The weight of all requests.
        machine_busy: The busy share of all cores' time, other programs included.
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
        """The request weight of one order."""
        return self.weight / self.orders if self.orders else 0.0

    @property
    def shares(self) -> TimeSpent:
        """The workers' time, as shares of all of it; for the missing share they had no work.

        Time in which a worker waited for both counts twice.
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
        """Return it as in the JSON report."""
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
    """Our share of what the exchange allows: of its limit that allows the fewest requests."""

    weight_per_minute: int
    share: float

    @property
    def weight_per_second(self) -> float:
        """The weight that may be used in a second."""
        return self.weight_per_minute * self.share / 60

    def orders_per_second(self, trial: TrialResult) -> float:
        """Return the rate that it allows, at the trial's weight an order."""
        weight = trial.weight_per_order
        return self.weight_per_second / weight if weight > 0 else float("inf")
