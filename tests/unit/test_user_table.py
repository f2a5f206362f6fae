"""The user's table as SQL: names, words and conditions."""

import pickle

import pytest

from reconciler.config_file.orders import Columns, JoinedColumns, NamedColumn, OrdersConfig
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Statuses
from reconciler.domain.status import Status
from reconciler.settings import Settings
from reconciler.store.user_table import DEFAULT_TABLE, UserTable, literal, quoted


def test_without_a_file_the_table_is_orders_with_our_names() -> None:
    assert DEFAULT_TABLE.name == "orders"
    assert DEFAULT_TABLE.rows == "orders"
    assert DEFAULT_TABLE.index_columns == (
        "(symbol, id) WHERE external_order_id IS NOT NULL"
        " AND status IN ('pending', 'new', 'partial')"
    )


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("state", "state"),
        ("camelCase", '"camelCase"'),
        ("order", '"order"'),
        ('say "hi"', '"say ""hi"""'),
        ("a.b; DROP TABLE x", '"a.b; DROP TABLE x"'),
        ("состояние", '"состояние"'),
        ("100%", '"100%"'),
    ],
)
def test_names_are_quoted_only_where_they_need_it(name: str, sql: str) -> None:
    assert quoted(name) == sql


@pytest.mark.parametrize(
    ("text", "sql"), [("OPEN", "'OPEN'"), ("it's", "'it''s'"), ("a\\b'", "E'a\\\\b'''")]
)
def test_words_are_quoted(text: str, sql: str) -> None:
    assert literal(text) == sql


def test_a_table_with_a_filter_and_joined_symbols() -> None:
    config = OrdersConfig(
        table=TableName(schema="trading", name="Order"),
        where="note LIKE '%x'",
        columns=Columns(
            id=NamedColumn(name="orderId"), symbol=JoinedColumns(names=("base", "quote"))
        ),
        statuses=Statuses(meanings={"100": "open", "200": Status.FILLED}),
    )
    table = UserTable(config)

    assert table.name == 'trading."Order"'
    assert table.rows == """(SELECT * FROM trading."Order" WHERE (note LIKE '%x')) AS orders"""
    assert table.index_columns == (
        '((btrim(CAST(base AS text)) || btrim(CAST(quote AS text))), "orderId")'
        " WHERE external_order_id IS NOT NULL AND status IN ('100')"
    )
    assert "'%%x'" in table.open_orders_count
    assert table.open_orders_count.endswith("LIMIT %(most)s) AS listed")


def test_the_settings_carry_the_table_to_another_process() -> None:
    settings = pickle.loads(pickle.dumps(Settings.load()))  # noqa: S301 - our own

    assert settings.orders == OrdersConfig()
    assert settings.with_orders_of_the_demo().orders == OrdersConfig()
