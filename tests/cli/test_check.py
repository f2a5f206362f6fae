"""`reconciler check`: every problem at once, each with its hint, and the exit code of the worst."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from reconciler.cli.checks.database import check_vacuum, judged_clock
from reconciler.cli.checks.finding import Verdict
from reconciler.paper.exchange import PaperExchange
from reconciler.store.database import Database

from .conftest import NOWHERE, Invoke, url_as

ALL = [
    "settings",
    "database",
    "database clock",
    "orders",
    "schema",
    "rights",
    "times",
    "vacuum",
    "exchange",
    "exchange clock",
    "statsd",
]


@pytest.fixture
def check(
    invoke: Invoke, ready_database_url: str, exchange_environment: Mapping[str, str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run `check --json` where all is well but for what is given; return code and findings."""

    def check(**environment: str) -> tuple[int, dict[str, Any]]:
        good = {"DATABASE_URL": ready_database_url, **exchange_environment}
        result = invoke("check", "--json", **{**good, **environment})
        told = json.loads(result.stdout)
        assert told["exit_code"] == result.exit_code
        return result.exit_code, {finding["check"]: finding for finding in told["checks"]}

    return check


Check = Callable[..., tuple[int, dict[str, Any]]]


def verdicts(findings: Mapping[str, Any]) -> dict[str, str]:
    return {name: finding["verdict"] for name, finding in findings.items()}


def test_where_all_is_well_every_check_says_so_and_the_code_is_zero(check: Check) -> None:
    code, findings = check()

    assert code == 0
    assert verdicts(findings) == dict.fromkeys(ALL, "ok")


def test_the_table_has_one_line_for_each_check_and_then_the_verdict(
    invoke: Invoke, ready_database_url: str, exchange_environment: Mapping[str, str]
) -> None:
    result = invoke("check", DATABASE_URL=ready_database_url, **exchange_environment)

    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert [line[: len(name)] for line, name in zip(lines[1:], ALL, strict=False)] == ALL
    assert lines[len(ALL) + 1 :] == ["a run can start"]


def test_settings_that_do_not_fit_are_all_named_and_the_rest_is_checked(check: Check) -> None:
    code, findings = check(
        RECONCILIATION_SHARDS="0", RECONCILIATION_BATCH_SIZE="many", STATSD_PORT="70000"
    )

    said = [problem["what"] for problem in findings["settings"]["problems"]]
    assert code == 78
    assert [what.split()[0] for what in said] == [
        "RECONCILIATION_BATCH_SIZE",
        "RECONCILIATION_SHARDS",
        "STATSD_PORT",
    ]
    assert verdicts(findings)["rights"] == "ok"
    assert verdicts(findings)["exchange"] == "ok"
    assert verdicts(findings)["statsd"] == "skipped"


def test_a_broken_exchange_address_is_not_asked_elsewhere(check: Check) -> None:
    code, findings = check(EXCHANGE_BASE_URL="ftp://127.0.0.1")

    assert code == 78
    assert verdicts(findings)["exchange"] == "skipped"


def test_a_misspelled_setting_is_a_warning_with_the_right_name(check: Check) -> None:
    code, findings = check(RECONCILIATION_SHARD="3")

    assert code == 0
    assert findings["settings"]["verdict"] == "warning"
    assert findings["settings"]["problems"] == [
        {
            "what": "RECONCILIATION_SHARD is set, but there is no such setting",
            "hint": "rename it to RECONCILIATION_SHARDS, or unset it",
        }
    ]


def test_a_database_that_is_away_is_code_69_and_the_exchange_is_checked_all_the_same(
    check: Check,
) -> None:
    code, findings = check(DATABASE_URL="postgresql://me:secret-word@127.0.0.1:1/trading")

    assert code == 69
    assert verdicts(findings) == {
        **dict.fromkeys(ALL, "ok"),
        "database": "problem",
        **dict.fromkeys(ALL[2:8], "skipped"),
    }
    assert "does not answer" in findings["database"]["problems"][0]["what"]
    assert "secret-word" not in json.dumps(findings)


def test_wrong_configuration_outranks_a_service_that_is_away(check: Check) -> None:
    code, findings = check(DATABASE_URL="mysql://me@127.0.0.1/trading", EXCHANGE_BASE_URL=NOWHERE)

    assert code == 78
    assert findings["database"]["problems"][0]["what"] == (
        "DATABASE_URL is not a PostgreSQL URL: its scheme is 'mysql'"
    )
    assert "cannot be reached" in findings["exchange"]["problems"][0]["what"]


def test_an_exchange_that_is_away_is_code_69(check: Check) -> None:
    code, findings = check(EXCHANGE_BASE_URL=NOWHERE)

    assert code == 69
    assert "reconciler paper" in findings["exchange"]["problems"][0]["hint"]


def test_a_key_that_is_not_accepted_is_code_78_and_no_secret_is_shown(check: Check) -> None:
    code, findings = check(EXCHANGE_API_KEY="another-key")

    assert code == 78
    assert "-2015" in findings["exchange"]["problems"][0]["what"]
    assert "EXCHANGE_API_KEY" in findings["exchange"]["problems"][0]["hint"]
    assert "another-key" not in json.dumps(findings)


def test_an_unknown_exchange_names_the_known_ones(check: Check) -> None:
    code, findings = check(EXCHANGE_NAME="mtgox")

    assert code == 78
    assert findings["exchange"]["problems"][0]["what"] == (
        "EXCHANGE_NAME is 'mtgox', which this version cannot talk to"
    )
    assert "binance, paper" in findings["exchange"]["problems"][0]["hint"]


def test_an_exchange_whose_clock_differs_is_a_warning_since_requests_are_corrected(
    check: Check, exchange: PaperExchange
) -> None:
    right = exchange.clock_ms
    exchange.clock_ms = lambda: right() + 3_600_000

    code, findings = check()

    assert code == 0
    assert findings["exchange"]["verdict"] == "ok"
    assert findings["exchange clock"]["verdict"] == "warning"
    seconds = float(findings["exchange clock"]["detail"].split()[0])
    assert seconds == pytest.approx(3600, abs=5)


def test_an_exchange_that_refuses_our_time_for_good_says_to_mend_the_clock(
    check: Check, exchange: PaperExchange
) -> None:
    right, asked = exchange.clock_ms, iter(range(1000))
    exchange.clock_ms = lambda: right() + 60_000 * next(asked)

    code, findings = check()

    assert code == 69
    assert "-1021" in findings["exchange"]["problems"][0]["what"]
    assert "clock" in findings["exchange"]["problems"][0]["hint"]


def test_an_exchange_that_limits_us_is_not_waited_for(
    check: Check, exchange: PaperExchange
) -> None:
    exchange.meter = type(exchange.meter)(1)

    code, findings = check()

    assert code == 69
    assert "-1003" in findings["exchange"]["problems"][0]["what"]


def test_a_metrics_host_that_cannot_be_found_is_a_warning(check: Check) -> None:
    code, findings = check(STATSD_HOST="no-such-host.invalid")

    assert code == 0
    assert findings["statsd"]["verdict"] == "warning"
    assert "STATSD_HOST" in findings["statsd"]["problems"][0]["hint"]


def test_an_empty_database_names_each_part_with_its_hint(
    check: Check, empty_database_url: str
) -> None:
    code, findings = check(DATABASE_URL=empty_database_url)

    assert code == 78
    assert "table orders is missing" in findings["orders"]["problems"][0]["what"]
    assert "--with-orders" in findings["orders"]["problems"][0]["hint"]
    missing = {
        problem["what"].partition(" is missing")[0] for problem in findings["schema"]["problems"]
    }
    assert missing == {
        "table activity_log",
        "table reconciliation_cycles",
        "table reconciliation_holds",
        "table reconciliation_state",
        "index reconciler_stale_orders on orders",
    }


def test_a_missing_column_and_a_missing_index_are_named_with_their_mends(
    check: Check, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders DROP COLUMN avg_price")
        connection.execute("DROP INDEX reconciler_stale_orders")

    code, findings = check(DATABASE_URL=database_url)

    assert code == 78
    assert findings["orders"]["problems"] == [
        {
            "what": "column orders.avg_price is missing",
            "hint": "run: ALTER TABLE orders ADD COLUMN avg_price numeric",
        }
    ]
    assert findings["schema"]["problems"][0]["hint"] == "run: reconciler db upgrade"


def test_a_role_without_any_right_is_told_all_of_them(
    check: Check, as_role: Callable[..., str]
) -> None:
    code, findings = check(DATABASE_URL=as_role())

    lacking = [
        problem["what"].partition(" may not ")[2] for problem in findings["rights"]["problems"]
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
    assert findings["orders"]["verdict"] == "skipped"


def test_each_right_that_is_missing_is_named_and_granting_them_mends_it(
    check: Check, database_url: str, as_role: Callable[..., str]
) -> None:
    url = as_role("GRANT SELECT ON orders TO {role}")
    code, findings = check(DATABASE_URL=url)
    hints = [problem["hint"] for problem in findings["rights"]["problems"]]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for hint in hints:
            connection.execute(hint.partition(": ")[2].encode())

    code_then, findings_then = check(DATABASE_URL=url)

    assert code == 78
    assert len(hints) == 6
    assert "UPDATE (status, executed_qty, avg_price, updated_at, last_synced_at)" in hints[0]
    assert code_then == 0, findings_then


def test_a_wrong_password_is_code_78(
    check: Check, database_url: str, as_role: Callable[..., str]
) -> None:
    role = as_role().split("//")[1].split(":")[0]

    code, findings = check(DATABASE_URL=url_as(database_url, role, "wrong"))

    assert code == 78
    assert "password authentication failed" in findings["database"]["problems"][0]["what"]
    assert "DATABASE_URL" in findings["database"]["problems"][0]["hint"]


def test_a_session_that_holds_vacuum_back_is_a_warning_that_names_it_and_its_end(
    database_url: str,
) -> None:
    with (
        closing(Database(database_url, role="check")) as database,
        psycopg.connect(database_url, application_name="reports") as session,
        database.autocommit() as connection,
    ):
        pid = session.info.backend_pid
        session.execute("SELECT pg_current_xact_id()")
        finding = check_vacuum(connection, longest=timedelta(0))

    (problem,) = finding.problems
    assert finding.verdict is Verdict.WARNING
    assert f"session {pid} (reports, " in problem.what
    assert f"pg_terminate_backend({pid})" in problem.hint


@pytest.mark.parametrize(
    ("seconds", "verdict", "said"),
    [
        ("0", Verdict.OK, "0.000 s ahead of"),
        ("1", Verdict.OK, "1.000 s ahead of"),
        ("-1", Verdict.OK, "1.000 s behind"),
        ("1.001", Verdict.WARNING, "1.001 s ahead of"),
        ("-90", Verdict.WARNING, "90.000 s behind"),
    ],
)
def test_clocks_may_differ_by_a_second(seconds: str, verdict: Verdict, said: str) -> None:
    finding = judged_clock("a clock", timedelta(seconds=float(seconds)), whose="its clock")

    assert finding.verdict is verdict
    assert said in finding.detail


def test_times_that_lie_ahead_are_a_warning_that_counts_them(
    check: Check, database_url: str
) -> None:
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

    code, findings = check(DATABASE_URL=database_url)

    assert code == 0
    assert findings["times"]["verdict"] == "warning"
    told = [problem["what"] for problem in findings["times"]["problems"]]
    assert told[0].startswith("1,640 open orders were synced more than 1 min from now")
    assert told[1].startswith("1 holds have a next_attempt_at more than 60 min from now")
