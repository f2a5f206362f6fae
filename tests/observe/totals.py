"""The totals of the counters in Graphite, as soon as everything has got there."""

import time
from collections.abc import Mapping

from scripts.observatory.client import GraphiteClient

from ..e2e.commands import DEADLINE_SECONDS  # noqa: TID252 - tests are no package

IN_NO_TABLE = ("breaker.", "exchange.errors.", "exchange.retries", "log.", "supervisor.killed_hung")

FINE = "-50min"
"""A time that Carbon keeps in steps of 1 s, in the tests."""

COARSE = "-100min"
"""A time for which it only has its sums over 10 s."""


def wait_for_totals(
    graphite: GraphiteClient, prefix: str, expected: Mapping[str, int], *, since: str = FINE
) -> None:
    """Wait until the counters that our tables know are as expected, all others of them 0.

    Raises:
        AssertionError: they never were.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := _known_to_tables(graphite, prefix, since)) != expected:
        assert time.monotonic() < deadline, {
            name: (found.get(name, 0), expected.get(name, 0))
            for name in sorted({*found, *expected})
            if found.get(name, 0) != expected.get(name, 0)
        }
        time.sleep(0.2)


def _known_to_tables(graphite: GraphiteClient, prefix: str, since: str) -> Mapping[str, float]:
    return {
        name: total
        for name, total in graphite.totals(prefix, since=since).items()
        if total and not name.startswith(IN_NO_TABLE)
    }
