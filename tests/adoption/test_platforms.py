"""Twelve tables of public platforms, each reconciled as it is."""

import re
from collections import Counter
from typing import Any

import pytest

from reconciler.domain.status import OPEN
from tests.adoption.platforms import PLATFORMS, Platform
from tests.adoption.platforms.platform import SIDE_TABLE
from tests.cli.conftest import Invoke

from .conftest import Adopt, Start

ORDERS = 200
OF_OUR_INDEXES = re.compile(r"(CREATE|ALTER|COMMENT ON) INDEX (\w+\.)?reconciler_open_orders")

every_platform = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))


@every_platform
def test_every_row_becomes_true_and_nothing_else_changes(
    platform: Platform, adopt: Adopt, start: Start, invoke: Invoke
) -> None:
    table = adopt(platform)
    table.fill(orders=ORDERS)
    before = table.schema()
    assert len(table.mismatches()) > ORDERS / 2

    for file in platform.configuration_files:
        upgraded = invoke("db", "upgrade", DATABASE_URL=table.url, RECONCILIATION_CONFIG=str(file))
        assert upgraded.exit_code == 0, upgraded.output
    reports = run_once(start, platform)

    assert table.mismatches() == []
    assert [(report["errors"], report["held"]) for report in reports] == [(0, 0)] * len(reports)
    assert sum(report["reconciled"] for report in reports) == ORDERS
    assert_only_our_indexes(before, table.schema())

    table.make_stale()
    versions = table.versions()
    again = run_once(start, platform)

    still_open = sum(order.truth.status in OPEN for order in table.exchange.orders())
    assert sum(report["orders"] for report in again) == still_open > 0
    assert sum(report["discrepancies"] for report in again) == 0
    assert table.mismatches() == []
    written = sum(versions[row] != version for row, version in table.versions().items())
    assert written == (0 if platform.sync_times == SIDE_TABLE else still_open)


def run_once(start: Start, platform: Platform) -> list[dict[str, Any]]:
    """Drain what is stale, with each of the platform's files; return the reports."""
    reports = []
    for file in platform.configuration_files:
        ended = start(file, "run", "--once", "--json").end()
        assert ended.exit_code == 0, ended.out + ended.err
        reports.append(ended.report)
    return reports


def assert_only_our_indexes(before: Counter[str], after: Counter[str]) -> None:
    """Compare two dumps: nothing is gone, and what is new are our indexes."""
    new = after - before
    assert before - after == Counter()
    assert [line for line in new if not OF_OUR_INDEXES.match(line)] == []
