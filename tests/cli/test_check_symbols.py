"""`check` compares the symbols of the open orders with those that the exchange lists."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.orders import SeedOptions

from .conftest import Invoke

Check = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def check(
    invoke: Invoke,
    database_url: str,
    exchange: PaperExchange,
    exchange_environment: Mapping[str, str],
    tmp_path: Path,
) -> Check:
    """Insert open orders of these symbols, and run `check` with this file: code and result."""
    file = tmp_path / "reconciler.toml"
    exchange.seed(SeedOptions(orders=12, symbols=12))

    def check(symbols: Mapping[str | None, int], config: str = "") -> tuple[int, dict[str, Any]]:
        file.write_text(config, encoding="utf-8")
        with psycopg.connect(database_url) as connection:
            for symbol, orders in symbols.items():
                connection.execute(
                    "INSERT INTO orders (symbol, external_order_id, status) SELECT %s, n::text,"
                    " CASE n WHEN 0 THEN 'filled' ELSE 'new' END FROM generate_series(0, %s) AS n",
                    (symbol, orders),
                )
        result = invoke(
            "check",
            "--json",
            DATABASE_URL=database_url,
            RECONCILIATION_CONFIG=str(file),
            **exchange_environment,
        )
        checks = {one["check"]: one for one in json.loads(result.stdout)["checks"]}
        return result.exit_code, checks["symbols"]

    return check


def test_symbols_that_the_exchange_lists_are_counted(check: Check) -> None:
    code, result = check({"BTCUSDT": 2, "eth/usdt": 1})

    assert (code, result["verdict"]) == (0, "ok")
    assert result["detail"] == "the exchange lists the 2 symbols of 3 open orders"


def test_what_a_rule_would_fix_is_said_as_the_line_that_fixes_it(check: Check) -> None:
    stored: dict[str | None, int] = {"BTCUSDT": 1, "BTC_USDT": 12, "ETH:USDT.BINANCE": 1}
    code, result = check(stored, "[orders.symbols]\nignore = '.'\n")

    (problem,) = result["problems"]
    assert (code, result["verdict"]) == (0, "warning")
    assert result["detail"] == "the exchange does not list 2 of the 3 symbols of 14 open orders"
    assert problem["what"] == (
        'the exchange does not list 2 symbols: BTC_USDT (in the table "BTC_USDT", 12 open orders),'
        ' ETH:USDTBINANCE (in the table "ETH:USDT.BINANCE", 1 open order)'
    )
    line = 'ignore = "._:" and strip_suffix = [".BINANCE"]'
    assert problem["hint"] == f"write in reconciler.toml: [orders.symbols] {line}"
    fixed = "[orders.symbols]\n" + line.replace(" and ", "\n")
    assert check({}, fixed)[1]["verdict"] == "ok"


def test_other_symbols_get_exceptions_with_the_nearest_name(check: Check) -> None:
    stored: dict[str | None, int] = {"BTCUSDT": 1, " XBT/USD ": 9, "BTC-USDT-PERP": 8}
    code, result = check({**stored, **{f"NONE-{n}": 1 for n in range(5)}})

    (problem,) = result["problems"]
    assert (code, result["verdict"]) == (0, "warning")
    assert problem["what"].startswith(
        'the exchange does not list 7 symbols: XBT/USD (in the table " XBT/USD ", 9 open orders),'
        ' BTC-USDT-PERP (in the table "BTC-USDT-PERP", 8 open orders), NONE-0'
    )
    assert problem["what"].endswith("and 2 more")
    assert '[orders.symbols] rename = { "XBT/USD" = "' in problem["hint"]
    assert '"NONE-0" = "..."' in problem["hint"]
    assert "ignore" not in problem["hint"]


KEYS = """
[orders.columns]
symbol = { query = "SELECT name FROM pairs WHERE id = :value", column = "pair_id" }
"""


def test_keys_without_a_single_name_are_named(check: Check, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TABLE pairs (id int, name text);"
            "INSERT INTO pairs VALUES"
            " (1, 'BTC/USDT'), (2, 'A'), (2, 'B'), (3, NULL), (4, 'BTC_USDT');"
            "ALTER TABLE orders ADD COLUMN pair_id int;"
            "INSERT INTO orders (symbol, pair_id, external_order_id, status)"
            " SELECT '', nullif(n % 6, 5), n::text, 'new' FROM generate_series(0, 11) AS n"
        )

    _, result = check({}, KEYS)

    unlisted, nameless = result["problems"]
    assert result["verdict"] == "warning"
    assert "1 symbol: BTC_USDT (pair_id 4, 2 open orders)" in unlisted["what"]
    assert nameless["what"] == (
        "the exchange cannot be asked for 4 symbols: pair_id 0 has no name (2 open orders),"
        " pair_id 2 has 2 names (2 open orders), pair_id 3 has no name (2 open orders),"
        " an empty one (in the table NULL, 2 open orders)"
    )
    assert "one name for each key" in nameless["hint"]


def test_if_the_exchange_lists_no_symbol_of_all_no_run_can_start(check: Check) -> None:
    code, result = check({"BTC_USDT": 1, "": 1})

    assert (code, result["verdict"]) == (78, "problem")
    assert result["detail"] == "the exchange lists none of the 2 symbols of 2 open orders"
    assert [problem["hint"].partition(":")[0] for problem in result["problems"]] == [
        "write in reconciler.toml",
        "write the exchange's symbol into these rows, or leave the rows out with [orders] where",
    ]


def test_without_open_orders_no_symbol_is_compared(check: Check, exchange: PaperExchange) -> None:
    code, result = check({"nothing": 0})

    assert (code, result["verdict"], result["detail"]) == (0, "ok", "no order is open")
    assert "account" in exchange.request_log.count_by_route
    # Once, to ask about an order that does not exist.
    assert exchange.request_log.count_by_route["exchangeInfo"] == 1


def test_an_exchange_that_gives_no_list_is_no_problem(
    check: Check, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(route="exchangeInfo", error_rate=1), exchange.clock_ms())

    code, result = check({"BTCUSDT": 1})

    assert (code, result["verdict"]) == (0, "skipped")
    assert result["detail"].startswith(
        "not checked until the exchange lists its symbols: /api/v3/exchangeInfo: HTTP 5"
    )
