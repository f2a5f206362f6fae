import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database
from reconciler.store.side_table import side_table_ddl
from reconciler.store.user_table import DEFAULT_TABLE

from .conftest import KEY, SECRET, Start, settings_of
from .rows import connected, count

REPORT_KEYS = {
    "orders",
    "reconciled",
    "discrepancies",
    "errors",
    "mismatches",
    "seconds",
    "orders_per_second",
    "requests",
    "weight",
    "restarts",
    "shards",
}
SINGLE_ORDER_WEIGHT = 4


def test_one_sweep_reconciles_all_at_a_twentieth_of_the_weight(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=2000, symbols=12, seed=1)

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []
    assert ended.report.keys() >= REPORT_KEYS
    assert ended.report["reconciled"] == 2000
    assert ended.report["weight"] * 20 <= 2000 * SINGLE_ORDER_WEIGHT


def test_a_table_without_the_column_is_reconciled_by_the_side_table(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=500, symbols=6, seed=4)
    with connected(demo.database_url) as connection:
        connection.execute(side_table_ddl(DEFAULT_TABLE))
        connection.execute("ALTER TABLE orders DROP COLUMN last_synced_at")
        connection.execute("CREATE TABLE before AS SELECT *, xmin::text AS version FROM orders")

        ended = reconcile("--once", "--json").end()
        again = reconcile("--once", "--json").end()

        assert ended.exit_code == again.exit_code == 0, ended.err
        assert demo.mismatches() == []
        assert (ended.report["reconciled"], again.report["orders"]) == (500, 0)
        still_open = count(connection, "status IN ('pending', 'new', 'partial')")
        assert count(connection, "true", "reconciliation_sync") == still_open
        written = "version <> (SELECT xmin::text FROM orders WHERE orders.id = before.id)"
        assert count(connection, written, "before") == ended.report["discrepancies"]


def test_locked_row_delays_nobody_and_is_left_for_the_next_run(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=300, symbols=6, seed=2)
    with psycopg.connect(demo.database_url) as application:
        held = application.execute(
            "SELECT id, status, last_synced_at FROM orders ORDER BY id LIMIT 1 FOR UPDATE"
        ).fetchone()

        ended = reconcile("--once", "--json").end()

        again = application.execute(
            "SELECT id, status, last_synced_at FROM orders ORDER BY id LIMIT 1"
        ).fetchone()
        assert (ended.exit_code, ended.report["skipped_locked"]) == (1, 1), ended.err
        assert ended.report["reconciled"] == 299
        assert held == again
        application.rollback()

    assert reconcile("--once").end().exit_code == 0
    assert demo.mismatches() == []


def test_dry_run_writes_nothing_and_lists_its_changes(
    demo: Demo, reconcile: Start, reader_url: str
) -> None:
    demo.fill(orders=200, symbols=4, seed=3)
    with connected(demo.database_url) as connection:
        before = fingerprints(connection)

        ended = reconcile("--once", "--dry-run", "--json", DATABASE_URL=reader_url).end()

        assert fingerprints(connection) == before
    assert ended.exit_code == 0, ended.err
    changes = ended.report["changes"]
    assert len(changes) == ended.report["discrepancies"] == len(demo.mismatches())
    assert {"order_id", "symbol", "rule", "before", "after"} <= changes[0].keys()


@pytest.mark.parametrize(
    ("environment", "exit_code", "words"),
    [
        pytest.param(
            {"EXCHANGE_BASE_URL": "http://127.0.0.1:9"}, 75, "cannot be reached", id="exchange away"
        ),
        pytest.param(
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"},
            69,
            "does not answer",
            id="database away",
        ),
        pytest.param({"EXCHANGE_API_KEY": "wrong"}, 78, "EXCHANGE_API_KEY", id="wrong key"),
        pytest.param({"EXCHANGE_API_SECRET": "wrong"}, 78, "hint:", id="wrong secret"),
        pytest.param({"SSL_CERT_FILE": "/nowhere"}, 78, "SSL_CERT_FILE", id="no certificates"),
    ],
)
def test_something_missing_has_its_exit_code_and_message(
    demo: Demo, reconcile: Start, environment: dict[str, str], exit_code: int, words: str
) -> None:
    demo.fill(orders=200, symbols=12, seed=4)
    with connected(demo.database_url) as connection:
        before = fingerprints(connection, "orders", "activity_log", "reconciliation_holds")

        ended = reconcile("--once", **environment).end()

        assert fingerprints(connection, "orders", "activity_log", "reconciliation_holds") == before
    assert ended.exit_code == exit_code, ended.err
    assert words in messages_in(ended.err)
    assert "Traceback" not in ended.err


def messages_in(err: str) -> str:
    """Return the messages for a person: standard error without the log."""
    return "\n".join(line for line in err.splitlines() if not is_log(line))


def is_log(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def fingerprints(
    connection: psycopg.Connection[tuple[object, ...]],
    *tables: str,
) -> list[object]:
    """Return a fingerprint of each table; without names: of our tables and the orders."""
    ours = ("orders", "activity_log", "reconciliation_holds", "reconciliation_cycles")
    fingerprint = "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} AS t"
    return [
        connection.execute(sql.SQL(fingerprint).format(sql.Identifier(table))).fetchone()
        for table in tables or ours
    ]


@pytest.fixture
def reader_url(demo: Demo) -> Iterator[str]:
    """The demo's database in a role that may only read."""
    with connected(demo.database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
        connection.execute("GRANT pg_read_all_data TO reader")
        yield demo.database_url.replace("//postgres:@", "//reader:@")
        connection.execute("DROP ROLE reader")


def test_run_over_foreign_status_words_says_it_follows_none(demo: Demo, reconcile: Start) -> None:
    with connected(demo.database_url) as connection:
        connection.execute("ALTER TABLE orders DROP CONSTRAINT orders_status_check")
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status)"
            " SELECT 'BTCUSDT', n::text, CASE WHEN n <= 151 THEN 'OPEN' ELSE 'NEW' END"
            " FROM generate_series(1, 200) AS n"
        )

    shown = reconcile("--once").end()
    ended = reconcile("--once", "--json").end()

    why = "200 rows look open, 0 by our words: OPEN 151, NEW 49"
    assert (shown.exit_code, ended.exit_code) == (0, 0), ended.err
    assert why in shown.out
    assert "nothing to do: no row is open by our words" in shown.out
    assert ended.report["orders"] == 0
    assert ended.report["not_followed"] == 200
    assert ended.report["remarks"][0] == why
    warned = [line for line in ended.err.splitlines() if "orders.not_followed" in line]
    assert [json.loads(line)["reason"] for line in warned] == [why]


def test_a_run_that_finds_nothing_stale_says_why(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=100, symbols=2, seed=5)
    reconcile("--once").end()

    again = reconcile("--once", "--json").end()

    assert again.report["orders"] == 0
    assert again.report["not_followed"] == 0
    (remark,) = again.report["remarks"]
    assert remark.startswith("nothing to do: of ")
    assert remark.endswith(" open orders none was last synced more than 5 minutes ago")


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_run_says_that_orders_were_too_young_to_judge(
    demo: Demo, reconcile: Start, options: tuple[str, ...]
) -> None:
    demo.fill(orders=50, symbols=2, seed=6)
    reconcile("--once").end()
    with connected(demo.database_url) as connection:
        connection.execute(
            # Young is less than 60 s from the request, before or after: so for almost two minutes.
            "INSERT INTO orders (symbol, external_order_id, status, qty, created_at)"
            " SELECT (SELECT min(symbol) FROM orders), (900000 + n)::text, 'new', 1,"
            " now() + interval '55 s' FROM generate_series(1, 7) AS n"
        )

    ended = reconcile("--once", *options, "--json").end()

    assert (ended.report["orders"], ended.report["held"]) == (7, 0), ended.err
    (remark,) = ended.report["remarks"]
    assert remark.startswith("7 of 7 orders were left as they are, and stay stale: ")
    assert "too young" in remark


def test_run_without_an_exchange_name_says_it_uses_paper(demo: Demo, reconcile: Start) -> None:
    unnamed = reconcile("--once", EXCHANGE_NAME="").end()
    named = reconcile("--once").end()

    (line,) = [line for line in unnamed.err.splitlines() if "exchange.not_named" in line]
    assert json.loads(line)["base_url"] == demo.environment["EXCHANGE_BASE_URL"]
    assert json.loads(line)["level"] == "warning"
    assert "exchange.not_named" not in named.err


def test_run_remarks_on_an_unused_passphrase_and_masks_it(reconcile: Start) -> None:
    run = reconcile("--once", "--dry-run", EXCHANGE_API_PASSPHRASE="correct-horse").end()

    (line,) = [line for line in run.err.splitlines() if "exchange.passphrase_unused" in line]
    assert run.exit_code == 0
    assert json.loads(line)["reason"].endswith("paper takes none: it is not used")
    assert "correct-horse" not in run.err


def test_row_with_impossible_times_stops_nothing(
    any_database_url: str, paper: PaperProcess, start: Start
) -> None:
    database = Database(any_database_url, role="test")
    demo = Demo(
        database=database,
        database_url=any_database_url,
        exchange=paper,
        api_key=SecretStr(KEY),
        api_secret=SecretStr(SECRET),
    )
    demo.fill(orders=60, symbols=3, seed=61)
    with connected(any_database_url) as connection:
        connection.execute(
            "UPDATE orders SET created_at = '-infinity', updated_at = '-infinity',"
            " last_synced_at = NULL WHERE id = 7"
        )
        connection.execute("UPDATE orders SET last_synced_at = 'infinity' WHERE id = 8")

    ended = start("run", "--once", "--json", **settings_of(demo)).end()

    assert ended.exit_code == 0, ended.err
    assert ended.report["reconciled"] == 60
    assert demo.mismatches() == []
    database.close()
