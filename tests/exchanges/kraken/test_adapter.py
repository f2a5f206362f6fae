"""The adapter against a server that answers as Kraken's documentation says."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ExchangeError,
    FirewallRefused,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken.constants import QUERY_BATCH, VENUE
from reconciler.exchanges.kraken.signing import signature_of
from reconciler.exchanges.signing import load_signing_key
from reconciler.settings import Credentials

from .raw import CANCELED, CLOSED, OPEN
from .server import (
    CREDENTIALS,
    KEY,
    KEY_INFO,
    NOW,
    SECRET,
    Answer,
    KrakenServer,
    errors,
    opened,
    ref_of,
    result,
    served,
    txid,
)


@pytest.fixture
async def server() -> AsyncIterator[KrakenServer]:
    async with served() as server:
        yield server


async def test_order_is_looked_up_by_its_id_with_a_signed_form(server: KrakenServer) -> None:
    server.orders[txid(1)] = CLOSED

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    report = found.answers[ref_of(1)]
    assert isinstance(report, Report)
    assert (report.status, report.executed_qty) == (Status.FILLED, Decimal("0.21804"))
    assert report.fetched_at == NOW
    [request] = server.requests
    body = f"nonce=1&txid={txid(1)}".encode()
    expected = signature_of(
        load_signing_key(CREDENTIALS, VENUE.key_form), "/0/private/QueryOrders", 1, body
    )
    assert (request.method, request.path) == ("POST", "/0/private/QueryOrders")
    assert request.form == {"nonce": "1", "txid": txid(1)}
    assert request.headers["api-key"] == KEY
    assert request.headers["api-sign"] == expected
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_every_nonce_is_greater_than_the_last(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(100)}

    async with opened(server) as kraken:
        await kraken.exchange.fetch([ref_of(number) for number in range(100)])
        await kraken.exchange.fetch_account()

    nonces = [int(request.form["nonce"]) for request in server.requests if request.method == "POST"]
    assert nonces == sorted(set(nonces))


async def test_twenty_orders_take_one_request(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(QUERY_BATCH)}
    refs = [ref_of(number) for number in range(QUERY_BATCH)]

    async with opened(server) as kraken:
        await kraken.exchange.fetch([ref_of(99)])  # how many have ended is unknown before that
        server.requests.clear()
        found = await kraken.exchange.fetch(refs)

    assert set(found.answers) == set(refs)
    assert len(server.requests) <= 2
    asked = [request.form.get("txid", "").split(",") for request in server.requests]
    assert max(map(len, asked)) <= QUERY_BATCH


async def test_order_is_found_whatever_its_pair_is_called(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(3)}
    names = ("XBTUSD", "XXBTZUSD", "XBT/USD", "BTC/USD")
    refs = [ref_of(number, name) for number in range(3) for name in names]

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch(refs)

    assert set(found.answers) == set(refs)
    assert all(
        isinstance(answer, Report)
        and (answer.symbol, answer.external_order_id)
        == (
            ref.symbol,
            ref.external_order_id,
        )
        for ref, answer in found.answers.items()
    )
    ids = [
        one for request in server.requests for one in request.form.get("txid", "").split(",") if one
    ]
    assert len(ids) == len(set(ids)), "an order is asked for once"


async def test_order_of_every_state_is_found_among_many(server: KrakenServer) -> None:
    states = [
        OPEN,
        CLOSED,
        CANCELED,
        {**OPEN, "status": "pending"},
        {**CANCELED, "status": "expired"},
    ]
    server.orders |= {txid(number): states[number % 5] for number in range(300)}
    refs = [ref_of(number) for number in range(300)]

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch(refs)

    assert found.failures == {}
    words = [answer.word for answer in found.answers.values() if isinstance(answer, Report)]
    assert {word: words.count(word) for word in set(words)} == dict.fromkeys(
        ("open", "closed", "canceled", "pending", "expired"), 60
    )
    assert len(server.requests) <= 30, "at most a tenth of one request for each order"


async def test_missing_order_is_absent_and_its_neighbours_are_found(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(5)}

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(6)])

    assert found.failures == {}
    assert isinstance(found.answers[ref_of(5)], Absent)
    assert all(isinstance(found.answers[ref_of(number)], Report) for number in range(5))


@pytest.mark.parametrize(
    ("error", "kind"),
    [("EOrder:Invalid order", OrderFault), ("EOrder:Unknown order", Absent)],
)
async def test_one_bad_id_of_twenty_is_found_and_the_others_are_answered(
    server: KrakenServer, error: str, kind: type
) -> None:
    refs = [ref_of(number) for number in range(QUERY_BATCH)]
    server.orders |= {txid(number): CLOSED for number in range(QUERY_BATCH)}
    server.rejected_ids[txid(7)] = error

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch(refs)

    assert isinstance(found.answers[ref_of(7)], kind)
    others = set(refs) - {ref_of(7)}
    assert all(isinstance(found.answers[ref], Report) for ref in others)
    assert found.failures == {}


async def test_rejected_arguments_are_the_failure_of_one_order(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(4)}
    server.rejected_ids[txid(2)] = "EGeneral:Invalid arguments"

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(4)])

    assert set(found.failures) == {ref_of(2)}
    assert isinstance(found.failures[ref_of(2)], RequestRejected)
    assert len(found.answers) == 3


async def test_text_that_is_no_txid_is_never_sent(server: KrakenServer) -> None:
    server.orders[txid(1)] = CLOSED
    bad = OrderRef(symbol="XBTUSD", external_order_id=f"{txid(1)},{txid(1)}")

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1), bad])

    fault = found.answers[bad]
    assert isinstance(fault, OrderFault)
    assert "correct the row's external_order_id" in fault.detail
    assert isinstance(found.answers[ref_of(1)], Report)
    assert [request.form["txid"] for request in server.requests] == [txid(1)]


async def test_unreadable_order_among_good_ones_fails_alone(server: KrakenServer) -> None:
    server.orders |= {txid(number): CLOSED for number in range(4)}
    server.orders[txid(2)] = {**CLOSED, "vol_exec": None}

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(4)])

    assert set(found.failures) == {ref_of(2)}
    assert isinstance(found.failures[ref_of(2)], UnreadableRow)
    assert txid(2) in str(found.failures[ref_of(2)])


async def test_answer_to_another_request_says_nothing(server: KrakenServer) -> None:
    server.answers_next("QueryOrders", result({txid(9): CLOSED}))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    assert isinstance(found.failures[ref_of(1)], Malformed)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[]}',
        b'{"error":[],"result":null}',
        b'{"error":[],"result":[]}',
        b'{"error":[],"result":{},"result":{}}',
        b'{"error":[],"result":{"%s":{},"%s":{}}}' % ((txid(1).encode(),) * 2),
        b'{"result":{}}',
        b'{"error":"","result":{}}',
        b"",
        b"<html>",
        b"[]",
        b'{"error":[],"result":{}',
    ],
)
async def test_missing_in_a_malformed_answer_is_not_absent(
    server: KrakenServer, body: bytes
) -> None:
    server.answers_next("QueryOrders", Answer(body=body))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    assert isinstance(found.failures[ref_of(1)], Malformed)


@pytest.mark.parametrize("asked", [1, 2])
async def test_order_that_is_missing_next_to_a_warning_is_not_absent(
    server: KrakenServer, asked: int
) -> None:
    body = json.dumps({"error": ["WGeneral:Degraded"], "result": {}}).encode()
    server.answers_next("QueryOrders", *[Answer(body=body)] * 9)
    refs = [ref_of(number) for number in range(asked)]

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch(refs)

    assert found.answers == {}
    assert {type(failure) for failure in found.failures.values()} == {Malformed}
    assert "WGeneral:Degraded" in str(found.failures[refs[0]])


@pytest.mark.parametrize("left_out", [range(5), range(2)], ids=["all of them", "some"])
async def test_orders_that_one_answer_leaves_out_are_asked_for_alone(
    server: KrakenServer, left_out: range
) -> None:
    server.orders |= {txid(number): CLOSED for number in range(5)}
    left = {txid(number): CLOSED for number in range(5) if number not in left_out}
    partial = json.dumps({"error": [], "result": left}).encode()
    server.answers_next("QueryOrders", Answer(body=partial))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(5)])

    assert all(isinstance(found.answers[ref_of(number)], Report) for number in range(5))


async def test_warning_comes_with_an_answer(server: KrakenServer) -> None:
    body = json.dumps({"error": ["WGeneral:Slow"], "result": {txid(1): CLOSED}}).encode()
    server.answers_next("QueryOrders", Answer(body=body))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    assert isinstance(found.answers[ref_of(1)], Report)


@pytest.mark.parametrize(
    ("answer", "failure", "told"),
    [
        (errors("EAPI:Invalid key"), Refused, "Invalid key"),
        (errors("EAPI:Invalid signature"), Refused, "Invalid signature"),
        (errors("EGeneral:Permission denied"), Refused, "Permission denied"),
        (errors("EAPI:Feature disabled"), Refused, "Feature disabled"),
        (errors("WGeneral:Degraded", "EOrder:Unknown order"), Unavailable, "WGeneral:Degraded"),
        (errors("EGeneral:Unknown method"), Refused, "Unknown method"),
        (errors("EService:Unavailable"), Unavailable, "Unavailable"),
        (errors("EService:Busy"), Unavailable, "Busy"),
        (errors("EGeneral:Internal error:7"), Unavailable, "Internal error"),
        (errors("EService:New"), Unavailable, "New"),
        (errors("EOrder:New"), RequestRejected, "New"),
        (errors("ENew:New", status=400), RequestRejected, "New"),
        (errors("EOrder:Unknown order", status=503), Unavailable, "HTTP 503"),
        (errors("EOrder:Unknown order", status=404), Unavailable, "HTTP 404"),
        (Answer(body=b"<html>", status=520), Unavailable, "HTTP 520"),
        (Answer(body=b"<html>", status=404), Unavailable, "EXCHANGE_BASE_URL"),
    ],
    ids=str,
)
async def test_error_has_the_class_on_which_a_caller_acts(
    server: KrakenServer, answer: Answer, failure: type[ExchangeError], told: str
) -> None:
    server.answers_next("QueryOrders", answer)

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    error = found.failures[ref_of(1)]
    assert type(error) is failure
    assert told in str(error)
    assert SECRET not in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (errors("EAPI:Rate limit exceeded"), 15),
        (errors("EAPI:Rate limit exceeded", Retry_After="40"), 40),
        (errors("EGeneral:Temporary lockout"), 900),
        (errors("EAPI:Invalid key", "EGeneral:Temporary lockout"), None),
        (errors("EService:Throttled"), 5),
        (
            errors("EService: Throttled: 1795867230", Date="Sat, 28 Nov 2026 12:00:00 GMT"),
            30,
        ),
        (errors("EService:Throttled:9999999999"), 3600),
        (Answer(body=b"", status=429), 15),
    ],
    ids=str,
)
async def test_rate_limit_says_for_how_long(
    server: KrakenServer, answer: Answer, seconds: float | None
) -> None:
    server.answers_next("QueryOrders", answer)

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    error = found.failures[ref_of(1)]
    if seconds is None:
        assert isinstance(error, Refused)
    else:
        assert isinstance(error, RateLimited)
        assert error.retry_after_seconds == seconds


async def test_refused_nonce_is_sent_again_with_a_greater_one(server: KrakenServer) -> None:
    server.orders[txid(1)] = CLOSED
    server.answers_next("QueryOrders", errors("EAPI:Invalid nonce"))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    assert isinstance(found.answers[ref_of(1)], Report)
    assert [request.form["nonce"] for request in server.requests] == ["1", "2"]


async def test_nonce_that_is_always_refused_is_named(server: KrakenServer) -> None:
    server.answers_next("QueryOrders", *[errors("EAPI:Invalid nonce")] * 50)

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    error = found.failures[ref_of(1)]
    assert isinstance(error, Refused)
    assert "an API key for this program alone" in error.hint
    assert len(server.requests) == 4


async def test_rejected_list_of_open_orders_is_no_list(server: KrakenServer) -> None:
    server.orders |= {txid(number): OPEN for number in range(100)}
    server.answers_next("OpenOrders", errors("EOrder:New"))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(100)])

    assert found.failures == {}
    assert all(isinstance(answer, Report) for answer in found.answers.values())


async def test_order_that_no_list_shows_is_not_absent_for_that(server: KrakenServer) -> None:
    server.orders |= {txid(number): OPEN for number in range(100)}
    server.answers_next("OpenOrders", result({"open": {}}))

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(number) for number in range(100)])

    assert all(isinstance(answer, Report) for answer in found.answers.values())
    assert len(found.answers) == 100


async def test_account_is_its_iiban(server: KrakenServer) -> None:
    async with opened(server) as kraken:
        account = await kraken.exchange.fetch_account()

    assert account.identity == "AA88N84GWOAKNMOI"
    assert account.clock_offset == timedelta(0)


@pytest.mark.parametrize("iban", ["", None, "  "])
async def test_account_without_iiban_is_told_by_the_keys_fingerprint(
    server: KrakenServer, iban: str | None
) -> None:
    server.key_info = {**KEY_INFO, "iban": iban}

    async with opened(server) as kraken:
        account = await kraken.exchange.fetch_account()
        again = await kraken.exchange.fetch_account()
    other = Credentials(api_key=SecretStr("another"), api_secret=SecretStr(SECRET))
    async with opened(server, other) as kraken:
        another = await kraken.exchange.fetch_account()

    assert account.identity is not None
    assert account.identity.startswith("fingerprint ")
    assert account.identity == again.identity != another.identity
    assert KEY[:8] not in account.identity


async def test_older_server_that_knows_no_key_info_is_asked_for_orders(
    server: KrakenServer,
) -> None:
    server.answers_next("GetApiKeyInfo", errors("EGeneral:Unknown method"))

    async with opened(server) as kraken:
        account = await kraken.exchange.fetch_account()

    assert account.identity is not None
    assert account.identity.startswith("fingerprint ")
    assert server.names()[:2] == ["GetApiKeyInfo", "OpenOrders"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"permissions": ["query-open-trades"]}, "Query closed orders & trades"),
        ({"permissions": ["query-closed-trades"]}, "Query open orders & trades"),
        ({"permissions": []}, "' and '"),
        ({"queryFrom": "1767225600"}, "limited to a time"),
        ({"query_to": "1798761600"}, "limited to a time"),
    ],
)
async def test_key_that_does_not_see_every_order_is_refused(
    server: KrakenServer, change: dict[str, object], told: str
) -> None:
    server.key_info = {**KEY_INFO, **change}

    async with opened(server) as kraken:
        with pytest.raises(Refused, match=told) as raised:
            await kraken.exchange.fetch_account()

    assert "Settings, API" in raised.value.hint


async def test_symbols_are_listed_in_every_spelling(server: KrakenServer) -> None:
    async with opened(server) as kraken:
        symbols = await kraken.exchange.fetch_symbols()
        assert kraken.exchange.request_symbol("XBT/USD") == "XBT/USD"

    assert symbols == {"XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"}
    assert kraken.sender.costs == [{"public": 1}]


async def test_clock_offset_is_that_of_the_public_time(server: KrakenServer) -> None:
    ahead = int(NOW.timestamp()) + 90
    server.answers_next("Time", result({"unixtime": ahead, "rfc1123": ""}))

    async with opened(server) as kraken:
        offset = await kraken.exchange.fetch_clock_offset()

    assert offset == timedelta(seconds=90)


async def test_requests_cost_what_the_counter_takes(server: KrakenServer) -> None:
    server.orders[txid(1)] = CLOSED

    async with opened(server) as kraken:
        await kraken.exchange.fetch([ref_of(1)])
        await kraken.exchange.fetch_account()

    assert kraken.sender.costs == [{"counter": 1}, {"counter": 1}, {"public": 1}]


async def test_firewall_before_everything_pauses(server: KrakenServer) -> None:
    blocked = Answer(body=b"<html>", status=403)
    server.answers_next("QueryOrders", blocked)
    server.answers_next("Time", blocked)

    async with opened(server) as kraken:
        found = await kraken.exchange.fetch([ref_of(1)])

    assert isinstance(found.failures[ref_of(1)], RateLimited | FirewallRefused)
