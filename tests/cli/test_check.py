"""`reconciler check`: every problem at once, each with its hint, and the exit code of the worst."""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.cli.checks.database import check_vacuum, clock_result
from reconciler.cli.checks.result import CheckStatus
from reconciler.paper.exchange import PaperExchange
from reconciler.store.database import Database
from reconciler.store.side_table import side_table_ddl
from reconciler.store.user_table import DEFAULT_TABLE

from .conftest import NOWHERE, Invoke, url_as

ALL = [
    "settings",
    "database",
    "database clock",
    "orders",
    "open orders",
    "duplicates",
    "schema",
    "rights",
    "policies",
    "programs",
    "times",
    "writes",
    "confirms",
    "vacuum",
    "accounts",
    "exchange",
    "exchange clock",
    "account",
    "exchange limits",
    "exchange requests",
    "symbols",
    "statsd",
]
ON_THE_DATABASE = ALL[ALL.index("database clock") : ALL.index("exchange")]


@pytest.fixture
def check(
    invoke: Invoke, ready_database_url: str, exchange_environment: Mapping[str, str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run `check --json` with valid settings except those given; return code and results."""

    def check(**environment: str) -> tuple[int, dict[str, Any]]:
        passed = {"DATABASE_URL": ready_database_url, **exchange_environment}
        result = invoke("check", "--json", **{**passed, **environment})
        output = json.loads(result.stdout)
        assert output["exit_code"] == result.exit_code
        return result.exit_code, {result["check"]: result for result in output["checks"]}

    return check


Check = Callable[..., tuple[int, dict[str, Any]]]


def statuses(results: Mapping[str, Any]) -> dict[str, str]:
    return {name: result["verdict"] for name, result in results.items()}


def test_with_all_in_order_every_check_passes_with_code_0(check: Check) -> None:
    code, results = check()

    assert code == 0
    assert statuses(results) == dict.fromkeys(ALL, "ok")


def test_the_table_has_one_line_for_each_check_and_then_the_verdict(
    invoke: Invoke, ready_database_url: str, exchange_environment: Mapping[str, str]
) -> None:
    result = invoke("check", DATABASE_URL=ready_database_url, **exchange_environment)

    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert [line[: len(name)] for line, name in zip(lines[1:], ALL, strict=False)] == ALL
    assert lines[len(ALL) + 1 :] == ["a run can start"]


def test_all_wrong_settings_are_named_and_the_rest_is_checked(check: Check) -> None:
    code, results = check(
        RECONCILIATION_SHARDS="0", RECONCILIATION_BATCH_SIZE="many", STATSD_REQUIRED="perhaps"
    )

    messages = [problem["what"] for problem in results["settings"]["problems"]]
    assert code == 78
    assert [what.split()[0] for what in messages] == [
        "RECONCILIATION_BATCH_SIZE",
        "RECONCILIATION_SHARDS",
        "STATSD_REQUIRED",
    ]
    assert statuses(results)["rights"] == "ok"
    assert statuses(results)["exchange"] == "ok"
    assert statuses(results)["statsd"] == "skipped"


def test_a_secret_that_cannot_be_read_is_named_and_the_rest_is_checked(check: Check) -> None:
    code, results = check(EXCHANGE_API_SECRET_FILE="/nowhere/secret")

    assert code == 78
    assert [problem["what"] for problem in results["settings"]["problems"]] == [
        "both EXCHANGE_API_SECRET and EXCHANGE_API_SECRET_FILE are set"
    ]
    assert statuses(results)["rights"] == "ok"
    assert statuses(results)["exchange"] == "skipped"


def test_a_broken_exchange_address_is_not_asked_elsewhere(check: Check) -> None:
    code, results = check(EXCHANGE_BASE_URL="ftp://127.0.0.1")

    assert code == 78
    assert statuses(results)["exchange"] == "skipped"


def test_a_misspelled_setting_is_a_warning_with_the_right_name(check: Check) -> None:
    code, results = check(RECONCILIATION_SHARD="3")

    assert code == 0
    assert results["settings"]["verdict"] == "warning"
    assert results["settings"]["problems"] == [
        {
            "what": "RECONCILIATION_SHARD is set, but there is no such setting",
            "hint": "rename it to RECONCILIATION_SHARDS, or unset it",
        }
    ]


def test_without_a_database_the_exchange_is_still_checked(
    check: Check,
) -> None:
    code, results = check(DATABASE_URL="postgresql://me:secret-word@127.0.0.1:1/trading")

    assert code == 69
    assert statuses(results) == {
        **dict.fromkeys(ALL, "ok"),
        "database": "problem",
        **dict.fromkeys([*ON_THE_DATABASE, "account", "symbols"], "skipped"),
    }
    assert "does not answer" in results["database"]["problems"][0]["what"]
    assert "secret-word" not in json.dumps(results)


def test_wrong_configuration_outranks_a_service_that_is_away(check: Check) -> None:
    code, results = check(DATABASE_URL="mysql://me@127.0.0.1/trading", EXCHANGE_BASE_URL=NOWHERE)

    assert code == 78
    assert results["database"]["problems"][0]["what"] == (
        "DATABASE_URL is not a PostgreSQL URL: its scheme is 'mysql'"
    )
    assert "cannot be reached" in results["exchange"]["problems"][0]["what"]


def test_an_exchange_that_is_away_is_code_69(check: Check) -> None:
    code, results = check(EXCHANGE_BASE_URL=NOWHERE)

    assert code == 69
    assert "reconciler paper" in results["exchange"]["problems"][0]["hint"]


def test_a_key_that_is_not_accepted_is_code_78_and_no_secret_is_shown(check: Check) -> None:
    code, results = check(EXCHANGE_API_KEY="another-key")

    assert code == 78
    assert "-2015" in results["exchange"]["problems"][0]["what"]
    assert "EXCHANGE_API_KEY" in results["exchange"]["problems"][0]["hint"]
    assert "another-key" not in json.dumps(results)


def test_an_unknown_exchange_names_the_known_ones(check: Check) -> None:
    code, results = check(EXCHANGE_NAME="mtgox")

    assert code == 78
    assert results["exchange"]["problems"][0]["what"] == (
        "EXCHANGE_NAME is 'mtgox', which this version cannot talk to"
    )
    assert "paper, binance, bybit, okx" in results["exchange"]["problems"][0]["hint"]


def test_a_different_exchange_clock_is_only_a_warning(
    check: Check, exchange: PaperExchange
) -> None:
    right = exchange.clock_ms
    exchange.clock_ms = lambda: right() + 3_600_000

    code, results = check()

    assert code == 0
    assert results["exchange"]["verdict"] == "ok"
    assert results["exchange clock"]["verdict"] == "warning"
    seconds = float(results["exchange clock"]["detail"].split()[0])
    assert seconds == pytest.approx(3600, abs=5)


def test_a_refused_timestamp_has_a_hint_to_fix_the_clock(
    check: Check, exchange: PaperExchange
) -> None:
    right, asked = exchange.clock_ms, iter(range(1000))
    exchange.clock_ms = lambda: right() + 60_000 * next(asked)

    code, results = check()

    assert code == 69
    assert "-1021" in results["exchange"]["problems"][0]["what"]
    assert "clock" in results["exchange"]["problems"][0]["hint"]


def test_an_exchange_that_limits_us_is_not_waited_for(
    check: Check, exchange: PaperExchange
) -> None:
    exchange.meter = exchange.dialect.new_meter(1)

    code, results = check()

    assert code == 69
    assert "-1003" in results["exchange"]["problems"][0]["what"]


@pytest.mark.parametrize(
    ("given", "hint", "code"),
    [
        ({"STATSD_HOST": "no-such-host.invalid"}, "STATSD_HOST", 69),
        ({"STATSD_HOST": "127.0.0.1", "STATSD_PORT": "9"}, "start StatsD there", 69),
        ({"STATSD_HOST": "http://statsd"}, "set STATSD_HOST", 78),
        ({"STATSD_HOST": "127.0.0.1", "STATSD_PORT": "70000"}, "set STATSD_PORT", 78),
        ({"STATSD_HOST": "127.0.0.1", "STATSD_PREFIX": "my desk"}, "set STATSD_PREFIX", 78),
    ],
    ids=["unknown host", "refused", "bad host", "bad port", "bad prefix"],
)
def test_what_keeps_metrics_from_being_sent_is_a_warning_unless_they_are_required(
    check: Check, given: dict[str, str], hint: str, code: int
) -> None:
    may = check(**given)
    must = check(**given, STATSD_REQUIRED="true")

    assert [found[0] for found in (may, must)] == [0, code]
    assert [found[1]["statsd"]["verdict"] for found in (may, must)] == ["warning", "problem"]
    for _, results in (may, must):
        assert hint in results["statsd"]["problems"][0]["hint"]


def test_a_scope_whose_metrics_have_the_names_of_another_scope_is_a_warning(
    check: Check, database_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "reconciler.toml"
    config.write_text('[orders]\nscope = "a_b"\nwhere = "symbol <> \'\'"\n')
    given = {"DATABASE_URL": database_url, "RECONCILIATION_CONFIG": str(config)}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)"
            " VALUES"
            " ('a.b', 'filter', '{}', now(), 'test'), ('a-b', 'filter', '{}', now(), 'test')"
        )
    with socket.socket(type=socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        port = str(statsd.getsockname()[1])
        _, results = check(**given, STATSD_HOST="127.0.0.1", STATSD_PORT=port)

    assert results["statsd"]["verdict"] == "warning"
    (problem,) = results["statsd"]["problems"]
    assert "the scopes 'a_b' and 'a.b' have the same names, reconciler.a_b" in problem["what"]
    assert "another STATSD_PREFIX" in problem["hint"]


def test_an_empty_database_names_each_part_with_its_hint(
    check: Check, empty_database_url: str
) -> None:
    code, results = check(DATABASE_URL=empty_database_url)

    assert code == 78
    assert "table orders is missing" in results["orders"]["problems"][0]["what"]
    assert "--with-orders" in results["orders"]["problems"][0]["hint"]
    missing = {
        problem["what"].partition(" is missing")[0] for problem in results["schema"]["problems"]
    }
    assert missing == {
        "table activity_log",
        "table reconciliation_cycles",
        "table reconciliation_holds",
        "table reconciliation_state",
        "index reconciler_open_orders on orders",
    }


def test_a_missing_column_and_index_are_named_with_their_hints(
    check: Check, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders DROP COLUMN executed_qty")
        connection.execute("DROP INDEX reconciler_open_orders")

    code, results = check(DATABASE_URL=database_url)

    assert code == 78
    assert results["orders"]["problems"] == [
        {
            "what": "column orders.executed_qty is missing",
            "hint": "name the column in [orders.columns] of reconciler.toml: executed_qty ="
            ' "..."; reconciler init proposes the whole file',
        }
    ]
    assert results["schema"]["problems"][0]["hint"] == "run: reconciler db upgrade"


def test_a_role_without_rights_gets_all_missing_ones_named(
    check: Check, as_role: Callable[..., str]
) -> None:
    code, results = check(DATABASE_URL=as_role())

    lacking = [
        problem["what"].partition(" may not ")[2] for problem in results["rights"]["problems"]
    ]
    assert code == 78
    assert lacking == [
        (
            "SELECT id, symbol, external_order_id, status, executed_qty, avg_price, created_at,"
            " updated_at, last_synced_at of orders"
        ),
        "UPDATE status, executed_qty, avg_price, updated_at, last_synced_at of orders",
        "SELECT, INSERT on activity_log",
        "SELECT, INSERT, UPDATE on reconciliation_holds",
        "SELECT, INSERT on reconciliation_cycles",
        "SELECT, INSERT, UPDATE, DELETE on reconciliation_state",
        "SELECT on reconciler_alembic_version",
    ]
    assert results["orders"]["verdict"] == "skipped"


def test_each_missing_right_is_named_and_its_grant_fixes_it(
    check: Check, database_url: str, as_role: Callable[..., str]
) -> None:
    url = as_role("GRANT SELECT ON orders TO {role}")
    code, results = check(DATABASE_URL=url)
    hints = [problem["hint"] for problem in results["rights"]["problems"]]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for hint in hints:
            connection.execute(hint.partition(": ")[2].encode())

    code_then, findings_then = check(DATABASE_URL=url)

    assert code == 78
    assert len(hints) == 6
    assert "UPDATE (status, executed_qty, avg_price, updated_at, last_synced_at)" in hints[0]
    assert code_then == 0, findings_then


def test_with_the_side_table_a_role_needs_rights_on_it_and_none_on_the_column(
    check: Check, database_url: str, as_role: Callable[..., str]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(side_table_ddl(DEFAULT_TABLE))

    _, results = check(DATABASE_URL=as_role())

    lacking = [problem["what"] for problem in results["rights"]["problems"]]
    assert not any("last_synced_at" in what for what in lacking)
    assert lacking[-1].endswith("may not SELECT, INSERT, UPDATE, DELETE on reconciliation_sync")


def test_a_wrong_password_is_exit_code_78(
    check: Check, database_url: str, as_role: Callable[..., str]
) -> None:
    role = as_role().split("//")[1].split(":")[0]

    code, results = check(DATABASE_URL=url_as(database_url, role, "wrong"))

    assert code == 78
    assert "password authentication failed" in results["database"]["problems"][0]["what"]
    assert "DATABASE_URL" in results["database"]["problems"][0]["hint"]


def test_a_session_that_holds_vacuum_back_is_a_named_warning(
    database_url: str,
) -> None:
    with (
        closing(Database(database_url, role="check")) as database,
        psycopg.connect(database_url, application_name="reports") as session,
        database.autocommit() as connection,
    ):
        pid = session.info.backend_pid
        session.execute("SELECT pg_current_xact_id()")
        result = check_vacuum(connection, min_time=timedelta(0))

    (problem,) = result.problems
    assert result.status is CheckStatus.WARNING
    assert f"session {pid} (reports, " in problem.what
    assert f"pg_terminate_backend({pid})" in problem.hint


@pytest.mark.parametrize(
    ("seconds", "status", "message"),
    [
        ("0", CheckStatus.OK, "0.000 s ahead of"),
        ("1", CheckStatus.OK, "1.000 s ahead of"),
        ("-1", CheckStatus.OK, "1.000 s behind"),
        ("1.001", CheckStatus.WARNING, "1.001 s ahead of"),
        ("1.0004", CheckStatus.WARNING, "1.0004 s ahead of"),
        ("-1.000001", CheckStatus.WARNING, "1.000001 s behind"),
        ("-90", CheckStatus.WARNING, "90.000 s behind"),
    ],
)
def test_a_clock_difference_of_up_to_a_second_is_ok(
    seconds: str, status: CheckStatus, message: str
) -> None:
    result = clock_result("a clock", timedelta(seconds=float(seconds)), whose="its clock")

    assert result.status is status
    assert message in result.detail


def test_times_in_the_future_are_counted_in_a_warning(check: Check, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, last_synced_at)"
            " SELECT 'BTCUSDT', n::text, 'new', now() + interval '2 days'"
            " FROM generate_series(1, 1640) AS n"
        )
        connection.execute(
            "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
            " next_attempt_at, row_facts)"
            " VALUES ('1', 'error', '', 1, now(), now() + interval '1 day', '{}')"
        )

    code, results = check(DATABASE_URL=database_url)

    assert code == 0
    assert results["times"]["verdict"] == "warning"
    output = [problem["what"] for problem in results["times"]["problems"]]
    assert output[0].startswith("1,640 open orders have a last_synced_at more than 1 min from now")
    assert output[1].startswith("1 holds have a next_attempt_at more than 60 min from now")


def test_a_missing_database_url_is_reported_only_once(
    invoke: Invoke, exchange_environment: Mapping[str, str]
) -> None:
    result = invoke("check", **exchange_environment)
    as_json = json.loads(invoke("check", "--json", **exchange_environment).stdout)

    results = {result["check"]: result for result in as_json["checks"]}
    assert result.exit_code == as_json["exit_code"] == 78
    assert statuses(results) == {
        **dict.fromkeys(ALL, "ok"),
        "settings": "problem",
        "database": "problem",
        **dict.fromkeys([*ON_THE_DATABASE, "account", "symbols"], "skipped"),
    }
    assert results["settings"]["problems"][0]["what"] == "DATABASE_URL is not set"
    assert result.stdout.count("DATABASE_URL is not set") == 1
    assert "export DATABASE_URL=" in result.stdout


@pytest.mark.parametrize(
    "environment",
    [
        {"EXCHANGE_NAME": "mtgox"},
        {"DATABASE_URL": "mysql://me@127.0.0.1/trading"},
        {"EXCHANGE_NAME": "mtgox", "DATABASE_URL": "nonsense", "RECONCILIATION_SHARDS": "0"},
    ],
    ids=["exchange", "database", "everything"],
)
def test_settings_valid_only_in_form_are_a_problem(
    check: Check, environment: dict[str, str]
) -> None:
    code, results = check(**environment)

    messages = " ".join(problem["what"] for problem in results["settings"]["problems"])
    assert code == 78
    assert results["settings"]["verdict"] == "problem"
    assert all(name in messages for name in environment)
    assert all(problem["hint"] for problem in results["settings"]["problems"])


def test_without_an_exchange_check_names_the_paper_exchange(
    check: Check, exchange_environment: Mapping[str, str]
) -> None:
    code, results = check(EXCHANGE_NAME="")

    url = exchange_environment["EXCHANGE_BASE_URL"]
    assert code == 0
    assert results["settings"]["verdict"] == "warning"
    assert results["settings"]["problems"] == [
        {
            "what": f"EXCHANGE_NAME is not set: the paper exchange at {url} is used",
            "hint": "set EXCHANGE_NAME to your exchange, or to paper",
        }
    ]


def test_passphrase_that_the_exchange_does_not_take_is_a_remark(check: Check) -> None:
    code, results = check(EXCHANGE_API_PASSPHRASE="correct horse")

    assert code == 0
    assert results["settings"]["verdict"] == "warning"
    assert results["settings"]["problems"] == [
        {
            "what": "EXCHANGE_API_PASSPHRASE is set, but paper takes none: it is not used",
            "hint": "unset it, or set EXCHANGE_NAME to the exchange that it belongs to",
        }
    ]


def remember_account(database_url: str, identity: str, exchange: str = "paper") -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reconciliation_state VALUES (%s, jsonb_build_object('identity', %s::text),"
            " now(), 'supervisor')",
            (f"account.{exchange}", identity),
        )


def test_a_key_of_another_account_is_a_problem(check: Check, database_url: str) -> None:
    remember_account(database_url, "4711")

    code, results = check(DATABASE_URL=database_url)

    (problem,) = results["account"]["problems"]
    assert code == 78
    assert results["account"]["verdict"] == "problem"
    assert "the orders belong to account 4711: nothing would be written" in problem["what"]
    assert "reconciler account confirm --by YOUR-NAME" in problem["hint"]


def test_the_remembered_account_of_this_exchange_is_right(check: Check, database_url: str) -> None:
    remember_account(database_url, "4711", exchange="binance")
    first = check(DATABASE_URL=database_url)
    identity = first[1]["account"]["detail"].partition(",")[0]
    remember_account(database_url, identity)

    code, results = check(DATABASE_URL=database_url)

    assert first[0] == code == 0
    assert first[1]["account"]["detail"] == f"{identity}, to be remembered at the first run"
    assert results["account"]["detail"] == f"{identity}, the account of the orders"


def test_the_account_check_is_skipped_without_readable_tables(
    check: Check, empty_database_url: str
) -> None:
    _, without_tables = check(DATABASE_URL=empty_database_url)
    _, without_exchange = check(EXCHANGE_BASE_URL=NOWHERE)

    assert without_tables["account"]["detail"] == "not checked until the schema is right"
    assert without_exchange["account"]["detail"] == "not checked until the exchange answers"


def add_orders(database_url: str, statuses: Mapping[str, int], external: str | None = "1") -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_status_check")
        for status, rows in statuses.items():
            connection.execute(
                "INSERT INTO orders (symbol, external_order_id, status)"
                " SELECT 'BTCUSDT', %s, %s FROM generate_series(1, %s)",
                (external, status, rows),
            )


def test_open_orders_with_unknown_statuses_are_counted_and_fail(
    check: Check, database_url: str
) -> None:
    add_orders(database_url, {"OPEN": 151, "PARTIALLY_FILLED": 49, "FILLED": 7})

    code, results = check(DATABASE_URL=database_url)

    (problem,) = results["open orders"]["problems"]
    assert code == 78
    assert problem["what"] == "200 rows look open, 0 by our words: OPEN 151, PARTIALLY_FILLED 49"
    assert "what each word means: OPEN = ...; PARTIALLY_FILLED = ..." in problem["hint"]
    assert "ALTER" not in problem["hint"]


def test_open_orders_are_counted_with_those_without_an_id(check: Check, database_url: str) -> None:
    add_orders(database_url, {"new": 5, "filled": 3})
    add_orders(database_url, {"pending": 2}, external=None)

    code, results = check(DATABASE_URL=database_url)

    assert code == 0
    assert results["open orders"]["verdict"] == "ok"
    assert results["open orders"]["detail"] == (
        "5 followed; 2 open rows have no external_order_id and are not followed"
    )


def test_mostly_missing_external_ids_are_a_warning(check: Check, database_url: str) -> None:
    add_orders(database_url, {"new": 2}, external="")

    code, results = check(DATABASE_URL=database_url)

    assert code == 0
    assert results["open orders"]["verdict"] == "warning"
    assert "external_order_id" in results["open orders"]["problems"][0]["hint"]


def test_an_enum_with_other_labels_is_counted_though_unsuitable(
    check: Check, database_url: str
) -> None:
    add_orders(database_url, {"OPEN": 3})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP INDEX reconciler_open_orders")
        connection.execute("ALTER TABLE orders ALTER COLUMN status DROP DEFAULT")
        connection.execute("CREATE TYPE word AS ENUM ('OPEN', 'CLOSED')")
        connection.execute("ALTER TABLE orders ALTER COLUMN status TYPE word USING status::word")

    code, results = check(DATABASE_URL=database_url)

    assert code == 78
    assert results["orders"]["verdict"] == "problem"
    assert results["open orders"]["problems"][0]["what"] == (
        "3 rows look open, 0 by our words: OPEN 3"
    )


def test_open_rows_that_name_the_same_order_are_counted_and_named(
    check: Check, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status)"
            " SELECT 'BTCUSDT', '7', 'new' FROM generate_series(1, 60)"
        )

    code, results = check(DATABASE_URL=database_url)

    assert code == 0
    assert results["duplicates"]["verdict"] == "warning"
    assert results["duplicates"]["detail"] == "60 open rows name 1 orders between them"
    assert "7 of BTCUSDT (60 rows)" in results["duplicates"]["problems"][0]["what"]


POLICIES = {
    "no policy at all": ([], "problem"),
    "one that shows nothing": (
        ["CREATE POLICY hide ON orders USING (false)"],
        "warning",
    ),
    "one that shows some": (["CREATE POLICY few ON orders USING (symbol = 'A')"], "warning"),
    "only reading": (["CREATE POLICY reads ON orders FOR SELECT USING (true)"], "problem"),
    "all shown, but not all taken": (
        ["CREATE POLICY all_ ON orders USING (true) WITH CHECK (status <> 'filled')"],
        "warning",
    ),
    "one that restricts": (
        [
            "CREATE POLICY all_ ON orders USING (true)",
            "CREATE POLICY less ON orders AS RESTRICTIVE USING (symbol <> 'B')",
        ],
        "warning",
    ),
    "of another role": (["CREATE POLICY theirs ON orders TO pg_monitor USING (true)"], "problem"),
    "everything": (["CREATE POLICY all_ ON orders USING (true)"], "ok"),
    "some, and everything": (
        [
            "CREATE POLICY few ON orders USING (symbol = 'A')",
            "CREATE POLICY all_ ON orders USING (true)",
        ],
        "ok",
    ),
}


@pytest.mark.parametrize(("policies", "status"), POLICIES.values(), ids=POLICIES)
def test_hiding_or_refusing_policies_are_reported_with_a_hint(
    policies: list[str],
    status: str,
    check: Check,
    database_url: str,
    as_role: Callable[..., str],
) -> None:
    url = as_role(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        *policies,
    )

    code, results = check(DATABASE_URL=url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for problem in results["policies"]["problems"]:
            if "CREATE POLICY reconciler ON orders" in problem["hint"]:
                connection.execute("DROP POLICY IF EXISTS reconciler ON orders")
                connection.execute(problem["hint"].partition(": ")[2].encode())
    _, findings_then = check(DATABASE_URL=url)

    assert results["policies"]["verdict"] == status
    assert code == (78 if status == "problem" else 0)
    is_restricted = any("RESTRICTIVE" in policy for policy in policies)
    assert findings_then["policies"]["verdict"] == ("warning" if is_restricted else "ok")
