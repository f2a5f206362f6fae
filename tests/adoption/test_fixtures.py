"""The platforms' tables, before the reconciler comes: they hold what their platform writes."""

import pytest

from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from tests.adoption.platforms import PLATFORMS, Platform

from .conftest import Adopt

MOST_LINES = 30

every_platform = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))


@every_platform
def test_rows_that_the_platform_updates_read_as_the_exchange_has_them(
    platform: Platform, adopt: Adopt
) -> None:
    table = adopt(platform)
    table.fill(orders=60)
    assert table.mismatches()

    for order in table.exchange.orders():
        table.write(order, order.seen, order.truth)

    assert table.mismatches() == []


@every_platform
def test_configuration_files_are_short_and_have_no_problem_of_their_own(
    platform: Platform,
) -> None:
    for file in platform.configuration_files:
        text = file.read_text(encoding="utf-8")
        read = read_sections(
            parse_document(text, name=file.name), variables=(), secrets=(), own_variable=""
        )

        assert len(text.splitlines()) <= MOST_LINES
        assert read.orders is not None
