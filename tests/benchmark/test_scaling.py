import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.workload import Chunk
from scripts.benchmark.exchange_cost.sweep_weight import batch_shapes, page_of
from scripts.benchmark.footprint.writes import (
    CHANGED_LOG_BYTES,
    CONFIRMED_AGAIN_LOG_BYTES,
    CONFIRMED_LOG_BYTES,
    ENTRY_BYTES,
    TABLE_BYTES,
    USED_INDEX_BYTES,
)
from scripts.benchmark.scaling import (
    END_TO_END,
    Case,
    Constants,
    expect,
    last_before_excess,
    most_orders,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "scaling.md"
MEASURED = ROOT / "docs" / "benchmarks" / "scaling.json"
CONSTANTS = Constants(
    orders_per_core_second=1000,
    confirmed_log_bytes=500,
    confirmed_again_log_bytes=100,
    changed_log_bytes=1500,
    index_bytes=50,
    row_bytes=150,
    entry_bytes=600,
)
MEDIANS = {
    END_TO_END: 4000,
    CONFIRMED_LOG_BYTES: 500,
    CONFIRMED_AGAIN_LOG_BYTES: 100,
    CHANGED_LOG_BYTES: 1500,
    USED_INDEX_BYTES: 50,
    TABLE_BYTES: 150,
    ENTRY_BYTES: 600,
}


def a_report(**medians: float) -> dict[str, Any]:
    figures = [{"name": name, "median": median} for name, median in medians.items()]
    return {"machine": {"cores": 4}, "comparisons": [{"figures": figures}]}


def a_case(
    *,
    open_orders: int = 300_000,
    symbols: int = 10,
    ended_share: float = 0.0,
    batch_size: int = 200,
) -> Case:
    return Case(
        open_orders=open_orders, symbols=symbols, ended_share=ended_share, batch_size=batch_size
    )


def test_the_constants_are_the_benchmarks_figures() -> None:
    assert Constants.of(a_report(**MEDIANS)) == CONSTANTS


def test_a_report_that_lacks_a_figure_says_which() -> None:
    medians = {name: median for name, median in MEDIANS.items() if name != ENTRY_BYTES}

    with pytest.raises(KeyError, match=ENTRY_BYTES):
        Constants.of(a_report(**medians))


@pytest.mark.parametrize(
    ("orders", "symbols", "batch_size", "batches"),
    [
        pytest.param(20_000, 10, 200, [(2000, 1, 10.0)], id="a long symbol in each"),
        pytest.param(17_000, 2, 200, [(5000, 1, 2.0), (3500, 1, 2.0)], id="and what is left"),
        pytest.param(2000, 100, 200, [(20, 10, 10.0)], id="several symbols in a batch"),
        pytest.param(50, 100, 200, [(1, 50, 1.0)], id="fewer orders than symbols"),
    ],
)
def test_a_page_is_handed_out_as_the_supervisor_does(
    orders: int, symbols: int, batch_size: int, batches: list[tuple[int, int, float]]
) -> None:
    assert list(batch_shapes(orders, symbols, batch_size)) == batches


@pytest.mark.parametrize(
    ("orders", "symbols", "page"),
    [
        pytest.param(15_000, 300, (15_000, 300), id="all of a small backlog"),
        pytest.param(300_000, 300, (17_000, 17), id="whole symbols, with room for more"),
        pytest.param(300_000, 10, (20_000, 1), id="a part of a long symbol"),
    ],
)
def test_a_page_has_whole_symbols(orders: int, symbols: int, page: tuple[int, int]) -> None:
    assert page_of(orders, symbols) == page


@dataclass(frozen=True)
class _Item:
    id: int


def test_batches_are_those_of_the_dispatcher() -> None:
    dispatcher = Dispatcher(1, batch_size=200)
    chunks = [
        Chunk(key=f"SYM{symbol}", items=tuple(map(_Item, range(length))), cost=0)
        for symbol in range(3)
        for length in (1000, 1000, 500)
    ]
    dispatcher.add(chunks, cycle=0)

    sizes = []
    while (batch := dispatcher.next_batch(0)) is not None:
        sizes.append(batch.size)
        dispatcher.done(0, batch.number)

    ((each, together, count),) = batch_shapes(7500, 3, 200)
    assert sizes == [each * together] * round(count)


@pytest.mark.parametrize(
    ("case", "weight_per_thousand"),
    [
        pytest.param(a_case(), 1.2, id="one list for 5,000 orders of a symbol"),
        pytest.param(
            a_case(open_orders=20_000, symbols=20_000), 400, id="the list of all for each batch"
        ),
        pytest.param(
            a_case(open_orders=20_000, symbols=20_000, batch_size=1000),
            80,
            id="for each larger batch",
        ),
        pytest.param(a_case(ended_share=1.0), 20, id="a page of history for 1,000 ended ones"),
        pytest.param(a_case(open_orders=1, symbols=1), 4000, id="one order by name"),
    ],
)
def test_an_order_weighs_what_one_finds_by_hand(case: Case, weight_per_thousand: float) -> None:
    assert case.weight_per_order * 1000 == pytest.approx(weight_per_thousand)


def test_an_expectation_is_what_one_computes_by_hand() -> None:
    found = expect(a_case(), CONSTANTS)

    assert found.case.needed_per_second == 1000
    assert found.budgets == pytest.approx(1000 * 60 * 0.0012 / 3000)
    assert found.cores == 1
    assert found.log_bytes_a_day == 1000 * 86_400 * 500
    assert found.entry_bytes_a_day == 0
    assert (found.index_bytes, found.row_bytes) == (15_000_000, 45_000_000)
    assert found.drain_seconds == pytest.approx(300_000 * 0.0012 / 50)
    assert found.drain_seconds_unlimited == 300


def test_whole_pages_are_logged_once_a_checkpoint() -> None:
    rarely = replace(a_case(), checkpoint_seconds=1200)

    assert expect(rarely, CONSTANTS).log_bytes_a_day == 1000 * 86_400 * (100 + 400 / 4)


def test_with_less_than_a_core_to_do_a_whole_one_drains_the_backlog() -> None:
    found = expect(a_case(open_orders=30_000), CONSTANTS)

    assert found.cores == 0.1
    assert found.drain_seconds_unlimited == 30


@pytest.mark.parametrize(
    ("symbols", "ended_share"),
    [
        pytest.param(10, 0.003, id="more than a page"),
        pytest.param(1000, 0.2, id="less than a page"),
    ],
)
def test_the_most_orders_just_fit_into_one_accounts_weight(
    symbols: int, ended_share: float
) -> None:
    most = most_orders(symbols=symbols, ended_share=ended_share, batch_size=200)

    more = replace(most, open_orders=round(most.open_orders * 1.1))
    assert (most.is_affordable, more.is_affordable) == (True, False)


def test_the_most_orders_are_found_before_a_gap_even_if_larger_numbers_fit_again() -> None:
    assert last_before_excess(lambda orders: not 4_100 <= orders < 9_000_000) == 4_000


def test_each_row_of_the_weight_table_is_of_one_number_of_orders() -> None:
    _, _, after = PAGE.read_text("utf-8").partition("made by scripts/scaling: weight -->")
    _, _, *rows = after.partition("<!-- end -->")[0].strip().splitlines()
    rate = Constants.of(json.loads(MEASURED.read_text("utf-8"))).orders_per_core_second

    for row in rows:
        _, _, most, _, weight, _, cores = (cell.strip() for cell in row.strip("|").split("|"))
        looks_a_second = int(most.replace(",", "")) / 300
        assert float(cores) == pytest.approx(looks_a_second / rate, rel=0.06)
        assert looks_a_second * 60 * int(weight.replace(",", "")) / 1000 <= 3000 * 1.05


def test_the_tables_in_the_document_are_what_was_measured() -> None:
    checked = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(ROOT / "scripts" / "scaling"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
