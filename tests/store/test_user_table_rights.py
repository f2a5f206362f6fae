"""The hints about rights, policies, rules and ids of a table of the user's run as printed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from reconciler.config_file.orders import NamedColumn
from reconciler.errors import Problem
from reconciler.store.confirm_cost import read_confirm_cost
from reconciler.store.database import Database
from reconciler.store.id_uniqueness import id_problems
from reconciler.store.privileges import (
    hiding_policies,
    missing_privileges,
    missing_read_privileges,
    refusing_policies,
)
from reconciler.store.row_versions import row_version_problems
from reconciler.store.rules import rule_problems
from reconciler.store.user_table import UserTable

from . import hostile_table
from .builders import SHAPES, Application, make_ready

TABLE = UserTable(
    replace(
        hostile_table.CONFIG,
        columns=replace(hostile_table.CONFIG.columns, exchange=NamedColumn(name="ven:ue%")),
    )
)
ADD = f'ALTER TABLE {TABLE.name} ADD COLUMN "ven:ue%" text'


@pytest.fixture
def clerk(application: Application, clerk_role: str) -> str:
    application.execute(hostile_table.DDL)
    application.execute(ADD.encode())
    application.execute(f'GRANT USAGE ON SCHEMA "tra.ding" TO {clerk_role}'.encode())
    return clerk_role


def as_clerk(
    database: Database, clerk: str, find: Callable[[Connection, UserTable], list[Problem]]
) -> list[Problem]:
    with database.transaction() as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {clerk}")
        return find(connection, TABLE)


def run_hints(application: Application, problems: list[Problem]) -> None:
    assert problems
    for problem in problems:
        application.execute(problem.hint.partition(": ")[2].encode())


def test_the_grants_are_on_the_users_columns_and_on_those_that_follow_the_status(
    application: Application, database: Database, clerk: str
) -> None:
    missing = as_clerk(database, clerk, missing_privileges)
    read, written = missing[:2]

    run_hints(application, missing)

    assert as_clerk(database, clerk, missing_privileges) == []
    assert '"is$open"' in written.hint
    assert '"is$open"' not in read.hint
    assert '"ven:ue%"' in read.hint


def test_a_schema_that_our_role_may_not_use_is_named_before_the_columns_in_it(
    application: Application, database: Database, clerk: str
) -> None:
    application.execute(f'REVOKE USAGE ON SCHEMA "tra.ding" FROM {clerk}'.encode())

    for find in (missing_privileges, missing_read_privileges):
        problem = as_clerk(database, clerk, find)[0]
        assert "may not use the schema" in problem.what

    run_hints(application, [problem])
    assert as_clerk(database, clerk, missing_read_privileges)[0].what.startswith("role clerk may")


def test_policies_that_refuse_or_hide_rows_are_named_with_one_that_does_not(
    application: Application, database: Database, clerk: str
) -> None:
    run_hints(application, as_clerk(database, clerk, missing_privileges))
    application.execute(f"ALTER TABLE {TABLE.name} ENABLE ROW LEVEL SECURITY".encode())
    refused = as_clerk(database, clerk, refusing_policies)

    run_hints(application, refused[:1])

    assert as_clerk(database, clerk, refusing_policies) == []
    assert as_clerk(database, clerk, hiding_policies) == []


def test_rules_ids_and_indexes_of_the_last_sync_are_found_by_the_users_names(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(hostile_table.DDL.replace(" PRIMARY KEY", ""))
    owner.execute(f'CREATE RULE "a%b;" AS ON UPDATE TO {TABLE.name} DO ALSO NOTHING'.encode())
    owner.execute(f'CREATE INDEX "by%sync" ON {TABLE.name} ("{hostile_table.SYNCED}")'.encode())

    def found(connection: Connection) -> list[Problem]:
        return [*rule_problems(connection, TABLE.name, "UPDATE"), *id_problems(connection, TABLE)]

    with empty_database.autocommit() as connection:
        problems = found(connection)
        for problem in problems:
            statement = problem.hint.rpartition("run: ")[2].partition("  -- ")[0]
            owner.execute(statement.encode())

        assert len(problems) == 3
        assert found(connection) == []
        assert row_version_problems(connection, TABLE) == []
        cost = read_confirm_cost(connection, TABLE)

    assert cost.indexes == 2
    assert list(cost.synced_indexes) == ['"tra.ding"."by%sync"']


def test_of_a_view_no_id_is_known_to_be_unique(
    owner: Application, empty_database: Database
) -> None:
    make_ready(owner, SHAPES["bigint id, text status"].ddl)
    owner.execute("ALTER TABLE orders RENAME TO base; CREATE VIEW orders AS SELECT * FROM base")

    with empty_database.autocommit() as connection:
        assert id_problems(connection, UserTable()) == []
