"""The holds in a real browser: found, looked at, decided, each decision confirmed and audited."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from .axe import violations
from .conftest import NARROW, OpenPage
from .orders_on_hold import HOSTILE, REPORT, Connection, hold, in_force, written_by
from .processes import RunningConsole, post


@pytest.fixture
def database(module_database_url: str) -> Iterator[Connection]:
    """The module's database, with nothing in it."""
    with psycopg.connect(module_database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("TRUNCATE orders, activity_log, reconciliation_holds")
        yield connection


def choose(page: Page, *order_ids: int) -> None:
    for order_id in order_ids:
        page.get_by_label(f"Choose order {order_id}", exact=True).check()


def button(page: Page, name: str | re.Pattern[str]) -> Any:
    return page.get_by_role("button", name=name, exact=isinstance(name, str))


def test_one_is_accepted_after_a_look_at_what_is_written(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    hold(database, 1)
    page = open_page(acting_console, "order?id=1")
    button(page, "Accept …").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Accept 1 hold?")
    expect(page.locator("main")).to_contain_text("The row becomes filled, executed 1.5")
    assert violations(page) == []
    assert in_force(database) == ["1"]

    button(page, "Accept 1 hold").click()

    expect(page.locator("#decision")).to_contain_text("1 of 1 hold was accepted by ada")
    row = database.execute("SELECT status, executed_qty FROM orders").fetchone()
    assert row is not None
    assert (row["status"], str(row["executed_qty"])) == ("filled", "1.50000000")
    assert written_by(database) == [("1", "ada")]
    assert in_force(database) == []


def test_chosen_ones_are_dismissed_and_the_others_stay(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    for order_id in (1, 2, 3):
        hold(database, order_id)
    page = open_page(acting_console, "holds")
    choose(page, 1, 3)
    expect(page.locator("#chosen")).to_have_text("(2)")

    button(page, "Dismiss …").click()
    button(page, "Dismiss 2 holds").click()

    expect(page.locator("#decision")).to_contain_text("2 of 2 holds were dismissed by ada")
    assert in_force(database) == ["2"]
    ended = database.execute(
        "SELECT DISTINCT resolution FROM reconciliation_holds WHERE resolution IS NOT NULL"
    )
    assert [row["resolution"] for row in ended] == ["dismissed by ada"]


def test_all_that_match_are_decided_and_what_cannot_be_is_named(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    for order_id in range(1, 301):
        hold(database, order_id, symbol="ETHUSDT")
    hold(database, 301, symbol="ETHUSDT", reason="error")
    hold(database, 302)
    page = open_page(acting_console, "holds?symbol=ETHUSDT")

    button(page, "Accept all …").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Accept all 301 holds?")
    expect(page.locator("main")).to_contain_text("300 for conflict")
    expect(page.locator("main")).to_contain_text("are refused: the exchange has no view")
    assert violations(page) == []

    button(page, "Accept 301 holds").click()

    expect(page.locator("#decision")).to_contain_text("300 of 301 holds were accepted by ada")
    expect(page.locator("#decision")).to_contain_text("order 301 is on hold for error")
    assert violations(page) == []
    assert in_force(database) == ["301", "302"]
    assert len(written_by(database)) == 300


def test_a_status_is_named_where_the_exchange_has_none(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    hold(database, 1, reason="not_found", report=None)
    hold(database, 2)
    page = open_page(acting_console, "holds")
    choose(page, 1, 2)
    button(page, "Accept …").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accept 1 of 2 holds?")
    expect(page.locator("main")).to_contain_text("name the true one above")

    page.get_by_label("The true status").select_option("canceled")
    button(page, "Show what that writes").click()
    expect(page.locator("main")).to_contain_text("The row becomes canceled")
    button(page, "Accept 2 holds").click()

    expect(page.locator("#decision")).to_contain_text("2 of 2 holds were accepted")
    rows = database.execute("SELECT status FROM orders ORDER BY id")
    assert [row["status"] for row in rows] == ["canceled", "filled"]


def test_holds_that_changed_after_the_look_are_not_decided(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    for order_id in (1, 2, 3):
        hold(database, order_id)
    page = open_page(acting_console, "holds")
    button(page, "Dismiss all …").click()
    database.execute("UPDATE reconciliation_holds SET reason = 'regression' WHERE order_id = '2'")
    hold(database, 4)  # A later one is not meant, and stops nothing.

    button(page, "Dismiss 3 holds").click()

    expect(page.get_by_role("alert")).to_contain_text("Nothing was done.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dismiss all 4 holds?")
    assert violations(page) == []
    assert in_force(database) == ["1", "2", "3", "4"]

    button(page, "Dismiss 4 holds").click()

    expect(page.locator("#decision")).to_contain_text("4 of 4 holds were dismissed")


def test_a_named_hold_that_changed_after_the_look_is_refused(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage
) -> None:
    hold(database, 1)
    page = open_page(acting_console, "order?id=1")
    button(page, "Accept …").click()
    other = {**REPORT, "executed_qty": "7"}
    database.execute("UPDATE reconciliation_holds SET report = %s", (Jsonb(other),))

    button(page, "Accept 1 hold").click()

    expect(page.locator("#decision")).to_contain_text("has changed since it was shown")
    assert in_force(database) == ["1"]
    assert written_by(database) == []


def test_a_read_only_console_shows_no_way_to_decide_and_what_to_type(
    database: Connection, console: RunningConsole, open_page: OpenPage
) -> None:
    hold(database, 1)

    page = open_page(console, "holds")

    expect(page.locator("main")).to_contain_text("reconciler console --allow-actions --by NAME")
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(button(page, re.compile("Accept|Dismiss"))).to_have_count(0)


def test_the_filters_choose_by_reason_symbol_age_and_id(
    database: Connection, client: httpx.Client
) -> None:
    hold(database, 11, reason="error", age="2 days")
    hold(database, 12, symbol="ETHUSDT")
    hold(database, 2, age="2 hours")

    def found(**query: str) -> list[str]:
        text = client.get("holds", params=query).text
        return re.findall(r'href="/order\?id=(\d+)"', text)

    assert found() == ["11", "2", "12"]
    assert found(reason="error") == found(age="1d") == ["11"]
    assert found(symbol="ETHUSDT") == found(search="x12") == ["12"]
    assert found(search="1") == ["11", "12"]
    assert found(search="100%") == found(symbol=HOSTILE) == []
    assert client.get("holds", params={"reason": "x"}).status_code == 400
    assert client.get("holds", params={"search": "\0"}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "holds?after=2026-11-24T00:00:00%2B00:00 9999999999999999999",
        f"holds?after=2026-11-24T00:00:00%2B00:00 {'9' * 150}",
        "holds?after=0001-01-01T00:00:00%2B23:00 1",
        f"holds/decision?number={'1' * 5000}",
        f"changes?before=2026-11-24T00:00:00%2B00:00 {'9' * 150}",
        "changes?before=0001-01-01T00:00:00%2B23:00 1",
    ],
    ids=lambda path: path[:60],
)
def test_what_no_database_can_have_in_an_address_is_no_bug(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in {200, 400, 404}


def test_a_search_counts_all_that_match_also_past_the_first_page(
    database: Connection, client: httpx.Client
) -> None:
    for order_id in range(1, 70):
        hold(database, order_id, reason="error" if order_id % 2 else "conflict")

    def counted(query: str) -> str:
        text = client.get(f"holds?{query}").text
        found = re.search(r'<div id="hold-count".*?</div>', text, re.DOTALL)
        assert found
        return " ".join(re.sub("<[^>]*>", "", found[0]).split())

    assert "11 orders on hold match" in counted("search=1")
    assert "error 6conflict 5" in counted("search=1")
    assert "69 orders on hold" in counted("")


def test_pages_go_on_where_the_last_one_ended(database: Connection, client: httpx.Client) -> None:
    for order_id in range(1, 121):
        hold(database, order_id)
    found: list[str] = []
    path: str | None = "holds"
    while path:
        text = client.get(path).text
        found += re.findall(r'href="/order\?id=(\d+)"', text)
        following = re.search(r'href="([^"]*after=[^"]*)"', text)
        path = None if following is None else following[1].replace("&amp;", "&")

    assert len(found) == 120
    assert sorted(map(int, found)) == list(range(1, 121))


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_hostile_texts_are_shown_as_texts_and_the_page_fits_a_phone(
    database: Connection, acting_console: RunningConsole, open_page: OpenPage, *, is_dark: bool
) -> None:
    report = {**REPORT, "word": HOSTILE, "status": None, "client_order_id": HOSTILE * 3}
    hold(database, 1, symbol=HOSTILE, detail=HOSTILE, report=report, reason="unknown_status")
    hold(database, 2)

    for path in ("holds", "order?id=1"):
        page = open_page(acting_console, path, width=NARROW, dark=is_dark)
        expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
        assert violations(page) == []


def test_what_is_sent_in_other_ways_does_nothing(
    database: Connection, acting_client: httpx.Client
) -> None:
    hold(database, 1)

    answers = [
        post(acting_client, "/holds/decide", fields)
        for fields in (
            {},
            {"decision": "accept"},
            {"decision": "accept", "order": "1"},
            {"decision": "dismiss", "order": "1", "shown": "0" * 32},
            {"decision": "dismiss", "order": "no id", "shown": "0" * 32},
            {"decision": "dismiss-all"},
            {"decision": "dismiss-all", "last_id": "9", "counted": "x"},
            {"decision": "dismiss-all", "last_id": "9" * 19, "counted": "conflict=1"},
            {"decision": "dismiss-all", "last_id": "9", "held_before": "0001-01-01T00:00:00+23:00"},
            {"decision": "accept", "order": "1", "shown": "0", "status": "new"},
        )
    ]

    assert all(answer.status_code in {200, 303, 400} for answer in answers), answers
    assert in_force(database) == ["1"]
