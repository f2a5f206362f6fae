"""The shard of a symbol: symbol -> bucket -> shard. Pure, and the same on every host.

Each symbol belongs to one of 256 buckets, and each bucket to a shard. A change of the shard count
moves whole buckets, and as few as possible: from 8 shards to 9, 28 of 256.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2s
from itertools import count

from reconciler.formatting import percent

BUCKETS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """The buckets that a change of the number of shards moves."""

    before: int
    after: int
    buckets_moved: int
    buckets: int

    @classmethod
    def between(cls, before: int, after: int) -> "Scaling":
        """Return the buckets that a change of the number of shards moves."""
        moved = moved_buckets(before, after)
        return cls(before=before, after=after, buckets_moved=moved, buckets=BUCKETS)

    @property
    def shares(self) -> Sequence[tuple[int, int, int]]:
        """Each shard with its number of buckets before and after."""
        before, after = assign_buckets(self.before), assign_buckets(self.after)
        shards = range(max(self.before, self.after))
        return [(shard, before.count(shard), after.count(shard)) for shard in shards]

    @property
    def description(self) -> str:
        """What moves, in a sentence without its end."""
        if self.before == self.after:
            return f"{_shard_count(self.before)} already: nothing moves"
        return (
            f"from {self.before} to {_shard_count(self.after)}: {self.buckets_moved} of"
            f" {self.buckets} buckets move ({percent(self.buckets_moved / self.buckets)})"
        )


def bucket_of(key: str) -> int:
    """Return the bucket of a symbol. Unlike `hash`, it is the same in every process."""
    return blake2s(key.encode(), digest_size=1).digest()[0]


@lru_cache(maxsize=128)
def assign_buckets(shards: int) -> tuple[int, ...]:
    """Return the shard (0-based) of each bucket. Shares differ by at most one bucket.

    The table for n + 1 shards is the table for n, in which the new shard has taken one bucket after
    another from the shard with the most. So growing moves only the buckets that the new shard gets,
    and shrinking only those that the last shard had.
    """
    table = [0] * BUCKETS
    for new in range(1, shards):
        shares = [table.count(shard) for shard in range(new)]
        for _ in range(BUCKETS // (new + 1)):
            largest = max(range(new), key=shares.__getitem__)
            table[_last_bucket_of(largest, table)] = new
            shares[largest] -= 1
    return tuple(table)


def assign_without(shards: int, absent: Collection[int]) -> tuple[int, ...]:
    """Return the shard of each bucket while some shards are out of service.

    Only the buckets of absent shards move, each to the shard with the fewest. At least one shard
    must be left.
    """
    table = list(assign_buckets(shards))
    shares = {shard: table.count(shard) for shard in range(shards) if shard not in absent}
    for bucket, shard in enumerate(table):
        if shard in absent:
            table[bucket] = min(shares, key=shares.__getitem__)
            shares[table[bucket]] += 1
    return tuple(table)


def moved_buckets(before: int, after: int) -> int:
    """Count the buckets that change their shard when the number of shards changes."""
    pairs = zip(assign_buckets(before), assign_buckets(after), strict=True)
    return sum(old != new for old, new in pairs)


def _shard_count(shards: int) -> str:
    return f"{shards} shard" if shards == 1 else f"{shards} shards"


def _last_bucket_of(shard: int, table: list[int]) -> int:
    return next(bucket for bucket in count(BUCKETS - 1, -1) if table[bucket] == shard)
