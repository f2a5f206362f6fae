"""That wear is counted rightly, and that vacuum comes when its rule says."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark.upkeep.bloat import Updates, read_updates
from scripts.benchmark.upkeep.storing import (
    BloatedTable,
    StorageSettings,
    VacuumMode,
    lay_out,
    make_tables,
)
from scripts.benchmark.upkeep.sweeps import Sweeper

GROWN = BloatedTable(orders=200)
NEVER = VacuumMode(name="never", threshold=10**9, scale_factor=0)
SOON = VacuumMode(name="soon", threshold=100, scale_factor=0)


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[ScratchDatabase]:
    with open_scratch_database(empty_database_url, needed_megabytes=1) as scratch:
        make_tables(scratch.database)
        lay_out(scratch.database, StorageSettings(fillfactor=50, vacuuming=NEVER), GROWN)
        yield scratch


def ask(scratch: ScratchDatabase, question: str) -> object:
    with scratch.database.autocommit() as connection:
        return connection.execute(text(question)).scalar_one()


def test_sweep_syncs_open_orders_and_replaces_ended_ones(
    scratch: ScratchDatabase,
) -> None:
    sweeper = Sweeper(scratch.database, GROWN, batch_size=50)

    sweep = sweeper.sweep(0, NEVER)

    fresh = "last_synced_at > now() - interval '30 minutes'"
    assert sweep.dead_rows == 200
    assert sweep.vacuum_seconds == 0
    assert ask(scratch, f"SELECT count(*) FROM orders WHERE {fresh}") == 200  # noqa: S608 - our own words
    assert ask(scratch, "SELECT count(*) FROM activity_log") == 4
    assert ask(scratch, "SELECT count(*) FROM orders WHERE status = 'new'") == 220
    assert ask(scratch, "SELECT count(*) FROM reconciliation_holds WHERE attempts = 2") == 20


def test_the_next_sweep_finds_as_many_open_orders(scratch: ScratchDatabase) -> None:
    sweeper = Sweeper(scratch.database, GROWN, batch_size=50)

    sweeps = [sweeper.sweep(number, NEVER) for number in range(3)]

    assert [sweep.dead_rows for sweep in sweeps] == [200, 400, 600]
    assert ask(scratch, "SELECT count(*) FROM orders WHERE status = 'new'") == 220


def test_vacuum_comes_once_more_rows_have_died_than_its_rule_lets(scratch: ScratchDatabase) -> None:
    sweeper = Sweeper(scratch.database, GROWN, batch_size=50)

    sweep = sweeper.sweep(0, SOON)

    assert sweep.dead_rows == 120
    assert sweep.vacuum_seconds > 0


@pytest.mark.parametrize(
    ("dead", "is_due"), [(249, False), (250, False), (251, True)], ids=["below", "at", "above"]
)
def test_autovacuums_rule_is_a_threshold_and_a_share_of_all_rows(dead: int, is_due: bool) -> None:  # noqa: FBT001 - a case
    rule = VacuumMode(name="rule", threshold=50, scale_factor=0.2)

    assert rule.is_due(dead=dead, rows=1000) is is_due


def test_confirms_and_repeated_holds_are_hot_updates_but_changes_are_not(
    scratch: ScratchDatabase,
) -> None:
    with scratch.database.autocommit() as connection:
        orders, holds = (read_updates(connection, table) for table in TABLES)
    sweeper = Sweeper(scratch.database, GROWN, batch_size=50)

    sweeper.sweep(0, NEVER)

    with scratch.database.autocommit() as connection:
        orders_then, holds_then = (read_updates(connection, table) for table in TABLES)
    assert orders_then - orders == Updates(updates=200, in_place=196)
    assert holds_then - holds == Updates(updates=20, in_place=20)


TABLES = ("orders", "reconciliation_holds")
