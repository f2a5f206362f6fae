"""The changes and one order's life: live, filtered, exported, and right for any text."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from playwright.sync_api import expect
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from .axe import violations
from .conftest import NARROW, OpenPage
from .orders_on_hold import HOSTILE, REPORT, Connection, change, hold
from .processes import RunningConsole


@pytest.fixture(scope="module")
def module_database_url(module_database_url: str) -> str:
    """A database of orders with texts as ids."""
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE orders ALTER COLUMN id DROP IDENTITY")
        connection.execute("ALTER TABLE orders ALTER COLUMN id TYPE text")
    return module_database_url


@pytest.fixture
def database(module_database_url: str) -> Iterator[Connection]:
    """The module's database, with nothing in it."""
    with psycopg.connect(module_database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("TRUNCATE orders, activity_log, reconciliation_holds")
        yield connection


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_new_change_appears_by_itself_with_both_words(
    database: Connection, console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(console, "changes")
    expect(page.locator("#changes")).to_have_text("Nothing was changed.")

    change(database, "4711")

    expect(page.locator("#changes tbody tr")).to_have_count(1)
    expect(page.locator("#changes")).to_contain_text("PARTIALLY_FILLED (partial)")
    expect(page.locator("#changes")).to_contain_text("0 → 1.5")
    assert violations(page) == []


def test_the_filter_chooses_and_pages_go_on(database: Connection, client: httpx.Client) -> None:
    for number in range(60):
        change(database, str(number))
    change(database, "eth", report={**REPORT, "symbol": "ETHUSDT"}, rule="ended")

    def found(path: str = "changes", **query: str) -> list[str]:
        return re.findall(r'href="/order\?id=(\w+)"', client.get(path, params=query or None).text)

    older = re.search(r'href="([^"]*before=[^"]*)"', client.get("changes").text)
    assert older is not None

    assert found()[0] == "eth"
    assert found(older[1].replace("&amp;", "&"))[-1] == "0"
    assert len(found()) + len(found(older[1].replace("&amp;", "&"))) == 61
    assert found(symbol="ETHUSDT") == found(rule="ended") == ["eth"]
    assert len(found(to="PARTIALLY_FILLED")) == len(found(**{"from": "new"})) == 50
    assert found(to="filled") == []
    assert client.get("changes", params={"since": "x"}).status_code == 400
    assert client.get("changes", params={"before": "x"}).status_code == 400


def test_the_export_has_all_that_match_exact_and_no_formula(
    database: Connection, client: httpx.Client
) -> None:
    number = "-123456789012345678.000000000000000001"
    for _ in range(2500):
        change(database, "of another symbol", report={"symbol": "ETHUSDT"})
    change(database, "=1+1", by="@SUM(A1)", executed=number)
    change(database, HOSTILE, rule="\t=x", executed="+1")
    change(database, "-5")

    answer = client.get("changes.csv", params={"symbol": "BTCUSDT"})
    rows = rows_of(answer.text)

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["order_id"] for row in rows] == ["-5", HOSTILE, "'=1+1"]
    assert rows[2]["by"] == "'@SUM(A1)"
    assert rows[2]["executed_after"] == number
    assert (rows[1]["rule"], rows[1]["executed_after"]) == ("'\t=x", "'+1")
    assert len(rows_of(client.get("changes.csv").text)) == 2503


def test_an_orders_life_shows_who_changed_what_and_why_it_is_looked_at(
    database: Connection, console: RunningConsole, open_page: OpenPage
) -> None:
    hold(database, 7)
    change(database, "7")
    change(database, "7", executed="4", by="ada", rule="accepted")
    database.execute(
        "INSERT INTO activity_log (order_id, action, details) VALUES ('7', 'order.note', '{}')"
    )

    page = open_page(console, "order?id=7")

    life = page.locator("#life li")
    expect(life).to_have_count(4)
    expect(life.nth(0)).to_contain_text("set aside for conflict")
    expect(life.nth(1)).to_contain_text("new → PARTIALLY_FILLED (partial), executed 0 → 1.5")
    expect(life.nth(2)).to_contain_text("written by ada")
    expect(life.nth(3)).to_contain_text("the application")
    expect(page.locator("#now")).to_contain_text("It is not reconciled: it is on hold until")
    expect(page.locator(".order-chart canvas")).to_have_count(1)
    assert violations(page) == []


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_an_id_of_any_letters_leads_to_its_order(
    database: Connection, console: RunningConsole, open_page: OpenPage, *, is_dark: bool
) -> None:
    database.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status) VALUES (%s, %s, %s, 'new')",
        (HOSTILE, HOSTILE, HOSTILE),
    )
    change(database, HOSTILE, by=HOSTILE, report={"symbol": HOSTILE})
    change(database, HOSTILE, executed="2", report={"word": HOSTILE, "placed_at": HOSTILE})
    page = open_page(console, "changes", width=NARROW, dark=is_dark)

    page.get_by_role("link", name="<script>").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#life li")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert violations(page) == []


def test_an_unknown_order_is_said_to_be_unknown(client: httpx.Client) -> None:
    unknown = client.get("order", params={"id": "none"})

    assert unknown.status_code == 404
    assert "is neither in orders nor in the activity log" in unknown.text
    assert client.get("order", params={"id": "\0"}).status_code == 400
    assert client.get("order").status_code == 200


def test_what_an_older_version_logged_is_shown_as_far_as_it_goes(
    database: Connection, client: httpx.Client
) -> None:
    entries: tuple[dict[str, object], ...] = (
        {},
        {"from": None, "to": 5, "report": [], "fetched_at": None, "rule": 7},
    )
    for details in entries:
        database.execute(
            "INSERT INTO activity_log (order_id, action, details, created_at)"
            " VALUES ('1', 'reconciliation.update', %s, %s)",
            (Jsonb(details), datetime.now(UTC) - timedelta(days=400)),
        )

    for path in ("changes", "changes.csv", "order?id=1"):
        assert client.get(path).status_code == 200, path
