"""The script that counts requests: every order is reported, with few requests."""

import json

import pytest

from reconciler.paper.dialects import NAMES
from tests.scripts import run_script


@pytest.mark.parametrize("exchange", NAMES)
def test_stale_orders_take_as_few_requests_as_the_lists_allow(exchange: str) -> None:
    ran = run_script("request-cost", "--short", "--json", "--only", exchange)

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert len(found) == 6
    assert [one["wrong"] for one in found] == [0] * 6
    assert all(one["requests"] <= one["most"] for one in found)
    assert all(one["ccxt_requests"] >= one["orders"] for one in found)
