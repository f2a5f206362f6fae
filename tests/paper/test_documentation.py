"""The reference names every route and setting."""

import re
from pathlib import Path

import pytest

from reconciler.paper.admin import admin_routes
from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.dialects.binance.routes import ROUTES
from reconciler.paper.faults import FaultRule
from reconciler.paper.market import market_for
from reconciler.paper.server import new_exchange

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "paper-exchange.md"


@pytest.fixture(scope="module")
def reference() -> str:
    return REFERENCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", FaultRule.__struct_fields__)
def test_every_setting_of_a_fault_is_documented(reference: str, setting: str) -> None:
    assert f"`{setting}`" in reference or f"`Retry-After: {setting}`" in reference


def test_every_route_and_admin_route_is_documented(reference: str) -> None:
    undocumented = [
        route.path
        for route in admin_routes(new_exchange())
        if not any(f"`{method} {route.path}" in reference for method in route.methods or ())
    ]

    assert undocumented == []
    assert all(f"`{name}`" in reference for name in ROUTES)


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_is_documented_with_its_spelling_and_its_wordless_faults(
    reference: str, name: str
) -> None:
    dialect = load_dialect(name)
    (row,) = (line for line in reference.splitlines() if line.startswith(f"| `{name}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]

    assert cells[1] == f"`{dialect.symbol(market_for('BTCUSDT'))}`"
    assert cells[2] == f"`{dialect.order_id(7)}`"
    assert str(dialect.new_meter().limit) in cells[4]
    assert set(re.findall("`([a-z_]+)`", cells[5])) == dialect.wordless_faults
