"""`init --yes` on the tables of public platforms: what it proposes, and what it asks for."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.adoption.config_text import read_orders_text
from reconciler.config_file.orders import OrdersConfig
from reconciler.domain.status import TERMINAL
from tests.adoption.environment import AdoptedTable
from tests.adoption.history import SYMBOLS, orders_in_every_status
from tests.adoption.platforms import PLATFORMS, Platform
from tests.cli.conftest import Invoke

from .conftest import Adopt, Start

READER = "reader_of_tables"

ASKS_FOR = {
    "opencex": ["symbol = "],  # No foreign key leads from a pair to the names of its currencies.
    "hummingbot": ["filled = ", "executed_qty = "],  # The words say the side; no scale is known.
}
"""What a person has to fill in, by platform."""

NOT_WRITTEN = {"last_synced_at", "created_at", "updated_at", "qty", "side", "client_order_id"}
"""Only read, or in a table of ours: here the proposal may use more than a file by hand."""


@pytest.fixture
def filled(adopt: Adopt) -> Iterator[Any]:
    """Make a platform's table with orders in every status, and a role that may only read."""
    made: list[AdoptedTable] = []

    def fill(platform: Platform) -> AdoptedTable:
        table = adopt(platform)
        table.refer_to(SYMBOLS)
        table.insert(orders_in_every_status(datetime.now(UTC)))
        table.connection.execute(f"CREATE ROLE {READER} LOGIN".encode())
        table.connection.execute(
            f"ALTER ROLE {READER} SET default_transaction_read_only = on".encode()
        )
        schema = platform.table.split(".")[0] if "." in platform.table else "public"
        for right in (f"USAGE ON SCHEMA {schema}", f"SELECT ON ALL TABLES IN SCHEMA {schema}"):
            table.connection.execute(f"GRANT {right} TO {READER}".encode())
        made.append(table)
        return table

    yield fill
    for table in made:
        table.connection.execute(f"DROP OWNED BY {READER}".encode())
        table.connection.execute(f"DROP ROLE {READER}".encode())


def as_reader(table: AdoptedTable) -> str:
    return table.url.replace("//postgres:@", f"//{READER}:@")


def read(file: Path) -> OrdersConfig | None:
    config, _ = read_orders_text(file.read_text(encoding="utf-8"), name=file.name)
    return config


def written_columns(config: OrdersConfig) -> Mapping[str, object]:
    named = config.columns.named - NOT_WRITTEN - {"symbol"}
    return {key: getattr(config.columns, key) for key in named}


@pytest.mark.parametrize("name", ["peatio", "prisma"])
def test_what_init_proposes_makes_every_row_true(
    name: str, adopt: Adopt, invoke: Invoke, start: Start, tmp_path: Path
) -> None:
    table = adopt(PLATFORMS[name])
    table.fill(orders=100)
    ended = [
        order
        for order in orders_in_every_status(datetime.now(UTC))
        if order.seen.status in TERMINAL
    ]
    table.refer_to(
        {order.symbol for order in ended} - {order.symbol for order in table.exchange.orders()}
    )
    table.insert(ended, first=1000)
    file = tmp_path / "reconciler.toml"
    environment = {"DATABASE_URL": table.url, "RECONCILIATION_CONFIG": str(file)}

    proposed = invoke("init", "--yes", **environment)
    upgraded = invoke("db", "upgrade", **environment)
    run = start(file, "run", "--once", "--json").end()

    assert (proposed.exit_code, upgraded.exit_code, run.exit_code) == (0, 0, 0), run.err
    assert "followed: 100 rows" in proposed.stdout
    assert run.report["reconciled"] == 100
    wrong = [one for one in table.mismatches() if "no such order" not in one]
    assert wrong == []


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=list(PLATFORMS))
def test_yes_alone_proposes_what_a_person_would_write_or_names_each_line_to_fill_in(
    platform: Platform,
    filled: Any,
    invoke: Invoke,
    tmp_path: Path,
) -> None:
    table = filled(platform)
    before = table.versions()
    file = tmp_path / "reconciler.toml"

    result = invoke("init", "--yes", DATABASE_URL=as_reader(table), RECONCILIATION_CONFIG=str(file))

    assert table.versions() == before
    asked = [line.split("quotes: ")[1] for line in result.stderr.splitlines() if "quotes: " in line]
    expected = ASKS_FOR.get(platform.name, [])
    assert len(asked) == len(expected), result.output
    assert all(any(line.startswith(key) for line in asked) for key in expected)
    assert result.exit_code == (78 if expected else 0), result.output
    proposed, by_hand = read(file), read(platform.configuration_files[0])
    assert by_hand is not None
    if expected:
        assert proposed is None  # No command accepts it until the lines are filled in.
        return
    assert proposed is not None
    assert proposed.table == by_hand.table
    assert written_columns(by_hand).items() <= written_columns(proposed).items()
    known = proposed.statuses.meanings
    assert known.items() <= by_hand.statuses.meanings.items()
    for status, word in platform.words.items():
        assert word in known
        assert proposed.statuses.write(status) in {word, None}
