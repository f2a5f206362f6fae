from collections import Counter

import pytest

from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.sharding import BUCKETS, assign_buckets, bucket_of, moved_buckets

COUNTS = range(1, MAX_SHARDS + 1)


@pytest.mark.parametrize("shards", COUNTS)
def test_shares_differ_by_at_most_one_bucket(shards: int) -> None:
    shares = Counter(assign_buckets(shards))

    assert sorted(shares) == list(range(shards))
    assert max(shares.values()) - min(shares.values()) <= 1
    assert shares.total() == BUCKETS


@pytest.mark.parametrize("shards", COUNTS[:-1])
def test_one_shard_more_moves_only_what_the_new_one_gets(shards: int) -> None:
    before, after = assign_buckets(shards), assign_buckets(shards + 1)

    moved_to = [new for old, new in zip(before, after, strict=True) if old != new]

    assert moved_to == [shards] * (BUCKETS // (shards + 1))
    assert moved_buckets(shards, shards + 1) == len(moved_to)


def test_from_eight_shards_to_nine_few_buckets_move() -> None:
    assert moved_buckets(8, 9) / BUCKETS <= 0.12


def test_removing_a_shard_undoes_its_addition() -> None:
    assert moved_buckets(9, 8) == moved_buckets(8, 9)
    assert moved_buckets(8, 8) == 0


# Written down: a changed hash would let two hosts of different versions work on one symbol.
@pytest.mark.parametrize(
    ("symbol", "bucket"),
    [
        ("BTCUSDT", 141),
        ("ETHUSDT", 222),
        ("BTC-USDT", 122),
        ("XBT/EUR", 197),
        ("", 161),
        ("ÄÖ", 177),
    ],
)
def test_a_symbol_has_the_same_bucket_everywhere(symbol: str, bucket: int) -> None:
    assert bucket_of(symbol) == bucket


def test_symbols_spread_evenly_over_the_buckets() -> None:
    sizes = Counter(bucket_of(f"COIN{number}USDT") for number in range(BUCKETS * 40))

    assert len(sizes) == BUCKETS
    assert max(sizes.values()) < 2 * 40
