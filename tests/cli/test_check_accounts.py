"""`check` says whose the open rows are, where the file names a column with it."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.errors import ConfigurationError
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.orders import SeedOptions
from reconciler.settings import Settings

from .conftest import Invoke

ACCOUNTS = """
[orders.columns]
account = "userId"
"""
EXCHANGES = """
[orders]
where = "kind <> 'old'"
[orders.columns]
exchange = "venue"
"""
CONSTANT = """
[orders.columns]
exchange = { constant = "Kraken" }
"""

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(
    invoke: Invoke,
    database_url: str,
    exchange: PaperExchange,
    exchange_environment: Mapping[str, str],
    tmp_path: Path,
) -> Check:
    """Insert orders by user, venue and status, and run `check` with this file: code and results."""
    file = tmp_path / "reconciler.toml"
    exchange.seed(SeedOptions(orders=1, symbols=1))
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "ALTER TABLE orders ADD \"userId\" int, ADD venue text, ADD kind text DEFAULT 'new'"
        )

    def check(
        config: str, rows: Mapping[tuple[int | None, str, str], int], **environment: str
    ) -> tuple[int, dict[str, Any]]:
        file.write_text(config, encoding="utf-8")
        with psycopg.connect(database_url) as connection:
            for (user, venue, status), count in rows.items():
                connection.execute(
                    'INSERT INTO orders (symbol, external_order_id, "userId", venue, status)'
                    " SELECT 'BTCUSDT', gen_random_uuid(), %s, %s, %s FROM generate_series(1, %s)",
                    (user, venue, status, count),
                )
        named = {
            "DATABASE_URL": database_url,
            "RECONCILIATION_CONFIG": str(file),
            **exchange_environment,
        }
        result = invoke("check", "--json", **{**named, **environment})
        return result.exit_code, {one["check"]: one for one in json.loads(result.stdout)["checks"]}

    return check


def test_without_a_column_there_is_nothing_to_compare(check: Check) -> None:
    code, results = check("", {(7, "binance", "new"): 1})

    assert (code, results["accounts"]["verdict"]) == (0, "ok")


def test_one_account_is_named_and_several_are_a_warning(check: Check) -> None:
    ended = {(8, "", "filled"): 5}
    _, one = check(ACCOUNTS, {(7, "", "new"): 2, **ended})
    many = {(user, "", "new"): 1 for user in range(20, 26)}
    code, several = check(ACCOUNTS, {(9, "", "new"): 4, (None, "", "new"): 3, **many})

    assert one["accounts"]["detail"] == 'open orders have 7 (2) in "userId"'
    (problem,) = several["accounts"]["problems"]
    assert (code, several["accounts"]["verdict"]) == (0, "warning")
    assert problem["what"].startswith(
        'open orders have 9 values in "userId": 9 (4), NULL (3), 7 (2), 20 (1), 21 (1),'
        " and 4 more; this program asks with one key"
    )
    assert """[orders] where = '"userId" = 9' and a scope of its own""" in problem["hint"]


def test_only_rows_of_other_exchanges_are_a_problem(check: Check) -> None:
    others = {(1, "kraken", "new"): 12, (1, "Binance Spot", "new"): 3}
    code, results = check(EXCHANGES, others, EXCHANGE_NAME="binance")

    (problem,) = results["accounts"]["problems"]
    assert (code, results["accounts"]["verdict"]) == (78, "problem")
    assert problem["what"] == (
        "no row has binance in venue, and nothing would be followed: open orders have"
        ' kraken (12), "Binance Spot" (3)'
    )
    assert problem["hint"].endswith(
        """[orders] where = "(kind <> 'old') AND venue = 'Binance Spot'\""""
    )
    # A row that has ended shows that the name is right.
    _, later = check(EXCHANGES, {(1, " BINANCE ", "filled"): 1}, EXCHANGE_NAME="binance")
    assert later["accounts"]["verdict"] == "ok"
    _, on_paper = check(EXCHANGES, {})
    assert on_paper["accounts"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("paper", []),
        ("ccxt:kraken", []),
        ("binance", ["set EXCHANGE_NAME to Kraken, or correct exchange in [orders.columns]"]),
    ],
)
def test_a_file_for_another_exchange_is_refused_at_the_start(
    name: str, hints: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reconciler.toml"
    file.write_text(CONSTANT, encoding="utf-8")
    monkeypatch.setenv("EXCHANGE_NAME", name)
    monkeypatch.setenv("RECONCILIATION_CONFIG", str(file))

    _, invalid, problems = Settings.load_valid()

    assert invalid == frozenset()
    assert [problem.hint for problem in problems] == hints
    refused = pytest.raises(ConfigurationError, match="wrong exchange") if hints else nullcontext()
    with refused:
        Settings.load()
