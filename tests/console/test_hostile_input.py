"""Whatever an address or a form has in it: an exact answer, and never a page that has failed."""

import itertools
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from urllib.parse import quote_from_bytes

import httpx
import psycopg
import pytest

from reconciler.console.pages import PAGES

from .conftest import StartConsole
from .processes import RunningConsole, token_of

AT = "2026-11-24T12:00:00+00:00"
LONGEST_ADDRESS = 2000
UUID = "0b7c8f4e-0000-4000-8000-00000000000a"
TEXTS = (
    *("1_0", "+1", "\u0661", "\0", "x" * 100_000, "9" * 19, "9" * 5000, UUID, f"{{{UUID}}}"),
    *(f"{AT} {UUID}", f"{AT} 1_0", f"{AT} 9223372036854775808", "0001-01-01T00:00:00+23:59 1"),
    *("infinity 1", "nan", "\u202e'\"<%"),
)
HOSTILE = (*map(str.encode, TEXTS), b"\xed\xa0\x80", b"\xff")
"""What no page of ours writes into an address; the last two are no UTF-8."""

OF_ADDRESSES: Mapping[str, Sequence[str]] = {
    "/": ("number",),
    "/overview/history": ("after",),
    "/runbook": ("reason",),
    "/holds": ("reason", "symbol", "age", "search", "after"),
    "/holds/confirm": ("number",),
    "/holds/decide": ("number",),
    "/holds/decision": ("number",),
    "/changes": ("symbol", "from", "to", "rule", "since", "before"),
    "/changes.csv": ("symbol", "from", "to", "rule", "since"),
    "/order": ("id",),
    "/tuning": ("shards", "scaled"),
    "/sign-in": ("key", "next"),
}
_FILTER = ("reason", "symbol", "search", "held_before")
_NAMED = {"decision": "accept", "order": "1", "shown": "x"}
_ALL = {"decision": "dismiss-all", "counted": "", "last_id": "0"}
OF_FORMS: Sequence[tuple[str, Mapping[str, str], Sequence[str]]] = (
    ("/holds/confirm", _NAMED, ("decision", "status", "order")),
    ("/holds/confirm", _ALL, _FILTER),
    ("/holds/decide", _NAMED, ("decision", "status", "order", "shown")),
    ("/holds/decide", _ALL, (*_FILTER, "counted", "last_id")),
    ("/tuning/scale", {"shards": "2"}, ("shards", "planned_from")),
    ("/sign-in", {}, ("key", "next", "token", "once")),
    ("/sign-out", {}, ("token",)),
)


def _paths(method: str) -> set[str]:
    routes = [route for page in PAGES for route in page.routes]
    return {route.path for route in routes if method in (route.methods or ())}


def test_no_page_is_left_out() -> None:
    assert _paths("GET") <= OF_ADDRESSES.keys()
    assert _paths("POST") <= {path for path, _, _ in OF_FORMS}


def test_every_value_of_every_address_gets_an_exact_answer(
    console: RunningConsole, client: httpx.Client
) -> None:
    failed = []
    for path, names in OF_ADDRESSES.items():
        for name, text in itertools.product(names, HOSTILE):
            value = quote_from_bytes(text[:LONGEST_ADDRESS])
            answer = client.get(f"{path}?{name}={value}")
            if answer.status_code >= 500:
                failed.append((path, name, value[:60]))

    assert failed == []
    assert "console.page_failed" not in console.log


def test_an_address_of_100_kb_is_refused(console: RunningConsole) -> None:
    connection = HTTPConnection("127.0.0.1", int(str(console.announced["port"])), timeout=300)
    connection.request("GET", f"/order?id={'x' * 100_000}")

    assert connection.getresponse().status in {400, 414, 431}
    connection.close()


def test_every_value_of_every_form_gets_an_exact_answer(
    acting_console: RunningConsole, acting_client: httpx.Client
) -> None:
    token, failed = token_of(acting_client), []
    for path, others, names in OF_FORMS:
        for name, text in itertools.product(names, HOSTILE):
            fields: dict[str, str | bytes] = {"token": token, **others, name: text}
            answer = acting_client.post(path, content=_form(fields), headers=HEADERS)
            # Nobody listens there to be scaled.
            is_unanswered = path == "/tuning/scale" and answer.status_code == 503
            if answer.status_code >= 500 and not is_unanswered:
                failed.append((path, name, text[:60]))

    assert failed == []
    assert "console.page_failed" not in acting_console.log


@pytest.mark.parametrize("kind", ["bigint", "uuid"])
def test_a_place_with_an_id_of_another_kind_is_refused_by_name(
    start_console: StartConsole, database_url: str, kind: str
) -> None:
    if kind == "uuid":
        with psycopg.connect(database_url, autocommit=True) as connection:
            for table in ("orders", "activity_log"):
                connection.execute(f"ALTER TABLE {table} ALTER COLUMN id DROP IDENTITY")
                connection.execute(
                    f"ALTER TABLE {table} ALTER COLUMN id TYPE uuid USING gen_random_uuid()"
                )
    right, wrong = ("7", UUID) if kind == "bigint" else (UUID, "7")
    with start_console(DATABASE_URL=database_url).signed_in() as client:
        changes = {
            id_: client.get("changes", params={"before": f"{AT} {id_}"}) for id_ in (right, wrong)
        }
        orders = {id_: client.get("order", params={"id": id_}) for id_ in (right, wrong, "1_0")}

    assert [answer.status_code for answer in changes.values()] == [200, 400]
    assert "before cannot be" in changes[wrong].text
    assert {answer.status_code for answer in orders.values()} == {404}
    assert "neither in orders nor in the activity log" in orders[right].text
    assert f"the ids of your table are of the type {kind}" in orders[wrong].text
    assert f"the ids of your table are of the type {kind}" in orders["1_0"].text


HEADERS = {
    "Sec-Fetch-Site": "same-origin",
    "Content-Type": "application/x-www-form-urlencoded",
}


def _form(fields: Mapping[str, str | bytes]) -> str:
    encoded = ((k, v.encode() if isinstance(v, str) else v) for k, v in fields.items())
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in encoded)
