"""What every adapter does, whatever its venue answers. To add a venue, see `template`."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from reconciler.domain.report import Absent, Answer, Archived, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges import registry
from reconciler.exchanges.base import LookupResult, OrderRef
from reconciler.exchanges.order_search import FAILED_LISTS
from tests.exchanges.contract import DIALECTS, test_mutated_answers, test_requests_of_check
from tests.exchanges.contract.conftest import Venue, ref_of
from tests.exchanges.contract.dialect import (
    ABOUT_ORDERS,
    MISSING,
    NOW,
    PRICE,
    Dialect,
    ErrorCase,
    HeldOrder,
    Reply,
    Request,
    RequestKind,
    StatusCase,
    a_reply,
)

T = TypeVar("T")


def for_each(cases_of: Callable[[Dialect], dict[str, T]]) -> pytest.MarkDecorator:
    """Run a test for each case of each venue, as "binance: bad key"."""
    cases = [
        pytest.param(dialect, case, id=f"{dialect.name}: {name}")
        for dialect in DIALECTS
        for name, case in cases_of(dialect).items()
    ]
    return pytest.mark.parametrize(("dialect", "case"), cases)


def many(dialect: Dialect, count: int, word: str | None = None) -> list[HeldOrder]:
    """Return orders of one symbol, numbered from 1."""
    return [dialect.held(number, word) for number in range(1, count + 1)]


def more_than_three_pages(dialect: Dialect) -> list[HeldOrder]:
    """Return orders that the adapter asks for by pages, if it pages through any list."""
    return many(dialect, 3 * (dialect.page_size or 50) + 7, dialect.paged_word)


def most_requests(dialect: Dialect, orders: list[HeldOrder]) -> float:
    """Return the most requests for open or ended orders: a tenth of one each, if that is possible.

    Where each takes its own, a few more may look for them in a list of the others.
    """
    kind = "open" if orders[0].is_open else "ended"
    return len(orders) * (1.1 if kind in dialect.one_by_one else 0.1)


def report_of(found: LookupResult, order: HeldOrder) -> Report:
    """Return the report of an order, which must have one."""
    answer = found.answers.get(ref_of(order))
    assert isinstance(answer, Report), found.failures.get(ref_of(order), answer)
    return answer


def assert_true(report: Report, order: HeldOrder, case: StatusCase) -> None:
    """Check that a report says what the exchange holds."""
    assert (report.symbol, report.external_order_id) == (order.symbol, order.order_id)
    assert (report.word, report.status) == (order.word, case.status)
    assert report.executed_qty == Decimal(order.executed)
    assert report.avg_price == (PRICE if report.executed_qty else None)
    assert report.fetched_at == NOW
    assert report.quantity in {None, Decimal(order.quantity)}
    assert report.is_quote_sized is order.is_quote_sized


def all_true(venue: Venue, found: LookupResult, orders: list[HeldOrder]) -> None:
    """Check that every order has a true report."""
    assert found.failures == {}
    for order in orders:
        assert_true(report_of(found, order), order, venue.dialect.case_of(order.word))


# Statuses


@for_each(lambda dialect: {case.word: case for case in dialect.statuses})
async def test_every_documented_status_is_reported_as_it_is(
    opened: Venue, case: StatusCase
) -> None:
    order = opened.dialect.held(1, case.word)
    opened.server.holds(order)

    found = await opened.fetch([order])

    assert_true(report_of(found, order), order, case)


async def test_every_documented_status_is_reported_from_lists_and_batches(opened: Venue) -> None:
    words = [case.word for case in opened.dialect.statuses]
    orders = [opened.dialect.held(number, words[number % len(words)]) for number in range(1, 121)]
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)


def test_every_status_of_ours_is_met_or_said_not_to_occur(dialect: Dialect) -> None:
    met = {case.status for case in dialect.statuses} - {None}

    assert met | dialect.statuses_that_it_has_not == set(Status)
    assert not met & dialect.statuses_that_it_has_not


async def test_unknown_word_has_no_status_and_harms_no_other_order(opened: Venue) -> None:
    orders = many(opened.dialect, 3, opened.dialect.word_of_full_rows)
    orders[1] = replace(orders[1], word="FROZEN_IN_2027")
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    assert found.failures == {}
    assert report_of(found, orders[1]).status is None
    assert report_of(found, orders[1]).word == "FROZEN_IN_2027"
    for good in (orders[0], orders[2]):
        assert_true(report_of(found, good), good, opened.dialect.case_of(good.word))


async def test_partial_fill_of_a_canceled_order_is_kept(opened: Venue) -> None:
    dialect = opened.dialect
    partial = dialect.case_of(dialect.partial_then_canceled[0])
    before = dialect.held(1, partial.word, executed="0.50000000")
    after = dialect.held(1, dialect.partial_then_canceled[1], executed="0.50000000")
    opened.server.holds(before)
    first = await opened.fetch([before])

    opened.server.orders = [after]
    second = await opened.fetch([after])

    assert report_of(first, before).status in {Status.NEW, Status.PARTIAL}
    report = report_of(second, after)
    assert report.status is Status.CANCELED
    assert report.executed_qty == Decimal("0.5")
    assert report.avg_price == PRICE


@for_each(lambda one: {"filled": one.filled_case} if one.has_quote_sized else {})
async def test_quantity_of_an_order_sized_in_quote_currency_is_not_inferred(
    opened: Venue, case: StatusCase
) -> None:
    order = opened.dialect.held(1, case.word, is_quote_sized=True, executed="1.50000000")
    opened.server.holds(order)

    report = report_of(await opened.fetch([order]), order)

    assert report.is_quote_sized
    assert report.quantity is None
    assert report.status is Status.FILLED
    assert report.executed_qty == Decimal("1.5")


# Errors


@for_each(lambda dialect: {case.name: case for case in dialect.errors})
async def test_every_documented_error_becomes_its_class(opened: Venue, case: ErrorCase) -> None:
    is_about_one = not issubclass(case.becomes, ExchangeError)
    orders = many(opened.dialect, 1 if is_about_one else 3)
    opened.server.holds(*orders)
    opened.server.refuses_orders(case.reply)

    found = await opened.fetch(orders)

    outcomes: dict[OrderRef, object] = dict(found.answers)
    outcomes.update(found.failures)
    assert {type(outcome) for outcome in outcomes.values()} == {case.becomes}, outcomes
    for outcome in outcomes.values():
        if isinstance(outcome, RateLimited):
            assert outcome.retry_after_seconds == case.retry_after_seconds
        if isinstance(outcome, Refused):
            assert len(outcome.hint) > 20


@for_each(lambda dialect: {one.name: one for one in dialect.errors if one.name == "firewall"})
async def test_order_that_a_firewall_blocks_is_at_fault_alone(
    opened: Venue, case: ErrorCase
) -> None:
    blocked, other = orders = many(opened.dialect, 2)
    opened.server.holds(*orders)
    opened.server.special = lambda request, kind: (
        case.reply if kind in ABOUT_ORDERS and blocked.order_id in str(request) else None
    )

    found = await opened.fetch([blocked])
    found_of_other = await opened.fetch([other])

    fault = found.answers[ref_of(blocked)]
    assert isinstance(fault, OrderFault)
    assert "a firewall refuses requests that name it" in fault.detail
    all_true(opened, found_of_other, [other])


def test_every_class_of_error_is_among_the_documented_ones(dialect: Dialect) -> None:
    classes = {case.becomes for case in dialect.errors}
    times = {case.retry_after_seconds for case in dialect.errors if case.becomes is RateLimited}

    assert classes >= {RateLimited, Refused, Unavailable}
    assert None not in times
    assert dialect.not_found
    assert dialect.clock_refusals


MAINTENANCE = {
    "page of HTML with 200": Reply(body=b"<html>We will be back soon</html>"),
    "page of HTML with 502": Reply(body=b"<html>Bad gateway</html>", status=502),
    "503 without a body": Reply(body=b"", status=503),
    "JSON of another service": a_reply({"status": "down"}),
    "a list": a_reply([]),
    "a text": a_reply("maintenance"),
    "cut": Reply(body=b'{"result":'),
    "empty": Reply(body=b""),
    "no text": Reply(body=b"\xff\xfe\x00"),
    "redirect": Reply(body=b"", status=302, headers={"Location": "https://example.org/"}),
}


@for_each(lambda _: MAINTENANCE)
async def test_what_is_no_answer_is_no_evidence_about_an_order(opened: Venue, case: Reply) -> None:
    orders = many(opened.dialect, 3)
    opened.server.holds(*orders)
    opened.server.refuses_orders(case)

    found = await opened.fetch(orders)

    # An empty list is an answer: then the orders are looked up, and those answers are no orders.
    assert found.answers == {}
    failures = found.failures.values()
    assert all(isinstance(one, Unavailable | RequestRejected) for one in failures), failures


async def test_bad_key_is_not_tried_again_for_the_rest_of_the_batch(opened: Venue) -> None:
    refusal = next(case for case in opened.dialect.errors if case.becomes is Refused)
    orders = [
        replace(opened.dialect.held(number), symbol=opened.dialect.symbols[number % 3])
        for number in range(1, 200)
    ]
    opened.server.refuses_orders(refusal.reply)

    found = await opened.fetch(orders)

    assert {type(failure) for failure in found.failures.values()} == {Refused}
    assert found.answers == {}
    assert 1 <= len(opened.server.about_orders()) <= 8


async def test_rate_limit_ends_the_batch(opened: Venue) -> None:
    limited = next(case for case in opened.dialect.errors if case.becomes is RateLimited)
    orders = many(opened.dialect, 150)
    opened.server.refuses_orders(limited.reply)

    found = await opened.fetch(orders)

    assert {type(failure) for failure in found.failures.values()} == {RateLimited}
    assert len(opened.server.about_orders()) <= 8


@for_each(lambda dialect: dict(dialect.clock_refusals))
async def test_refused_timestamp_or_nonce_is_replaced_and_sent_again(
    opened: Venue, case: Reply
) -> None:
    order = opened.dialect.held(1)
    opened.server.holds(order)
    opened.server.time = NOW + timedelta(seconds=2)
    opened.server.refuses_orders(case, times=1)

    found = await opened.fetch([order])

    all_true(opened, found, [order])
    assert len(opened.server.about_orders()) >= 2


@for_each(lambda dialect: dict(dialect.clock_refusals))
async def test_timestamp_or_nonce_refused_every_time_fails_the_order(
    opened: Venue, case: Reply
) -> None:
    order = opened.dialect.held(1)
    opened.server.holds(order)
    opened.server.refuses_orders(case)

    found = await opened.fetch([order])

    assert type(found.failures[ref_of(order)]) is opened.dialect.always_refused_becomes
    assert 2 <= len(opened.server.about_orders()) <= 4


async def test_clock_offset_is_that_of_the_exchange(opened: Venue) -> None:
    opened.server.time = NOW + timedelta(seconds=3)

    assert await opened.exchange.fetch_clock_offset() == timedelta(seconds=3)


async def test_no_error_shows_a_secret(opened: Venue) -> None:
    def echo(request: Request, kind: RequestKind) -> Reply | None:
        if kind not in ABOUT_ORDERS:
            return None
        said = f"bad request: {request.path}?{request.query} {request.headers} {request.body!r}"
        return Reply(body=said.encode(), status=400)

    opened.server.special = echo
    order = opened.dialect.held(1)

    found = await opened.fetch([order])

    sent = opened.server.about_orders()[-1]
    failure = found.failures[ref_of(order)]
    shown = f"{failure} {failure!r} {getattr(failure, 'hint', '')}"
    for secret in secrets_of(opened.dialect, sent):
        assert secret not in shown


def secrets_of(dialect: Dialect, request: Request) -> set[str]:
    """Return what a request has that no log may show."""
    own = dialect.credentials
    kept = (own.api_key, own.api_secret, own.passphrase, own.bearer_token)
    signatures = [
        text
        for name, text in (*request.headers.items(), *request.all_parameters)
        if "sign" in name.lower() or name == "authorization"
    ]
    assert signatures, "the request is not signed"
    return {one.get_secret_value() for one in kept if one is not None} | set(signatures)


# Not found


@for_each(lambda dialect: dict(dialect.not_found))
async def test_order_that_the_exchange_does_not_know_is_absent(opened: Venue, case: Reply) -> None:
    order = opened.dialect.held(1)
    opened.server.refuses_orders(case)

    found = await opened.fetch([order])

    assert isinstance(found.answers[ref_of(order)], Absent)


async def test_orders_that_are_not_there_are_absent_and_no_others(opened: Venue) -> None:
    orders = [
        opened.dialect.held(number, word)
        for number in range(1, 61)
        for word in [opened.dialect.filled_case.word if number % 2 else None]
    ]
    gone = orders[::7]
    opened.server.holds(*(order for order in orders if order not in gone))

    found = await opened.fetch(orders)

    absent = {ref for ref, answer in found.answers.items() if isinstance(answer, Absent)}
    assert absent == {ref_of(order) for order in gone}
    assert found.failures == {}


async def test_symbol_that_the_venue_does_not_list_is_its_orders_own_fault(opened: Venue) -> None:
    good = many(opened.dialect, 3)
    wrong = replace(opened.dialect.held(9), symbol=opened.dialect.unlisted_symbol)
    opened.server.holds(*good)

    found = await opened.fetch([*good, wrong])

    answer = found.answers.pop(ref_of(wrong))
    all_true(opened, found, good)
    # Where an id alone names an order, the symbol is not part of the question.
    expected = (OrderFault, Absent) if opened.dialect.asks_by_id_alone else OrderFault
    assert isinstance(answer, expected)


async def test_id_that_is_no_id_is_its_orders_own_fault(opened: Venue) -> None:
    good = many(opened.dialect, 2)
    wrong = [
        replace(opened.dialect.held(9), order_id=text)
        for text in ("", "my order", "'; DROP TABLE orders", "<script>", "x" * 5000, "\u0661")
    ]
    opened.server.holds(*good)

    found = await opened.fetch([*good, *wrong])

    faults = [found.answers.pop(ref_of(one)) for one in wrong]
    all_true(opened, found, good)
    assert {type(fault) for fault in faults} == {OrderFault}
    assert not any("script" in one.query for one in opened.server.requests)


# Pages and batches


async def test_ids_of_the_greatest_length_keep_every_digit(opened: Venue) -> None:
    orders = many(opened.dialect, 8)
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)
    assert len({answer.external_order_id for answer in found.answers.values()}) == 8


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
async def test_many_orders_take_a_tenth_of_one_request_each_or_it_is_said_that_they_cannot(
    opened: Venue, *, ended: bool
) -> None:
    dialect = opened.dialect
    orders = many(dialect, 200, dialect.filled_case.word if ended else None)
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)
    requests = len(opened.server.about_orders())
    assert requests <= most_requests(dialect, orders)
    is_one_by_one = ("ended" if ended else "open") in dialect.one_by_one
    assert is_one_by_one is (requests > len(orders) / 10), "`one_by_one` says less than it can"


async def test_first_page_is_not_taken_for_the_whole_list(opened: Venue) -> None:
    orders = more_than_three_pages(opened.dialect)
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)


async def test_page_that_fails_makes_no_order_absent(opened: Venue) -> None:
    dialect = opened.dialect
    orders = more_than_three_pages(dialect)
    opened.server.holds(*orders)
    outage = next(case for case in dialect.errors if case.becomes is Unavailable)
    failed: list[Request] = []

    def fail_later_pages(request: Request, kind: RequestKind) -> Reply | None:
        if kind is not RequestKind.LIST or dialect.page_of(request) is None or failed:
            return None
        failed.append(request)
        return outage.reply

    opened.server.special = fail_later_pages
    found = await opened.fetch(orders)

    has_pages = dialect.page_size is not None
    assert bool(failed) is has_pages
    assert bool(found.failures) is has_pages
    assert all(isinstance(failure, Unavailable) for failure in found.failures.values())
    for order in orders:
        if ref_of(order) in found.answers:
            assert_true(report_of(found, order), order, dialect.case_of(order.word))


@pytest.mark.parametrize(
    "kinds", [{RequestKind.LIST}, ABOUT_ORDERS], ids=["every list", "every answer"]
)
async def test_answers_of_an_empty_account_end_no_order(
    opened: Venue, kinds: AbstractSet[RequestKind]
) -> None:
    """As of a replica without data: what a list leaves out has neither ended nor vanished."""
    orders = many(opened.dialect, 40)
    opened.server.holds(*orders)

    def as_if_empty(request: Request, kind: RequestKind) -> Reply | None:
        return opened.dialect.answer(request, [], NOW) if kind in kinds else None

    opened.server.special = as_if_empty
    found = await opened.fetch(orders)

    if RequestKind.LOOKUP in kinds:
        assert {type(answer) for answer in found.answers.values()} <= {Absent}
    else:
        all_true(opened, found, orders)


PROXY_STATUSES = {str(status): status for status in (400, 402, 405, 407, 409, 413, 422)}


@for_each(lambda _: PROXY_STATUSES)
async def test_error_without_a_code_of_the_exchange_is_an_outage(opened: Venue, case: int) -> None:
    orders = many(opened.dialect, 3)
    opened.server.holds(*orders)
    opened.server.refuses_orders(Reply(body=b"<html>A proxy's page</html>", status=case))

    found = await opened.fetch(orders)

    assert found.answers == {}
    assert {type(failure) for failure in found.failures.values()} == {Unavailable}


async def test_429_without_a_code_of_the_exchange_limits_the_rate(opened: Venue) -> None:
    """A gateway in front of the exchange counts requests, too."""
    orders = many(opened.dialect, 3)
    opened.server.holds(*orders)
    opened.server.refuses_orders(Reply(body=b"slow down", status=429))

    found = await opened.fetch(orders)

    assert found.answers == {}
    assert {type(failure) for failure in found.failures.values()} == {RateLimited}


async def test_list_that_begins_again_ends(opened: Venue) -> None:
    orders = more_than_three_pages(opened.dialect)
    opened.server.holds(*orders)
    opened.server.repeats_pages = True

    found = await opened.fetch(orders)

    assert len(opened.server.about_orders()) <= most_requests(opened.dialect, orders)
    for order in orders:
        if ref_of(order) in found.answers:
            assert_true(report_of(found, order), order, opened.dialect.case_of(order.word))


async def test_list_that_always_fails_keeps_no_order_from_an_answer(opened: Venue) -> None:
    orders = many(opened.dialect, 60)
    opened.server.holds(*orders)
    opened.server.special = lambda _, kind: (
        Reply(body=b"", status=500) if kind is RequestKind.LIST else None
    )

    *failed, found = [await opened.fetch(orders) for _ in range(FAILED_LISTS + 1)]

    for earlier in failed:
        assert {type(failure) for failure in earlier.failures.values()} <= {Unavailable}
    all_true(opened, found, orders)


async def test_no_request_names_more_orders_than_the_venue_takes(opened: Venue) -> None:
    dialect = opened.dialect
    count = 2 * max(dialect.batch_limit, 10) + 3
    orders = [
        replace(dialect.held(number, dialect.filled_case.word), symbol=dialect.symbols[number % 3])
        for number in range(1, count + 1)
    ]
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)
    batches = [
        len(dialect.ids_in(request))
        for request in opened.server.about_orders()
        if dialect.kind_of(request) is RequestKind.LOOKUP
    ]
    assert max(batches, default=0) <= dialect.batch_limit


async def test_order_that_is_not_ours_is_left_out(opened: Venue) -> None:
    orders = many(opened.dialect, 40)
    ours = orders[::3]
    opened.server.holds(*orders)

    found = await opened.fetch(ours)

    all_true(opened, found, ours)


async def test_answer_about_another_order_is_no_answer(opened: Venue) -> None:
    ours, other = opened.dialect.held(1), opened.dialect.held(2, opened.dialect.filled_case.word)
    opened.server.holds(other)

    def answer_about_another(request: Request, kind: RequestKind) -> Reply | None:
        if kind is not RequestKind.LOOKUP:
            return None
        changed = about_another(request, ours.order_id, other.order_id)
        return opened.dialect.answer(changed, opened.server.orders, NOW)

    opened.server.special = answer_about_another
    found = await opened.fetch([ours])

    assert not isinstance(found.answers.get(ref_of(ours)), Report | Archived | OrderFault)
    failure: Answer | object = found.failures.get(ref_of(ours))
    # Where a look-up may leave an order out, an answer about others says that it is not there.
    assert isinstance(failure, Malformed) or opened.dialect.batch_limit > 1


def about_another(request: Request, old: str, new: str) -> Request:
    """Return the request with another order's id."""
    return replace(
        request,
        path=request.path.replace(old, new),
        query=request.query.replace(old, new),
        body=request.body.replace(old.encode(), new.encode()),
    )


# Rows


@for_each(lambda dialect: {name: name for name in dialect.decides_nothing})
async def test_missing_field_that_decides_nothing_is_no_fault(opened: Venue, case: str) -> None:
    order = opened.dialect.held(1, changes={case: MISSING})
    opened.server.holds(order)

    found = await opened.fetch([order])

    report = report_of(found, order)
    assert report.status is opened.dialect.open_case.status
    assert not report.executed_qty


@for_each(lambda dialect: {name: name for name in dialect.decides})
async def test_order_without_a_field_that_decides_fails_alone(opened: Venue, case: str) -> None:
    orders = many(opened.dialect, 3, opened.dialect.word_of_full_rows)
    orders[1] = replace(orders[1], changes={case: MISSING})
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    assert type(found.failures.pop(ref_of(orders[1]))) is UnreadableRow
    all_true(opened, found, [orders[0], orders[2]])


async def test_fields_of_2027_are_ignored(opened: Venue) -> None:
    new = {"aFieldOf2027": {"any": ["thing"]}, "another": 1.5, "status2": None}
    orders = [replace(order, changes=new) for order in many(opened.dialect, 3)]
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    all_true(opened, found, orders)


@for_each(
    lambda dialect: {
        f"{name} = {value!r}": (name, value)
        for name, values in dialect.bad_values.items()
        for value in values
    }
)
async def test_unreadable_row_among_good_ones_fails_alone(
    opened: Venue, case: tuple[str, object]
) -> None:
    name, value = case
    orders = many(opened.dialect, 3, opened.dialect.filled_case.word)
    orders[1] = replace(orders[1], changes={name: value})
    opened.server.holds(*orders)

    found = await opened.fetch(orders)

    assert type(found.failures.pop(ref_of(orders[1]))) is UnreadableRow
    all_true(opened, found, [orders[0], orders[2]])


# The account and the symbols


async def test_account_is_named_or_said_to_have_no_name(opened: Venue) -> None:
    account = await opened.exchange.fetch_account()

    assert account.identity == opened.dialect.account_identity
    assert account.clock_offset == timedelta(0)


async def test_bad_key_is_refused_when_the_account_is_asked_for(opened: Venue) -> None:
    refusal = next(case for case in opened.dialect.errors if case.becomes is Refused)

    def refuse(_: Request, kind: RequestKind) -> Reply | None:
        return refusal.reply if kind is opened.dialect.account_request else None

    opened.server.special = refuse

    with pytest.raises(Refused):
        await opened.exchange.fetch_account()


async def test_symbols_are_those_that_the_venue_lists(opened: Venue) -> None:
    listed = await opened.exchange.fetch_symbols()

    assert listed >= set(opened.dialect.symbols)
    for symbol in opened.dialect.symbols:
        assert opened.exchange.request_symbol(symbol) in listed
    assert opened.exchange.request_symbol(opened.dialect.unlisted_symbol) not in listed


async def test_what_is_no_list_of_symbols_is_an_error(opened: Venue) -> None:
    opened.server.special = lambda _, kind: (
        Reply(body=b"<html>") if kind is RequestKind.SYMBOLS else None
    )

    with pytest.raises(ExchangeError):
        await opened.exchange.fetch_symbols()


async def test_list_without_any_symbol_is_none(
    opened: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each symbol of the table would seem delisted."""
    monkeypatch.setattr(opened.dialect, "symbols", ())

    with pytest.raises(ExchangeError):
        await opened.exchange.fetch_symbols()


async def test_every_request_takes_from_a_limit_that_the_venue_names(opened: Venue) -> None:
    order = opened.dialect.held(1)
    opened.server.holds(order)

    await opened.fetch([order])

    names = {limit.name for limit in opened.exchange.venue.limits}
    assert {reading.name for reading in opened.budget.readings} <= names
    assert opened.exchange.venue.lookup_cost.keys() <= names
    assert opened.exchange.venue.chunk_cost.keys() <= names
    assert opened.sender.weight_spent >= 1


def test_every_adapter_has_a_dialect() -> None:
    packages = {package.rpartition(".")[2] for package in registry.PACKAGES}

    assert packages <= {dialect.name for dialect in DIALECTS}


def test_scenario_that_does_not_apply_exists_and_says_why(dialect: Dialect) -> None:
    names = {name.partition("[")[0] for name in dialect.does_not_apply}

    others = vars(test_requests_of_check).keys() | vars(test_mutated_answers).keys()
    assert names <= globals().keys() | others
    assert all(len(reason) > 20 for reason in dialect.does_not_apply.values())
