"""What a confirm costs, measured in small by the code that `scripts/bench` measures with."""

from collections.abc import Iterator

import pytest

from reconciler.store.open_index import OPEN_INDEX
from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark.rows import FURTHER_INDEXES, Rows
from scripts.benchmark.steady_state.sweeps import sweep_repeatedly


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[ScratchDatabase]:
    with open_scratch_database(empty_database_url, needed_megabytes=1) as scratch:
        yield scratch


@pytest.mark.parametrize(
    ("with_side_table", "most_log_bytes"), [(False, 220), (True, 150)], ids=["column", "side table"]
)
def test_confirms_are_hot_and_no_index_grows(
    scratch: ScratchDatabase, *, with_side_table: bool, most_log_bytes: int
) -> None:
    rows = Rows(orders=600, symbols=3, changed_share=0)
    indexes = ["orders_pkey", OPEN_INDEX, *FURTHER_INDEXES]
    if with_side_table:
        indexes.append("reconciliation_sync_pkey")

    found = sweep_repeatedly(
        scratch,
        rows,
        sweeps=10,
        batch_size=50,
        on_progress=lambda _: None,
        with_side_table=with_side_table,
    )

    assert found.hot_share >= 0.98
    assert found.growth == dict.fromkeys(indexes, 0)
    assert found.log_bytes <= most_log_bytes
