"""Answers of OKX: what each says about the orders that were asked for."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from reconciler.domain.order import Side
from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    FirewallRefused,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.api_client import ApiRequest, ApiResponse
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.okx.api import OkxApi, decode_account, decode_symbols, kind_of
from reconciler.exchanges.okx.constants import ERROR_KINDS, PAGE_SIZE
from reconciler.exchanges.okx.mapping import (
    decode_archived,
    decode_list,
    decode_lookup,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.okx.raw_orders import decode_orders
from reconciler.exchanges.query_result import QueryResult
from reconciler.settings import Credentials

from .examples import FILLED_MARKET_ORDER, INSTRUMENT, STATES, TIME, Json, an_order, answer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
CREDENTIALS = Credentials(
    api_key=SecretStr("37c541a1"),
    api_secret=SecretStr("22582BD0CFF14C41EDBF1AB98506286D"),
    passphrase=SecretStr("made up"),
)
API = OkxApi("https://www.okx.com/", CREDENTIALS)
REQUEST = ApiRequest(path="/api/v5/trade/order", cost={})
REF = OrderRef(symbol="BTC-USDT", external_order_id="1753197687182819328")
DOCUMENTED = OrderRef(symbol="BTC-USDT", external_order_id="680800019749904384")


def decoded(
    body: bytes,
    ref: OrderRef = REF,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    response = HttpResponse(status=status, headers=httpx.Headers(headers), body=body)
    return API.decode(REQUEST, response, decode_lookup(ref))


def looked_up(body: bytes, ref: OrderRef = REF, status: int = 200) -> QueryResult:
    value = decoded(body, ref, status)
    return result_of_lookup(ref, ApiResponse(value=value, fetched_at=NOW))


def report_of(row: Json, ref: OrderRef = REF) -> Report:
    report = looked_up(answer(row), ref).answers[ref]
    assert isinstance(report, Report)
    return report


def listed(*rows: object, wanted: frozenset[OrderRef] = frozenset({REF})) -> QueryResult:
    response = HttpResponse(status=200, headers=httpx.Headers(), body=answer(*rows))
    value = API.decode(REQUEST, response, decode_list("BTC-USDT"))
    return result_of_list("BTC-USDT", wanted, ApiResponse(value=value, fetched_at=NOW))


def test_the_documented_order_is_filled_and_was_sized_in_quote_currency() -> None:
    report = report_of(FILLED_MARKET_ORDER, DOCUMENTED)

    assert (report.word, report.status) == ("filled", Status.FILLED)
    assert report.executed_qty == Decimal("0.00192834")
    assert report.avg_price == Decimal(51858)
    assert (report.is_quote_sized, report.quantity) == (True, None)
    assert (report.side, report.client_order_id) == (Side.BUY, None)
    assert report.placed_at == datetime(2024, 2, 22, 7, 36, 13, 361000, tzinfo=UTC)
    assert report.changed_at == datetime(2024, 2, 22, 7, 36, 13, 362000, tzinfo=UTC)


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_documented_state_is_reported(state: str) -> None:
    report = report_of(an_order(state=state, accFillSz="0.5", avgPx="2.1"))

    assert report.word == state
    assert report.status is not None
    assert (report.executed_qty, report.avg_price) == (Decimal("0.5"), Decimal("2.1"))
    assert report.quantity == Decimal(2)


def test_a_canceled_order_keeps_its_partial_fill() -> None:
    report = report_of(an_order(state="canceled", accFillSz="0.5", avgPx="2.1"))

    assert (report.status, report.executed_qty) == (Status.CANCELED, Decimal("0.5"))


@pytest.mark.parametrize("word", ["effective", "order_failed", "LIVE", "", "\x1b[2J", "x" * 99])
def test_an_unknown_state_is_reported_without_a_status(word: str) -> None:
    report = report_of(an_order(state=word))

    assert report.status is None
    assert len(report.word) <= 40
    assert report.word.isprintable()


@pytest.mark.parametrize(
    ("fields", "is_quote_sized", "quantity"),
    [
        ({"ordType": "market", "tgtCcy": "quote_ccy", "side": "buy"}, True, None),
        ({"ordType": "market", "tgtCcy": "quote_ccy", "side": "sell"}, True, None),
        ({"ordType": "market", "tgtCcy": "base_ccy", "side": "buy"}, False, Decimal(2)),
        ({"ordType": "market", "tgtCcy": "base_ccy", "side": "sell"}, False, Decimal(2)),
        ({"ordType": "market", "tgtCcy": "", "side": "buy"}, True, None),
        ({"ordType": "market", "tgtCcy": "", "side": "sell"}, False, Decimal(2)),
        ({"ordType": "limit", "tgtCcy": "", "side": "buy"}, False, Decimal(2)),
        ({"ordType": "ioc", "tgtCcy": None, "side": "buy"}, False, Decimal(2)),
        ({"ordType": None, "tgtCcy": None, "side": "buy"}, True, None),
    ],
)
def test_the_unit_of_the_size_is_what_the_order_says_or_its_default(
    fields: Json, *, is_quote_sized: bool, quantity: Decimal | None
) -> None:
    report = report_of(an_order(**fields))

    assert (report.is_quote_sized, report.quantity) == (is_quote_sized, quantity)


@pytest.mark.parametrize(
    ("fields", "quantity"),
    [
        ({"ordType": "market", "accFillSz": "1.5"}, None),
        ({"ordType": "market", "accFillSz": "2"}, Decimal(2)),
        ({"ordType": "limit", "accFillSz": "1.5"}, Decimal(2)),
        ({"ordType": "market", "accFillSz": "1.5", "state": "canceled"}, Decimal(2)),
    ],
    ids=["may be amended to the funds", "all of it", "limit", "canceled"],
)
def test_quantity_of_a_filled_market_order_is_known_only_if_all_of_it_is_executed(
    fields: Json, quantity: Decimal | None
) -> None:
    order = an_order(**{"state": "filled", "side": "sell", "tgtCcy": "base_ccy", **fields})

    report = report_of(order)

    assert (report.is_quote_sized, report.quantity) == (False, quantity)


def test_an_average_without_a_fill_is_none() -> None:
    assert report_of(an_order(avgPx="")).avg_price is None
    assert report_of(an_order(avgPx="0")).avg_price is None
    assert report_of(an_order(accFillSz="1", avgPx="0")).avg_price is None


def test_a_margin_order_has_quantities_in_base_currency() -> None:
    assert report_of(an_order(instType="MARGIN")).quantity == Decimal(2)


@pytest.mark.parametrize(
    "fields",
    [
        {"accFillSz": None},
        {"accFillSz": ""},
        {"accFillSz": "1e3"},
        {"accFillSz": "-1"},
        {"accFillSz": "NaN"},
        {"accFillSz": "1_0"},
        {"accFillSz": 1},
        {"accFillSz": "3"},
        {"accFillSz": "1", "avgPx": "-5"},
        {"accFillSz": "1", "avgPx": "Infinity"},
        {"avgPx": 5},
        {"sz": "two"},
        {"state": None},
        {"state": 7},
        {"instType": "SWAP"},
        {"instType": "OPTION"},
    ],
    ids=str,
)
def test_an_order_that_cannot_be_read_fails_alone(fields: Json) -> None:
    other = an_order(ordId="1")
    wanted = frozenset({REF, OrderRef(symbol="BTC-USDT", external_order_id="1")})

    found = listed(an_order(**fields), other, wanted=wanted)

    assert set(found.failures) == {REF}
    assert isinstance(found.failures[REF], UnreadableRow)
    assert set(found.answers) == wanted - {REF}


def test_a_field_that_stands_twice_makes_its_order_unreadable() -> None:
    row = json.dumps(an_order()).encode()[:-1] + b',"state":"filled"}'
    body = b'{"code":"0","msg":"","data":[%s]}' % row

    assert set(looked_up(body).failures) == {REF}


def test_two_entries_of_one_order_that_differ_make_it_unreadable() -> None:
    found = listed(an_order(), an_order(state="filled"))

    assert set(found.failures) == {REF}
    assert found.answers == {}


def test_two_entries_of_one_order_that_agree_are_one() -> None:
    found = listed(an_order(uTime="1"), an_order(uTime="2"))

    assert set(found.answers) == {REF}


def test_new_and_missing_fields_change_nothing_that_is_known() -> None:
    needed = {"instId", "ordId", "state", "accFillSz", "avgPx", "sz", "ordType", "tgtCcy"}
    least = {name: value for name, value in an_order().items() if name in needed}

    report = report_of({**least, "newField": {"of": ["any", "kind"]}})

    assert (report.status, report.quantity) == (Status.NEW, Decimal(2))
    assert (report.side, report.client_order_id, report.placed_at) == (None, None, None)


def test_an_id_of_19_digits_keeps_them_as_text_and_as_a_number() -> None:
    assert looked_up(answer(an_order())).answers.keys() == {REF}
    number = answer(an_order()).replace(b'"1753197687182819328"', b"1753197687182819328")
    [raw] = decode_orders(number)
    assert raw.order_id == "1753197687182819328"


@pytest.mark.parametrize(
    "row",
    [
        an_order(ordId="1753197687182819329"),
        an_order(instId="ETH-USDT"),
        {"instId": "BTC-USDT"},
        "text",
        None,
    ],
    ids=["another id", "another symbol", "no id", "text", "null"],
)
def test_a_look_up_is_not_answered_by_another_order(row: object) -> None:
    with pytest.raises(UnreadableRow):
        looked_up(answer(row))


@pytest.mark.parametrize(
    "row",
    [an_order(ordId=None), an_order(instId=None), "text", None],
    ids=["no id", "no symbol", "text", "null"],
)
def test_an_archived_order_without_a_name_does_not_make_another_absent(row: object) -> None:
    with pytest.raises(ValueError, match="no symbol or no id"):
        decode_archived(REF)(answer(row))


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"code":"0"}',
        b'{"code":"0","data":{}}',
        b'{"code":"0","data":null}',
        b'{"code":"0","data":[],"code":"51603"}',
        b'{"code":"0","data":[],"c\\u006fde":"51603"}',
        b'{"data":[]}',
        b'{"code":null,"data":[]}',
        b'{"code":true,"data":[]}',
        b'{"code":51603',
    ],
    ids=str,
)
def test_an_answer_without_an_order_never_says_that_it_does_not_exist(body: bytes) -> None:
    with pytest.raises(Malformed):
        looked_up(body)


@pytest.mark.parametrize("code", ["51603", 51603])
def test_only_its_code_says_that_an_order_does_not_exist(code: object) -> None:
    found = looked_up(answer(code=code, msg="Order does not exist."))

    assert isinstance(found.answers[REF], Absent)


@pytest.mark.parametrize("status", [201, 400, 404, 500])
def test_with_another_status_its_code_says_nothing_about_an_order(status: int) -> None:
    with pytest.raises(Unavailable):
        looked_up(answer(code="51603", msg="Order does not exist."), status=status)


@pytest.mark.parametrize("code", ["51001", "51015", "54007"])
def test_an_instrument_that_is_not_listed_is_the_orders_own_fault(code: str) -> None:
    found = looked_up(answer(code=code, msg="Instrument ID doesn't exist."))

    fault = found.answers[REF]
    assert isinstance(fault, OrderFault)
    assert "BTC-USDT" in fault.detail


@pytest.mark.parametrize(
    ("parameter", "is_fault"), [("ordId", True), ("instId", True), ("limit", False)]
)
def test_a_wrong_parameter_is_the_orders_fault_if_it_is_from_the_row(
    parameter: str, *, is_fault: bool
) -> None:
    body = answer(code="51000", msg=f"Parameter {parameter} error")

    if is_fault:
        assert isinstance(looked_up(body, status=400).answers[REF], OrderFault)
    else:
        with pytest.raises(Refused):
            looked_up(body, status=400)


CLASSES: dict[ErrorKind, type[ExchangeError]] = {
    ErrorKind.BAD_REQUEST: Refused,
    ErrorKind.REJECTED: RequestRejected,
    ErrorKind.RATE_LIMITED: RateLimited,
    ErrorKind.CLOCK_SKEW: ClockSkew,
    ErrorKind.REFUSED: Refused,
    ErrorKind.TRANSIENT: Unavailable,
}


@pytest.mark.parametrize("status", [200, 400, 401, 429])
@pytest.mark.parametrize("code", sorted(ERROR_KINDS))
def test_each_code_becomes_its_error_with_any_status(code: str, status: int) -> None:
    kind = ERROR_KINDS[code]
    if kind is ErrorKind.ORDER_NOT_FOUND and status != 200:
        kind = ErrorKind.TRANSIENT
    body = answer(code=code, msg="Parameter ordId error")

    if kind in CLASSES:
        with pytest.raises(CLASSES[kind]) as raised:
            decoded(body, status=status)
        assert code in str(raised.value)
    else:
        value = decoded(body, status=status)
        assert isinstance(value, ErrorResponse)
        assert (value.kind, value.code) == (kind, code)


@pytest.mark.parametrize("code", ["99999", "51008", "-1", "abc", "", 59_999])
def test_an_unknown_code_is_an_error_of_the_request_alone_and_is_named(code: object) -> None:
    with pytest.raises(RequestRejected) as raised:
        decoded(answer(code=code, msg="Something new"))

    assert str(code) in str(raised.value)
    assert "Something new" in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ErrorKind.REFUSED),
        (403, ErrorKind.FIREWALL),
        (404, ErrorKind.TRANSIENT),
        (429, ErrorKind.RATE_LIMITED),
        (451, ErrorKind.REFUSED),
        (500, ErrorKind.TRANSIENT),
        (503, ErrorKind.TRANSIENT),
    ],
)
def test_a_status_without_a_code_is_a_proxys(status: int, kind: ErrorKind) -> None:
    assert kind_of(status, None) is kind


@pytest.mark.parametrize("status", [400, 407, 413, 414])
def test_a_status_without_a_code_is_never_the_requests_fault(status: int) -> None:
    with pytest.raises(Unavailable):
        decoded(b"<html>no</html>", status=status)


def test_a_firewall_is_refused_for_its_pause() -> None:
    with pytest.raises(FirewallRefused) as raised:
        decoded(b"<html>Forbidden</html>", status=403)

    assert raised.value.retry_after_seconds == 300


@pytest.mark.parametrize(
    ("code", "status", "headers", "seconds"),
    [
        ("50011", 200, {}, 2),
        ("50011", 429, {}, 2),
        ("50040", 200, {}, 2),
        ("50061", 200, {}, 2),
        ("50011", 429, {"Retry-After": "7"}, 7),
        ("50011", 429, {"Retry-After": "9999999999999"}, 86_400),
        ("50011", 429, {"Retry-After": "soon"}, 2),
        (None, 429, {}, 60),
        (None, 429, {"Retry-After": "1"}, 1),
    ],
)
def test_a_rate_limit_pauses_for_its_window_or_as_told(
    code: str | None, status: int, headers: dict[str, str], seconds: float
) -> None:
    body = b"Too Many Requests" if code is None else answer(code=code, msg="Too Many Requests")

    with pytest.raises(RateLimited) as raised:
        decoded(body, status=status, headers=headers)

    assert raised.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("50101", "simulated=1"),
        ("50105", "EXCHANGE_API_PASSPHRASE"),
        ("50110", "IP allowlist"),
        ("50111", "EXCHANGE_API_KEY"),
        ("50113", "EXCHANGE_API_SECRET"),
        ("50114", "EXCHANGE_API_KEY"),
        ("50119", "14 days"),
        ("50120", "permission to read"),
        ("50103", "OK-ACCESS-"),
    ],
)
def test_a_refused_key_says_what_to_do(code: str, part: str) -> None:
    with pytest.raises(Refused) as raised:
        decoded(answer(code=code, msg="no"), status=401)

    assert part in raised.value.hint


def test_no_error_repeats_a_secret() -> None:
    body = answer(code="50113", msg="Invalid OK-ACCESS-SIGN=22582BD0 signature=abcdef0123456789")

    with pytest.raises(Refused) as raised:
        decoded(body, status=401)

    assert "abcdef0123456789" not in str(raised.value)


def test_a_full_page_goes_on_from_its_last_order() -> None:
    rows = [an_order(ordId=str(1000 - number)) for number in range(PAGE_SIZE)]

    full, rest = listed(*rows), listed(*rows[:-1])

    assert (full.listed, full.next_cursor) == (PAGE_SIZE, "901")
    assert (rest.listed, rest.next_cursor) == (PAGE_SIZE - 1, None)


def test_a_page_whose_last_order_has_no_id_goes_on_from_the_one_before() -> None:
    rows: list[object] = [an_order(ordId=str(1000 - number)) for number in range(PAGE_SIZE)]

    assert listed(*rows[:-1], "text").next_cursor == "902"


def test_a_full_page_without_any_id_is_no_page() -> None:
    with pytest.raises(Malformed):
        listed(*[{"instId": "BTC-USDT"}] * PAGE_SIZE)


def test_a_list_never_says_that_an_order_does_not_exist() -> None:
    assert listed().answers == {}
    assert listed(an_order(ordId="5")).answers == {}


def test_a_list_of_another_symbol_is_the_answer_to_another_request() -> None:
    with pytest.raises(Malformed):
        listed(an_order(instId="ETH-USDT"))


@pytest.mark.parametrize("body", [answer({"uid": "43812"}), answer({"uid": 43812})])
def test_the_account_is_its_uid(body: bytes) -> None:
    assert decode_account(body) == "43812"


def test_an_account_without_a_uid_is_not_named() -> None:
    assert decode_account(answer({"acctLv": "1"})) is None
    assert decode_account(answer({"uid": ""})) is None


def test_only_spot_instruments_are_listed_whatever_their_state() -> None:
    body = answer(
        INSTRUMENT,
        {**INSTRUMENT, "instId": "ETH-USDT", "state": "suspend"},
        {**INSTRUMENT, "instId": "BTC-USDT-SWAP", "instType": "SWAP"},
    )

    assert decode_symbols(body) == {"BTC-USDT", "ETH-USDT"}


def test_the_documented_time_is_read() -> None:
    assert API.decode_time(json.dumps(TIME).encode()) == 1597026383085


@pytest.mark.parametrize("body", [answer(), answer({"ts": "soon"}), answer({"ts": 1}), b"[]"])
def test_an_answer_without_the_time_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        API.decode_time(body)


def test_demo_trading_is_asked_for_in_a_header_and_never_in_the_address() -> None:
    demo = OkxApi("https://www.okx.com?simulated=1", CREDENTIALS)
    request = ApiRequest(path="/api/v5/trade/order", cost={}, parameters={"ordId": "1"})

    for sent in (demo.signed(request, NOW, None), demo.unsigned(request)):
        assert sent.url == "https://www.okx.com/api/v5/trade/order?ordId=1"
        assert sent.headers["x-simulated-trading"] == "1"
    for sent in (API.signed(request, NOW, None), API.unsigned(request)):
        assert sent.url == "https://www.okx.com/api/v5/trade/order?ordId=1"
        assert "x-simulated-trading" not in sent.headers


def test_a_request_shows_no_secret() -> None:
    sent = API.signed(ApiRequest(path="/api/v5/account/config", cost={}), NOW, None)

    assert sent.headers["OK-ACCESS-PASSPHRASE"] == "made up"
    assert "made up" not in repr(sent)
    assert "made up" not in repr(API)


def test_a_second_list_of_orders_in_one_answer_is_no_answer() -> None:
    body = b'{"code":"0","msg":"","data":[],"data":[%s]}' % json.dumps(an_order()).encode()

    with pytest.raises(Malformed):
        looked_up(body)


def test_a_page_read_at_once_is_the_page_read_order_by_order() -> None:
    rows = [an_order(ordId=str(10**18 + number), accFillSz="0.5") for number in range(5)]
    # A name that is written with an escape cannot be read at once.
    escaped = answer(*rows).replace(b'"code"', b'"c\\u006fde"')

    assert list(decode_orders(answer(*rows))) == list(decode_orders(escaped))
