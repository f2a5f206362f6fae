"""The size of a measurement."""

from dataclasses import dataclass

ORDERS, QUICK_ORDERS = 40_000, 4_000
ROUNDS, QUICK_ROUNDS = 5, 3
GROWN_MEGABYTES = 12_000


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of a measurement.

    Attributes:
        orders: Open orders of each comparison that has a table of them.
        rounds: Turns of each contender.
        workers: Processes, and so connections, of each contender.
    """

    orders: int
    rounds: int
    workers: int
    batch_size: int
    is_quick: bool

    def needed_megabytes(self, *, is_growing: bool) -> int:
        """Return the most that the database needs, its log included.

        `is_growing`: also for the millions of orders of the comparison of growth.
        """
        grown = GROWN_MEGABYTES if is_growing and not self.is_quick else 0
        return 500 + self.orders * 8 // 1024 + grown

    @classmethod
    def of(
        cls,
        *,
        orders: int | None,
        rounds: int | None,
        workers: int,
        batch_size: int,
        is_quick: bool,
    ) -> "Size":
        """Return the size that was asked for; what was not, as is usual."""
        return cls(
            orders=orders or (QUICK_ORDERS if is_quick else ORDERS),
            rounds=rounds or (QUICK_ROUNDS if is_quick else ROUNDS),
            workers=workers,
            batch_size=batch_size,
            is_quick=is_quick,
        )
