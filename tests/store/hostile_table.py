"""A table of the user's with every name and word that could break a statement."""

from dataclasses import replace
from typing import Any

from reconciler.config_file.orders import (
    Columns,
    FollowingColumn,
    NamedColumn,
    OrdersConfig,
    QuantityColumn,
    SideTable,
    TimeColumn,
)
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Statuses
from reconciler.domain.status import Status
from reconciler.store.user_table import UserTable, pyformat

LIVE, PART, DONE = "it's 100% \\:live", "PARTIALLY_FILLED", "done; -- $reconciler$"
SYNCED = "last%%s:sync"

DDL = r"""
    CREATE SCHEMA "tra.ding";
    CREATE TABLE "tra.ding"."O""r:d%er; $reconciler$" (
        "order_id" bigint PRIMARY KEY, "sym.bol" text, "ext:id" text, "order" text,
        "ex ec" numeric, "Avg%" numeric, "last%%s:sync" timestamptz, "is$open" boolean,
        note text DEFAULT 'mine: 100%'
    );
"""

CONFIG = OrdersConfig(
    table=TableName(schema="tra.ding", name='O"r:d%er; $reconciler$'),
    where="note LIKE 'mine: 100\\%%' AND note::text <> 'it''s :other'",
    columns=Columns(
        id=NamedColumn(name="order_id"),
        symbol=NamedColumn(name="sym.bol"),
        external_order_id=NamedColumn(name="ext:id"),
        status=NamedColumn(name="order"),
        executed_qty=QuantityColumn(name="ex ec"),
        avg_price=QuantityColumn(name="Avg%"),
        last_synced_at=TimeColumn(name=SYNCED),
        created_at=None,
        updated_at=None,
        named=frozenset({"last_synced_at"}),
    ),
    statuses=Statuses(meanings={LIVE: "open", PART: Status.PARTIAL, DONE: Status.FILLED}),
    also_write=(FollowingColumn(name="is$open", open=True, ended=False),),
)
TABLE = UserTable(CONFIG)
BY_SIDE_TABLE = UserTable(
    replace(CONFIG, columns=replace(CONFIG.columns, last_synced_at=SideTable()))
)


MINE = "mine: 100%"


def insert(
    owner: Any, id_: object, status: str, *, external: str | None = "1", note: str = MINE
) -> None:
    """Add a row that the filter takes, or one with another note."""
    columns = '"order_id", "sym.bol", "ext:id", "order", "ex ec", note'
    values = "%s, 'BTC/USDT', %s, %s, 0, %s"
    statement = f"INSERT INTO {pyformat(TABLE.name)} ({columns}) VALUES ({values})"  # noqa: S608 - from above
    owner.execute(statement, [id_, external, status, note])
