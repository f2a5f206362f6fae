"""The whole program at each exchange whose dialect the paper exchange speaks."""

import pytest

from reconciler.paper.dialects import NAMES

from ..supervisor.processes import stretched  # noqa: TID252 - tests are no package
from .conftest import Start

ORDERS = 120


@pytest.mark.long
@pytest.mark.parametrize("exchange", NAMES)
def test_the_demo_ends_with_every_row_right_at_every_exchange(exchange: str, start: Start) -> None:
    ended = start(
        "demo", "--exchange", exchange, "--orders", str(ORDERS), "--json", LOG_FORMAT="json"
    ).end()

    assert ended.exit_code == 0, ended.err
    assert (ended.report["orders"], ended.report["mismatches"]) == (ORDERS, 0)
    assert ended.report["requests"] <= ORDERS / 2


@pytest.mark.long
@pytest.mark.parametrize("exchange", NAMES)
def test_every_row_is_right_after_faults_and_kills_at_every_exchange(
    exchange: str, start: Start
) -> None:
    chaos = ("--chaos", "--chaos-seconds", str(stretched(4)), "--seed", "3")
    ended = start(
        *("demo", "--exchange", exchange, "--orders", str(ORDERS), *chaos, "--json"),
        LOG_FORMAT="json",
    ).end()

    assert ended.exit_code == 0, ended.err
    assert (ended.report["orders"], ended.report["mismatches"]) == (ORDERS, 0)
    assert ended.report["workers_killed"] > 0


def test_an_exchange_that_the_demo_does_not_know_is_answered_with_the_nearest(start: Start) -> None:
    ended = start("demo", "--exchange", "krakn").end()

    assert ended.exit_code == 78
    assert "--exchange is 'krakn', which the paper exchange does not speak" in ended.err
    assert "hint: choose kraken" in ended.err
