"""`scripts/venue-latency` asks every exchange, and every answer is right; it is timed by hand."""

import json

import pytest

from reconciler.paper.dialects import NAMES

from ..scripts import run_script  # noqa: TID252 - tests are no package

ORDERS = 60


@pytest.mark.long
def test_every_exchange_answers_for_every_order_with_and_without_limits() -> None:
    options = ("--orders", str(ORDERS), "--latency-ms", "0", "--rounds", "1", "--json")

    ended = run_script("venue-latency", *options)

    found = json.loads(ended.stdout)
    assert [(one["exchange"], one["limits"]) for one in found] == [
        (name, limits) for name in NAMES for limits in ("published", "none")
    ]
    assert [one["exchange"] for one in found if one["wrong"]] == []
    assert all(one["requests"] > 0 and one["orders"] == ORDERS for one in found)


def test_an_exchange_that_it_does_not_know_is_named() -> None:
    ended = run_script("venue-latency", "--only", "krakn")

    assert ended.returncode == 2
    assert "krakn is none of binance, bybit, okx, kraken, coinbase" in ended.stderr
