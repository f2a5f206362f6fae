"""A model of larger loads, with constants from the benchmark: pure.

weight of an order   counted: the adapter played against an imagined exchange, page by page and
                     batch by batch as the supervisor hands them out
rate of a core       orders a second end to end, by the cores that everything shared
bytes                of the write-ahead log, our index and the activity log, an order
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from reconciler.exchanges.binance.constants import VENUE
from scripts.benchmark.exchange_cost.sweep_weight import weight_per_order
from scripts.benchmark.footprint.writes import (
    CHANGED_LOG_BYTES,
    CONFIRMED_AGAIN_LOG_BYTES,
    CONFIRMED_LOG_BYTES,
    ENTRY_BYTES,
    TABLE_BYTES,
    USED_INDEX_BYTES,
)

END_TO_END = "reconciler: supervisor and workers"
SECONDS_A_DAY = 86_400
SIZES = tuple(int(digits * 10**zeros) for zeros in range(8) for digits in range(10, 100))
"""All numbers with two digits that count."""

STEPS = (18, 6, 1)


@dataclass(frozen=True, kw_only=True)
class Constants:
    """The cost of one order on the machine that was measured.

    Attributes:
        confirmed_log_bytes: With the whole page that is logged at its first change after a
            checkpoint.
        confirmed_again_log_bytes: Without.
    """

    orders_per_core_second: float
    confirmed_log_bytes: float
    confirmed_again_log_bytes: float
    changed_log_bytes: float
    index_bytes: float
    row_bytes: float
    entry_bytes: float

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Constants":
        """Read them from a report of `scripts/bench --json`.

        Raises:
            KeyError: a figure is not in it; names it.
        """
        medians = {
            figure["name"]: float(figure["median"])
            for comparison in report["comparisons"]
            for figure in comparison["figures"]
        }
        return cls(
            orders_per_core_second=medians[END_TO_END] / report["machine"]["cores"],
            confirmed_log_bytes=medians[CONFIRMED_LOG_BYTES],
            confirmed_again_log_bytes=medians[CONFIRMED_AGAIN_LOG_BYTES],
            changed_log_bytes=medians[CHANGED_LOG_BYTES],
            index_bytes=medians[USED_INDEX_BYTES],
            row_bytes=medians[TABLE_BYTES],
            entry_bytes=medians[ENTRY_BYTES],
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A load: its orders, symbols, and how often each is looked at.

    Attributes:
        ended_share: The share of the orders looked at that turn out to have ended.
        stale_seconds: Each is looked at so often.
        weight_per_minute: What one account may spend.
        checkpoint_seconds: The time between two checkpoints of the server.
    """

    open_orders: int
    symbols: int
    ended_share: float
    batch_size: int = 200
    stale_seconds: float = 300.0
    weight_per_minute: float = VENUE.limits[0].per_minute * 0.5
    checkpoint_seconds: float = 300.0

    @property
    def weight_per_order(self) -> float:
        """The request weight of one look at an order."""
        return weight_per_order(self.open_orders, self.symbols, self.ended_share, self.batch_size)

    @property
    def needed_per_second(self) -> float:
        """Orders a second, to look at each in time."""
        return self.open_orders / self.stale_seconds

    @property
    def needed_weight_per_minute(self) -> float:
        """The weight of that."""
        return self.needed_per_second * 60 * self.weight_per_order

    @property
    def is_affordable(self) -> bool:
        """True if one account's weight suffices."""
        return self.needed_weight_per_minute <= self.weight_per_minute

    @property
    def allowed_per_second(self) -> float:
        """Orders a second that one account's weight suffices for."""
        return self.weight_per_minute / 60 / self.weight_per_order


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The resources that a case needs.

    Attributes:
        budgets: How many accounts' weight it takes; 1.0 is all of one.
        cores: For workers, supervisor and PostgreSQL together.
        log_bytes_a_day: Written to the write-ahead log.
        entry_bytes_a_day: Added to the activity log.
        index_bytes: The index of open orders.
        row_bytes: The open orders' rows.
        drain_seconds: To look at every order once, after an outage, with one account's weight.
        drain_seconds_unlimited: The same with these cores and no limit at the exchange.
    """

    case: Case
    budgets: float
    cores: float
    log_bytes_a_day: float
    entry_bytes_a_day: float
    index_bytes: float
    row_bytes: float
    drain_seconds: float
    drain_seconds_unlimited: float


def expect(case: Case, constants: Constants) -> Expectation:
    """Compute the resources that a case needs."""
    looks_a_day = case.needed_per_second * SECONDS_A_DAY
    changed = looks_a_day * case.ended_share
    whole_pages = min(1.0, case.stale_seconds / case.checkpoint_seconds)
    confirmed_log_bytes = constants.confirmed_again_log_bytes + whole_pages * (
        constants.confirmed_log_bytes - constants.confirmed_again_log_bytes
    )
    cores = case.needed_per_second / constants.orders_per_core_second
    return Expectation(
        case=case,
        budgets=case.needed_weight_per_minute / case.weight_per_minute,
        cores=cores,
        log_bytes_a_day=(
            (looks_a_day - changed) * confirmed_log_bytes + changed * constants.changed_log_bytes
        ),
        entry_bytes_a_day=changed * constants.entry_bytes,
        index_bytes=case.open_orders * constants.index_bytes,
        row_bytes=case.open_orders * constants.row_bytes,
        drain_seconds=case.open_orders / case.allowed_per_second,
        drain_seconds_unlimited=(
            case.open_orders / (max(1.0, cores) * constants.orders_per_core_second)
        ),
    )


def most_orders(
    *, symbols: int, ended_share: float, batch_size: int, stale_seconds: float = 300.0
) -> Case:
    """Return the most open orders up to which one account's weight suffices, two digits of them.

    The weight does not grow evenly with the orders: a larger page can need fewer lists for each. So
    numbers of every size up to the result are tried, five to a power of ten, and all fit. The next
    number does not fit; larger ones may fit again.
    """

    def case_of(orders: int) -> Case:
        return Case(
            open_orders=orders,
            symbols=symbols,
            ended_share=ended_share,
            batch_size=batch_size,
            stale_seconds=stale_seconds,
        )

    return case_of(last_before_excess(lambda orders: case_of(orders).is_affordable))


def last_before_excess(fits: Callable[[int], bool]) -> int:
    """Return the last number before the first that does not fit; the least if none fits."""
    place, end = 0, len(SIZES)
    for step in STEPS:
        fitting = takewhile(lambda at: fits(SIZES[at]), range(place, end, step))
        place = max(fitting, default=place)
        end = min(end, place + step)
    return SIZES[place]
