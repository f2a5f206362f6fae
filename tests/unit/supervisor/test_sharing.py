"""Which changes of the live state are worth a write before the next one is due."""

from dataclasses import replace

import pytest

from reconciler.supervisor.sharing import is_news
from reconciler.telemetry.health import HostState

BUSY = HostState(
    host="a", instance="a1", uptime_seconds=5, planned_orders=40, planned_weight=80, pause_seconds=9
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (replace(BUSY, uptime_seconds=9, pause_seconds=5), False),
        (replace(BUSY, planned_orders=7, planned_weight=12, pause_seconds=5), False),
        (replace(BUSY, planned_orders=0, planned_weight=0, pause_seconds=5), True),
        (replace(BUSY, pause_seconds=60), True),
        (replace(BUSY, pause_seconds=5, halted="41 of 50 vanished"), True),
        (replace(BUSY, pause_seconds=5, breakers_open=1), True),
    ],
    ids=["time", "another page", "no page any more", "a longer pause", "the halt", "a breaker"],
)
def test_a_change_is_written_at_once_unless_it_is_only_time_or_another_page(
    state: HostState, *, expected: bool
) -> None:
    assert is_news(state, BUSY, passed_seconds=4) is expected
