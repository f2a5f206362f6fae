"""Trials with real parts: PostgreSQL, the supervisor with its workers, an exchange over HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from reconciler.cli.app import cli
from reconciler.paper.process import PaperProcess

from .conftest import ORDERS, SYMBOLS, RunTune, contents, relations

pytestmark = pytest.mark.long

TWO_TRIALS = ("--shards", "1,2", "--batch-sizes", "200")
NOT_ASKED = ("--latency-ms", "0")
SELECT_ONLY = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"


def report_of(stdout: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(stdout)
    return report


def test_read_only_role_gets_advice_and_nothing_is_written(
    run_tune: RunTune, filled_url: str, as_reader: Callable[[str], str]
) -> None:
    before = contents(filled_url)

    ended = run_tune(*TWO_TRIALS, *NOT_ASKED, "--json", DATABASE_URL=as_reader(SELECT_ONLY))

    assert ended.returncode == 0, ended.stderr
    report = report_of(ended.stdout)
    trials = report["trials"]
    assert report["dry"] is True
    assert report["open_orders"] == report["sample_orders"] == ORDERS
    assert report["sample_symbols"] == SYMBOLS
    assert report["latency_requests"] == 0
    assert [(trial["shards"], trial["orders"]) for trial in trials] == [(1, ORDERS), (2, ORDERS)]
    assert all(trial["failed"] == 0 and trial["weight"] > 0 for trial in trials)
    assert report["advice"]["shards"] in {1, 2}
    assert report["advice"]["reason"]
    assert contents(filled_url) == before


def test_halt_of_the_real_supervisor_does_not_stop_a_trial(
    run_tune: RunTune, filled_url: str
) -> None:
    with psycopg.connect(filled_url) as connection:
        connection.execute(
            "INSERT INTO reconciliation_state (key, value, changed_at, changed_by)"
            " VALUES ('halt', '{\"reason\": \"a test\"}', now(), 'a test')"
        )

    ended = run_tune("--shards", "1", "--batch-sizes", "200", *NOT_ASKED, DATABASE_URL=filled_url)

    assert ended.returncode == 0, ended.stderr
    assert "Nothing was written" in ended.stdout


def test_trials_write_to_the_scratch_copy_and_remove_it(
    run_tune: RunTune, filled_url: str, empty_database_url: str
) -> None:
    before = contents(filled_url)

    ended = run_tune(
        *("--shards", "1", "--batch-sizes", "100,200", "--ended-share", "0.5"),
        *(*NOT_ASKED, "--scratch", empty_database_url, "--json"),
        DATABASE_URL=filled_url,
    )

    assert ended.returncode == 0, ended.stderr
    report = report_of(ended.stdout)
    assert report["dry"] is False
    assert [trial["batch_size"] for trial in report["trials"]] == [200, 100]
    assert all(trial["orders"] == ORDERS for trial in report["trials"])
    assert contents(filled_url) == before
    assert relations(empty_database_url) == []


def test_trials_write_to_a_copy_with_our_names_whatever_the_table_is_called(
    run_tune: RunTune, filled_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(filled_url) as connection:
        connection.execute("ALTER TABLE orders RENAME TO deals")
    file = tmp_path / "reconciler.toml"
    file.write_text('[orders]\ntable = "deals"\nscope = "one"\n')

    ended = run_tune(
        *("--shards", "1", "--batch-sizes", "200", *NOT_ASKED, "--json"),
        *("--scratch", empty_database_url),
        DATABASE_URL=filled_url,
        RECONCILIATION_CONFIG=str(file),
    )

    assert ended.returncode == 0, ended.stderr
    assert [trial["orders"] for trial in report_of(ended.stdout)["trials"]] == [ORDERS]
    assert relations(empty_database_url) == []


def test_configured_exchange_is_only_asked_for_its_time(run_tune: RunTune, filled_url: str) -> None:
    with PaperProcess(options=("--latency-ms", "20")) as exchange:
        ended = run_tune(
            *("--shards", "1", "--batch-sizes", "200", "--json"),
            DATABASE_URL=filled_url,
            EXCHANGE_BASE_URL=exchange.url,
        )
        asked = exchange.stats()

    assert ended.returncode == 0, ended.stderr
    report = report_of(ended.stdout)
    assert report["latency_ms"] >= 20
    assert report["latency_requests"] == report["latency_weight"] == asked["weight"] == 6
    assert asked["requests"] == {"time": 6}


def test_terminal_shows_each_rate_and_then_what_to_set(run_tune: RunTune, filled_url: str) -> None:
    ended = run_tune(*TWO_TRIALS, *NOT_ASKED, DATABASE_URL=filled_url)

    assert ended.returncode == 0, ended.stderr
    assert "1 shard, batches of 200: " in ended.stderr
    assert "2 shards, batches of 200: " in ended.stderr
    for part in ("orders/s", "limit", "needed", "recommended", "RECONCILIATION_SHARDS="):
        assert part in ended.stdout
    assert "reconciler scale " in ended.stdout


def test_orders_without_a_numeric_id_are_left_out(run_tune: RunTune, filled_url: str) -> None:
    with psycopg.connect(filled_url) as connection:
        connection.execute(
            "UPDATE orders SET external_order_id = 'x' || external_order_id WHERE id <= 10"
        )

    ended = run_tune(
        *("--shards", "1", "--batch-sizes", "200", "--json"), *NOT_ASKED, DATABASE_URL=filled_url
    )

    assert ended.returncode == 0, ended.stderr
    report = report_of(ended.stdout)
    assert (report["sample_orders"], report["left_out"]) == (ORDERS - 10, 10)


def test_trial_assigns_no_more_work_after_its_time_limit(
    run_tune: RunTune, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO orders (symbol, external_order_id, status, qty)"
            " SELECT 'SYM' || n || 'USDT', n::text, 'new', 1 FROM generate_series(1, 1000) AS n"
        )

    ended = run_tune(
        *("--shards", "1", "--batch-sizes", "200", "--seconds", "0.1", "--json"),
        *("--latency-ms", "150"),
        DATABASE_URL=database_url,
        RECONCILIATION_RATE_SHARE="0.05",
    )

    assert ended.returncode == 0, ended.stderr
    (trial,) = report_of(ended.stdout)["trials"]
    assert 0 < trial["orders"] < 1000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_interruption_ends_tune_and_leaves_nothing_behind(
    filled_url: str, empty_database_url: str, number: signal.Signals
) -> None:
    command = [
        *(sys.executable, "-m", "reconciler", "tune", "--shards", "1,2,3,4"),
        *("--latency-ms", "500", "--scratch", empty_database_url),
    ]
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        env={**os.environ, "DATABASE_URL": filled_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("1 shard, batches" in line for line in process.stderr)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=300)

    assert process.returncode == 130, stderr
    assert stdout == ""
    assert relations(empty_database_url) == []


def refused(run_tune: RunTune, *arguments: str, **environment: str) -> tuple[int, str]:
    ended = run_tune(*arguments, **environment)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_tune_without_an_open_order_ends_with_code_78(run_tune: RunTune, database_url: str) -> None:
    code, stderr = refused(run_tune, *NOT_ASKED, DATABASE_URL=database_url)

    assert code == 78
    assert "there is no open order to try with" in stderr
    assert "hint: " in stderr


def test_role_without_select_ends_with_code_78(
    run_tune: RunTune, filled_url: str, as_reader: Callable[[str], str]
) -> None:
    before = contents(filled_url)

    code, stderr = refused(
        run_tune, *NOT_ASKED, DATABASE_URL=as_reader("GRANT USAGE ON SCHEMA public TO {role}")
    )

    assert code == 78
    assert "permission denied" in stderr
    assert "hint: " in stderr
    assert contents(filled_url) == before


def test_unreachable_database_ends_with_code_69(run_tune: RunTune) -> None:
    code, stderr = refused(
        run_tune, *NOT_ASKED, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"
    )

    assert code == 69
    assert "hint: " in stderr


def test_unreachable_exchange_ends_with_69_and_a_way_around(
    run_tune: RunTune, filled_url: str
) -> None:
    code, stderr = refused(
        run_tune, DATABASE_URL=filled_url, EXCHANGE_BASE_URL="http://127.0.0.1:1"
    )

    assert code == 69
    assert "with --latency-ms it need not be asked" in stderr


def test_unreachable_scratch_database_is_named_as_such(run_tune: RunTune, filled_url: str) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"

    code, stderr = refused(run_tune, *NOT_ASKED, "--scratch", away, DATABASE_URL=filled_url)

    assert code == 69
    assert f"the database {away} does not answer" in stderr
    assert "wherever you gave this address" in stderr


def test_scratch_database_that_is_in_use_is_refused(run_tune: RunTune, filled_url: str) -> None:
    before = contents(filled_url)

    code, stderr = refused(run_tune, *NOT_ASKED, "--scratch", filled_url, DATABASE_URL=filled_url)

    assert code == 78
    assert "public.orders" in stderr
    assert "createdb reconciler_tune" in stderr
    assert contents(filled_url) == before


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--shards", "0,1"), id="no shard"),
        pytest.param(("--shards", "65"), id="too many shards"),
        pytest.param(("--shards", "two"), id="a word"),
        pytest.param(("--batch-sizes", "1,,2"), id="a gap"),
        pytest.param(("--scratch", "mysql://host/name"), id="another database"),
        pytest.param(("--ended-share", "nan"), id="a share that is no number"),
        pytest.param(("--seconds", "nan"), id="a time that is no number"),
    ],
)
def test_mistyped_option_is_refused_before_anything_is_done(arguments: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(cli, ("tune", *arguments))

    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert arguments[0] in ended.stderr
