"""What a confirm costs, measured in small by the code that `scripts/bench` measures with."""

from collections.abc import Iterator

import pytest

from reconciler.store.open_index import OPEN_INDEX
from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark.rows import FURTHER_INDEXES, Rows
from scripts.benchmark.steady_state.sweeps import sweep_repeatedly

MOST_LOG_BYTES = 220


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[ScratchDatabase]:
    with open_scratch_database(empty_database_url, needed_megabytes=1) as scratch:
        yield scratch


def test_confirms_are_hot_and_no_index_grows(scratch: ScratchDatabase) -> None:
    rows = Rows(orders=600, symbols=3, changed_share=0)

    found = sweep_repeatedly(scratch, rows, sweeps=10, batch_size=50, on_progress=lambda _: None)

    assert found.hot_share >= 0.98
    assert found.growth == dict.fromkeys(["orders_pkey", OPEN_INDEX, *FURTHER_INDEXES], 0)
    assert found.log_bytes <= MOST_LOG_BYTES
