"""Chunks reach a worker as they were: values in one piece, other items as they are pickled."""

import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.status import Status
from reconciler.domain.value import Value
from reconciler.store.stale_order import StaleOrder
from reconciler.workload import Chunk


def without_fold(time: datetime) -> datetime:
    """Return a time in UTC, where no hour comes twice."""
    return time.replace(fold=0)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ORDERS = st.builds(
    StaleOrder,
    id=st.integers(-(2**63), 2**63 - 1) | st.uuids(),
    symbol=TEXTS,
    external_order_id=TEXTS,
    status=st.sampled_from(Status),
    executed_qty=st.decimals().map(lambda number: number or Decimal(0)),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)).map(without_fold),
    avg_price=st.none() | st.decimals(),
    qty=st.none() | TEXTS,
    side=st.none() | TEXTS,
    client_order_id=st.none() | TEXTS,
)


@dataclass(frozen=True)
class Item:
    """An item of a workload that makes no values."""

    id: int


class OtherValue(Value):
    """A value of another class than the orders."""

    id: int
    symbol: str


def sent(chunk: Chunk) -> Chunk:
    """Return the chunk as it reaches another process."""
    arrived = pickle.loads(pickle.dumps(chunk))  # noqa: S301 - pickled a moment ago
    assert isinstance(arrived, Chunk)
    return arrived


@given(st.lists(ORDERS, max_size=5))
def test_orders_reach_a_worker_as_they_were(orders: list[StaleOrder]) -> None:
    chunk = Chunk(
        key="BTCUSDT",
        items=tuple(orders),
        cost=20,
        crashes=1,
        crashed_in=frozenset({0, 3}),
        is_second_try=True,
    )

    arrived = sent(chunk)

    # By their text: NaN equals nothing, and numbers that are equal may have other digits.
    assert repr(arrived) == repr(chunk)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param((), id="none"),
        pytest.param((Item(1), Item(2)), id="other items"),
        pytest.param((OtherValue(id=1, symbol="BTC"),), id="values of another class"),
        pytest.param((OtherValue(id=1, symbol="BTC"), Item(2)), id="a mixture"),
    ],
)
def test_items_of_any_kind_reach_a_worker(items: tuple[Any, ...]) -> None:
    chunk = Chunk(key="COIN", items=items)

    assert sent(chunk) == chunk


def test_order_takes_few_bytes_in_the_pipe() -> None:
    def orders(number: int) -> Chunk:
        return Chunk(
            key="BTCUSDT",
            items=tuple(
                StaleOrder(
                    id=UUID(int=id_),
                    symbol="BTCUSDT",
                    external_order_id=str(10**10 + id_),
                    status=Status.NEW,
                    executed_qty=Decimal(0),
                    avg_price=None,
                    created_at=datetime(2026, 1, 1, tzinfo=UTC),
                    is_on_hold=False,
                )
                for id_ in range(number)
            ),
        )

    assert len(pickle.dumps(orders(1001))) - len(pickle.dumps(orders(1))) < 110 * 1000
