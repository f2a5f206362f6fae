"""Two people use the console at once: each gets every page, and each decision is one person's."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from reconciler.console.pages import PAGES
from reconciler.console.poller import ROUNDS_BETWEEN_TRIMS

from .conftest import StartConsole
from .orders_on_hold import Connection, hold, in_force, written_by
from .processes import post
from .viewers import MOST_KIB, own_kib, viewer_that_reads_nothing, wait_for_snapshots

ROUNDS = 5


@pytest.fixture
def database(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def operators(start_console: StartConsole, database_url: str) -> Iterator[list[httpx.Client]]:
    """Ada and Bob, each at a console of their own."""
    with ExitStack() as clients:
        yield [
            clients.enter_context(
                start_console("--allow-actions", "--by", by, DATABASE_URL=database_url).signed_in()
            )
            for by in ("ada", "bob")
        ]


def decide(client: httpx.Client, verb: str, order_id: int) -> str:
    """Confirm and decide the hold of an order; return the address of the decision."""
    asked = post(client, "/holds/confirm", {"decision": verb, "order": str(order_id)})
    shown = re.search(r'name="shown" value="([^"]+)"', asked.text)
    assert shown is not None, asked.text
    fields = {"decision": verb, "order": str(order_id), "shown": shown[1]}
    return post(client, "/holds/decide", fields).headers["Location"]


def result_of(client: httpx.Client, decision: str) -> str:
    """Wait for the end of a decision; return its page as words."""
    while "Going on" in (page := client.get(decision).text):
        pass
    return " ".join(re.sub("<[^>]+>", "", page).split())


def test_two_who_accept_the_same_hold_at_once_are_told_who_did(
    database: Connection, operators: list[httpx.Client]
) -> None:
    hold(database, 1)
    with ThreadPoolExecutor() as threads:
        with database.transaction():
            database.execute("SELECT FROM reconciliation_holds FOR UPDATE")
            decisions = list(threads.map(lambda who: decide(who, "accept", 1), operators))
        results = [result_of(*it) for it in zip(operators, decisions, strict=True)]

    (_, winner), *others = written_by(database)
    assert others == []
    assert in_force(database) == []
    loser = "bob" if winner == "ada" else "ada"
    told = dict(zip(("ada", "bob"), results, strict=True))
    assert f"1 of 1 hold was accepted by {winner}" in told[winner]
    assert f"is no longer on hold: accepted by {winner}" in told[loser]


def test_nobody_waits_for_the_decision_of_another_person(
    database: Connection, start_console: StartConsole, database_url: str
) -> None:
    hold(database, 1)
    hold(database, 2)
    console = start_console("--allow-actions", "--by", "ada", DATABASE_URL=database_url)
    with console.signed_in() as one, console.signed_in() as other:
        with database.transaction():
            database.execute("SELECT FROM reconciliation_holds WHERE order_id = '1' FOR UPDATE")
            slow = decide(one, "dismiss", 1)
            quick = result_of(other, decide(other, "dismiss", 2))
        slow = result_of(one, slow)

    assert "1 of 1 hold was dismissed" in quick
    assert "1 of 1 hold was dismissed" in slow


def test_all_pages_of_two_operators_are_live_at_once(
    start_console: StartConsole, database_url: str
) -> None:
    console = start_console(DATABASE_URL=database_url)
    paths = [page.path for page in PAGES] * ROUNDS
    with console.signed_in() as one, console.signed_in() as other, ExitStack() as viewers:
        for client in (one, other):
            for _ in PAGES:
                viewers.enter_context(viewer_that_reads_nothing(console, client))
        with ThreadPoolExecutor(2 * len(PAGES)) as threads:
            answers = [
                threads.submit(client.get, path) for path in paths for client in (one, other)
            ]

        assert {answer.result().status_code for answer in answers} == {200}
        wait_for_snapshots(one, ROUNDS_BETWEEN_TRIMS + 1)
        assert own_kib(console.pid) < MOST_KIB
