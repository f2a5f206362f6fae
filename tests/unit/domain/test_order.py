from datetime import datetime

import pytest

from .builders import an_order

NAIVE = datetime(2026, 11, 24, 12, 0)  # noqa: DTZ001 - what is to be refused


def test_a_creation_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="created_at must carry a time zone"):
        an_order(created_at=NAIVE)


def test_time_of_update_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="updated_at must carry a time zone"):
        an_order(updated_at=NAIVE)


def test_order_without_any_times_is_accepted() -> None:
    order = an_order(created_at=None, updated_at=None)

    assert (order.created_at, order.updated_at) == (None, None)
