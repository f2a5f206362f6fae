"""Are the orders in the table right: the answer, in each state of the orders."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.telemetry.health import (
    Answer,
    HostState,
    LastHour,
    TableState,
    Vitals,
    judge,
    table_state,
)

WELL = Vitals(
    last_hour=LastHour(scanned=1000, last_run_age_seconds=1, last_duration_ms=500),
    stale_orders=0,
    oldest_stale_age_seconds=0,
    stale_after_seconds=300,
    open_orders=278,
    held_orders=0,
    hosts=(HostState(host="trading-1", instance="aa", shards=2, budget_per_minute=3000),),
)
STALE = {"stale_orders": 278, "oldest_stale_age_seconds": 370}


def state_with(**changes: Any) -> TableState:
    """Return the answer for healthy vitals with some values changed."""
    of_host = {
        name: changes.pop(name)
        for name in ("pause_seconds", "account_fault", "store_away")
        if name in changes
    }
    vitals = replace(WELL, hosts=(replace(WELL.hosts[0], **of_host),), **changes)
    return table_state(vitals, judge(vitals).rows)


@pytest.mark.parametrize(
    ("changes", "answer", "text"),
    [
        ({}, Answer.YES, "Every open order (278) was confirmed by the exchange within 5 min."),
        ({"open_orders": 0}, Answer.YES, "No order is open, so there is nothing to confirm."),
        (
            {"stale_orders": 3, "oldest_stale_age_seconds": 310},
            Answer.YES,
            (
                "275 of 278 open orders were confirmed by the exchange within 5 min. 3 are due, and"
                " are asked about next."
            ),
        ),
        (
            {"held_orders": 2},
            Answer.NEARLY,
            (
                "276 of 278 open orders were confirmed by the exchange within 5 min. 2 are on hold:"
                " what the table says of them may be wrong."
            ),
        ),
        (
            STALE | {"pause_seconds": 900},
            Answer.NOT_CONFIRMED,
            (
                "278 of 278 open orders are not up to date: what the table says of them may be"
                " wrong. The oldest was confirmed 6 min 10 s ago; the limit is 5 min."
            ),
        ),
        (
            {"stale_orders": 200, "oldest_stale_age_seconds": 900, "held_orders": 8},
            Answer.PARTLY_CONFIRMED,
            (
                "200 of 278 open orders are not up to date: what the table says of them may be"
                " wrong. The oldest was confirmed 15 min ago; the limit is 5 min. 8 of 278 open"
                " orders are on hold: what the table says of them may be wrong. The other 70 were"
                " confirmed within 5 min."
            ),
        ),
        (
            {"held_orders": 77},
            Answer.PARTLY,
            (
                "77 of 278 open orders are on hold: what the table says of them may be wrong."
                " The other 201 were confirmed within 5 min."
            ),
        ),
        (
            {"account_fault": "bad key"},
            Answer.YES_SO_FAR,
            (
                "Every open order (278) was confirmed by the exchange within 5 min. Nothing"
                " confirms them at the moment: without that they soon count as out of date."
            ),
        ),
        (
            {"store_away": "it is away", "counted_seconds_ago": 20},
            Answer.UNKNOWN,
            (
                "The orders cannot be read now. As counted 20 s ago: every open order (278) was"
                " confirmed by the exchange within 5 min."
            ),
        ),
        (
            STALE | {"unreached_orders": 278},
            Answer.UNKNOWN,
            (
                "The first sync of this table is going on: 278 of 278 open orders are not confirmed"
                " yet."
            ),
        ),
        ({"stale_orders": None}, Answer.UNKNOWN, "They could not be counted."),
    ],
    ids=[
        "well",
        "none open",
        "some due",
        "few on hold",
        "banned",
        "most are late",
        "many on hold",
        "refused key",
        "database away",
        "first sync",
        "not counted",
    ],
)
def test_the_answer_says_how_many_are_right(
    changes: dict[str, Any], answer: Answer, text: str
) -> None:
    assert state_with(**changes) == TableState(answer=answer, text=text)


def test_of_a_shadow_it_is_not_known_and_neither_if_nobody_answers() -> None:
    assert state_with(is_shadow=True).answer is Answer.UNKNOWN
    assert table_state(None, ()).answer is Answer.UNKNOWN


def test_no_number_is_negative_when_the_counts_are_of_different_moments() -> None:
    state = state_with(open_orders=200, **STALE, held_orders=90, pause_seconds=900)

    assert state.answer is Answer.NOT_CONFIRMED
    assert "-" not in state.text
