"""The adapter against a real HTTP server that speaks as the exchange is documented."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import jwt
import pytest
import pytest_asyncio
from pydantic import SecretStr

from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ConfigurationError,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.base import LookupResult, OrderRef
from reconciler.exchanges.coinbase.constants import BATCH_LIMIT, VENUE
from reconciler.settings import Credentials
from tests.exchanges.fakes import RecordingBudget

from .samples import (
    API_KEY,
    NO_SUCH_ORDER,
    PEM,
    PRIVATE_KEY,
    Canned,
    FakeVenue,
    a_page,
    a_ref,
    a_row,
    answer,
    each_way_to_mix_case,
    filled,
    opened,
    order_id,
    served,
)

BATCH = "orders/historical/batch"
WRONG_ARGUMENT = answer(
    {"error": "INVALID_ARGUMENT", "error_details": "no", "message": "no"}, status=400
)
UNAUTHORIZED = Canned(body=b"Unauthorized\n", status=401)


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeVenue]:
    async with served(FakeVenue()) as served_fake:
        yield served_fake


async def fetch(fake: FakeVenue, *refs: OrderRef) -> LookupResult:
    async with opened(fake.url) as exchange:
        return await exchange.fetch(refs)


def single(number: int) -> str:
    return f"orders/historical/{order_id(number)}"


async def test_several_orders_are_reported_with_one_request(fake: FakeVenue) -> None:
    fake.holds(filled(1), a_row(2, filled_size="1", average_filled_price="10"), a_row(3))

    found = await fetch(fake, a_ref(1), a_ref(2), a_ref(3))

    reports = {ref: answer for ref, answer in found.answers.items() if isinstance(answer, Report)}
    assert [reports[a_ref(number)].status for number in (1, 2, 3)] == [
        Status.FILLED,
        Status.NEW,
        Status.NEW,
    ]
    assert reports[a_ref(2)].executed_qty == 1
    assert fake.paths() == [BATCH]


async def test_every_private_request_carries_a_token_made_for_it(fake: FakeVenue) -> None:
    fake.holds(a_row(1))

    await fetch(fake, a_ref(1), a_ref(9))

    host = fake.url.removeprefix("http://")
    private = [one for one in fake.received if not one.path.endswith("/time")]
    assert [one.path for one in private] == [
        f"/api/v3/brokerage/{BATCH}",
        f"/api/v3/brokerage/{single(9)}",
    ]
    for request in private:
        claims = jwt.decode(
            request.authorization.removeprefix("Bearer "),
            PRIVATE_KEY.public_key(),
            ["ES256"],
            options={"verify_exp": False, "verify_nbf": False},
        )
        assert claims["uri"] == f"GET {host}{request.path}"
        assert claims["sub"] == API_KEY


async def test_order_that_the_list_leaves_out_is_looked_up_before_it_is_absent(
    fake: FakeVenue,
) -> None:
    fake.holds(a_row(1), filled(2))
    fake.answers_next(BATCH, answer(a_page([a_row(1)])))

    found = await fetch(fake, a_ref(1), a_ref(2), a_ref(3))

    assert isinstance(found.answers[a_ref(1)], Report)
    late = found.answers[a_ref(2)]
    assert isinstance(late, Report)
    assert late.status is Status.FILLED
    assert isinstance(found.answers[a_ref(3)], Absent)
    assert sorted(fake.paths()) == sorted([BATCH, single(2), single(3)])


@pytest.mark.parametrize(
    ("canned", "failure"),
    [
        (answer({**NO_SUCH_ORDER, "message": "portfolio not found"}, 404), RequestRejected),
        (Canned(body=b"404 page not found", status=404), Unavailable),
        (answer({"error": "unknown", "error_details": "", "message": ""}, 404), RequestRejected),
    ],
)
async def test_404_about_anything_else_leaves_the_order_without_an_answer(
    fake: FakeVenue, canned: Canned, failure: type[ExchangeError]
) -> None:
    fake.answers_next(single(1), canned)

    found = await fetch(fake, a_ref(1))

    assert found.answers == {}
    assert type(found.failures[a_ref(1)]) is failure


async def test_batch_is_never_longer_than_its_limit(fake: FakeVenue) -> None:
    numbers = range(1, 2 * BATCH_LIMIT + 2)
    fake.holds(*(filled(number) for number in numbers))

    found = await fetch(fake, *(a_ref(number) for number in numbers))

    assert len(found.answers) == len(numbers)
    lists = [one.parameters for one in fake.received if one.path.endswith(BATCH)]
    asked = [one["order_ids"] for one in lists if "order_ids" in one]
    assert max(map(len, asked)) <= BATCH_LIMIT
    assert all("product_id" not in one for one in lists)


async def test_batch_that_is_rejected_is_asked_for_in_halves(fake: FakeVenue) -> None:
    fake.holds(a_row(1), filled(2))
    fake.answers_next(BATCH, Canned(body=b"", status=414))

    found = await fetch(fake, a_ref(1), a_ref(2))

    assert all(isinstance(one, Report) for one in found.answers.values())
    assert len(found.answers) == 2
    assert fake.paths() == [BATCH, BATCH, BATCH]


async def test_orders_are_looked_up_singly_where_no_batch_is_taken(fake: FakeVenue) -> None:
    fake.holds(a_row(1), filled(2))
    fake.answers_next(BATCH, *[WRONG_ARGUMENT] * 3)

    found = await fetch(fake, a_ref(1), a_ref(2))

    assert all(isinstance(one, Report) for one in found.answers.values())
    assert len(found.answers) == 2
    assert sorted(fake.paths()) == sorted([BATCH, BATCH, BATCH, single(1), single(2)])


async def test_exchange_that_rejects_every_look_up_is_not_asked_about_every_order(
    fake: FakeVenue,
) -> None:
    numbers = range(1, 4 * BATCH_LIMIT)
    fake.answers_next(BATCH, *[WRONG_ARGUMENT] * len(numbers) * 2)
    for number in numbers:
        fake.answers_next(single(number), WRONG_ARGUMENT)
    refs = [a_ref(number) for number in numbers]

    found = await fetch(fake, *refs)

    assert found.answers == {}
    assert {type(failure) for failure in found.failures.values()} == {RequestRejected}
    assert len(fake.received) < len(refs) / 2


async def test_open_list_is_read_to_its_last_page(fake: FakeVenue) -> None:
    fake.page_size = 400
    numbers = range(1, 1001)
    fake.holds(*(a_row(number) for number in numbers))

    found = await fetch(fake, *(a_ref(number) for number in numbers))

    assert found.failures == {}
    assert all(isinstance(one, Report) for one in found.answers.values())
    assert len(found.answers) == len(numbers)
    lists = [one.parameters for one in fake.received if one.path.endswith(BATCH)]
    assert [one.get("cursor") for one in lists] == [None, ["400"], ["800"]]
    assert all(one["order_status"] == ["OPEN"] for one in lists)


async def test_page_that_fails_leaves_the_orders_of_its_list_without_an_answer(
    fake: FakeVenue,
) -> None:
    fake.page_size = 400
    numbers = range(1, 1001)
    fake.holds(*(a_row(number) for number in numbers))
    fake.answers_next(
        BATCH,
        answer(a_page([a_row(number) for number in range(1, 401)], cursor="400")),
        Canned(body=b"<html>", status=503),
    )

    found = await fetch(fake, *(a_ref(number) for number in numbers))

    assert found.answers == {}
    assert {type(one) for one in found.failures.values()} == {Unavailable}


async def test_cursor_that_repeats_does_not_go_round_for_ever(fake: FakeVenue) -> None:
    page = a_page([a_row(number) for number in range(1, 401)], cursor="again")
    fake.answers_next(BATCH, *[answer(page)] * 50)

    found = await fetch(fake, *(a_ref(number) for number in range(1, 1001)))

    assert found.answers.keys() | found.failures.keys() == {a_ref(n) for n in range(1, 1001)}
    assert len(fake.paths()) < 50


async def test_id_in_capitals_is_the_same_order_and_every_row_gets_its_answer(
    fake: FakeVenue,
) -> None:
    fake.holds(filled(0xABCDEF))
    ids = [order_id(0xABCDEF), *each_way_to_mix_case(order_id(0xABCDEF))]
    refs = [OrderRef(symbol="BTC-USD", external_order_id=one) for one in ids]

    found = await fetch(fake, *refs)

    assert [found.answers[ref].external_order_id for ref in refs] == ids
    assert all(isinstance(found.answers[ref], Report) for ref in refs)
    assert fake.received[-1].parameters["order_ids"] == [order_id(0xABCDEF)]


async def test_answer_with_its_id_in_capitals_is_about_the_order(fake: FakeVenue) -> None:
    fake.answers_next(BATCH, answer(a_page([filled(0xAB, order_id=order_id(0xAB).upper())])))

    found = await fetch(fake, a_ref(0xAB))

    assert isinstance(found.answers[a_ref(0xAB)], Report)


@pytest.mark.parametrize("symbol", ["BTC/USD", "btc-usd", "BTCUSD", "btc_usd"])
async def test_symbol_in_another_spelling_is_the_same(fake: FakeVenue, symbol: str) -> None:
    fake.holds(filled(1))
    ref = a_ref(1, symbol)

    found = await fetch(fake, ref)

    report = found.answers[ref]
    assert isinstance(report, Report)
    assert report.symbol == symbol


async def test_order_of_another_symbol_waits_for_a_person_and_the_rest_go_on(
    fake: FakeVenue,
) -> None:
    fake.holds(filled(1, product_id="BTC-EUR"), filled(2))

    found = await fetch(fake, a_ref(1), a_ref(2))

    fault = found.answers[a_ref(1)]
    assert isinstance(fault, OrderFault)
    assert "an order of 'BTC-EUR'" in fault.detail
    assert isinstance(found.answers[a_ref(2)], Report)


async def test_id_that_is_none_waits_for_a_person_and_is_not_asked_for(fake: FakeVenue) -> None:
    fake.holds(filled(1))
    wrong = OrderRef(symbol="BTC-USD", external_order_id="../../accounts")

    found = await fetch(fake, wrong, a_ref(1))

    assert isinstance(found.answers[wrong], OrderFault)
    assert isinstance(found.answers[a_ref(1)], Report)
    assert fake.paths() == [BATCH]


async def test_one_unreadable_order_among_good_ones_fails_alone(fake: FakeVenue) -> None:
    broken = filled(2)
    del broken["status"]
    rows = [filled(1), broken, filled(3, filled_size="much"), "no order", filled(4, new_field={})]
    fake.answers_next(BATCH, answer(a_page(rows)))  # type: ignore[arg-type]  # on purpose

    found = await fetch(fake, *(a_ref(number) for number in range(1, 5)))

    assert set(found.answers) == {a_ref(1), a_ref(4)}
    assert isinstance(found.failures[a_ref(2)], UnreadableRow)
    assert isinstance(found.failures[a_ref(3)], UnreadableRow)


async def test_two_rows_of_one_order_that_differ_are_no_answer(fake: FakeVenue) -> None:
    fake.answers_next(BATCH, answer(a_page([filled(1), a_row(1), filled(2)])))

    found = await fetch(fake, a_ref(1), a_ref(2))

    assert isinstance(found.failures[a_ref(1)], UnreadableRow)
    assert isinstance(found.answers[a_ref(2)], Report)


async def test_look_up_that_answers_with_another_order_is_no_answer(fake: FakeVenue) -> None:
    fake.answers_next(BATCH, answer(a_page([])))
    fake.answers_next(single(1), answer({"order": filled(2)}))

    found = await fetch(fake, a_ref(1))

    assert found.answers == {}
    assert isinstance(found.failures[a_ref(1)], UnreadableRow)


@pytest.mark.parametrize(
    "page",
    [
        a_page([filled(1)], cursor="x") | {"cursor": ""},
        a_page([filled(1)]) | {"has_next": None},
        {"orders": [filled(1)]},
        {"orders": {"1": filled(1)}, "has_next": False, "cursor": ""},
        [filled(1)],
    ],
)
async def test_page_that_does_not_say_how_it_goes_on_is_malformed(
    fake: FakeVenue, page: object
) -> None:
    fake.answers_next(BATCH, answer(page))

    found = await fetch(fake, a_ref(1))

    assert found.answers == {}
    assert isinstance(found.failures[a_ref(1)], Malformed)


async def test_token_that_is_refused_once_is_made_again(fake: FakeVenue) -> None:
    fake.holds(filled(1))
    fake.answers_next(BATCH, UNAUTHORIZED)

    found = await fetch(fake, a_ref(1))

    assert isinstance(found.answers[a_ref(1)], Report)
    assert [one.path.rpartition("/")[2] for one in fake.received] == [
        "time",
        "batch",
        "time",
        "batch",
    ]


async def test_key_that_is_refused_everywhere_is_a_persons_task(fake: FakeVenue) -> None:
    fake.answers_next(BATCH, UNAUTHORIZED, UNAUTHORIZED)
    fake.answers_next("key_permissions", UNAUTHORIZED, UNAUTHORIZED)

    found = await fetch(fake, a_ref(1), a_ref(2))

    for ref in (a_ref(1), a_ref(2)):
        failure = found.failures[ref]
        assert isinstance(failure, Refused)
        assert "EXCHANGE_API_KEY" in failure.hint
    assert fake.paths() == [BATCH, BATCH, "key_permissions", "key_permissions"]


async def test_token_that_is_refused_for_orders_alone_is_an_outage(fake: FakeVenue) -> None:
    fake.answers_next(BATCH, UNAUTHORIZED, UNAUTHORIZED)

    found = await fetch(fake, a_ref(1), a_ref(2))

    assert {type(failure) for failure in found.failures.values()} == {Unavailable}
    assert fake.paths() == [BATCH, BATCH, "key_permissions"]


async def test_public_route_that_wants_a_key_is_another_servers(fake: FakeVenue) -> None:
    fake.answers_next("time", UNAUTHORIZED)
    fake.answers_next("market/products", UNAUTHORIZED)

    async with opened(fake.url) as exchange:
        with pytest.raises(Unavailable, match=r"time: HTTP 401.*EXCHANGE_BASE_URL"):
            await exchange.fetch_clock_offset()
        with pytest.raises(Unavailable, match=r"products: HTTP 401.*EXCHANGE_BASE_URL"):
            await exchange.fetch_symbols()


@pytest.mark.parametrize(
    ("canned", "expected"),
    [
        (Canned(body=b"<html>", status=429), RateLimited),
        (Canned(body=b"<html>", status=503), Unavailable),
        (answer({"error": "PERMISSION_DENIED", "message": "Missing"}, 403), Refused),
    ],
)
async def test_failure_reaches_every_order_that_was_asked_for(
    fake: FakeVenue, canned: Canned, expected: type[ExchangeError]
) -> None:
    fake.answers_next(BATCH, canned)

    found = await fetch(fake, a_ref(1), a_ref(2))

    assert found.answers == {}
    assert {type(one) for one in found.failures.values()} == {expected}
    assert found.failures.keys() == {a_ref(1), a_ref(2)}


async def test_account_is_the_portfolio_of_the_key(fake: FakeVenue) -> None:
    async with opened(fake.url) as exchange:
        account = await exchange.fetch_account()

    assert account.identity == order_id(77)
    assert account.clock_offset == timedelta(0)
    assert VENUE.account_identity is not None


async def test_account_without_a_portfolio_is_not_named(fake: FakeVenue) -> None:
    fake.answers_next("key_permissions", answer({"can_view": True, "portfolio_uuid": ""}))

    async with opened(fake.url) as exchange:
        assert (await exchange.fetch_account()).identity is None


async def test_key_that_may_not_view_is_refused(fake: FakeVenue) -> None:
    fake.answers_next("key_permissions", answer({"can_view": False, "can_trade": True}))

    async with opened(fake.url) as exchange:
        with pytest.raises(Refused, match="may not view"):
            await exchange.fetch_account()


async def test_products_are_listed_without_a_key(fake: FakeVenue) -> None:
    async with opened(fake.url) as exchange:
        assert await exchange.fetch_symbols() == {"BTC-USD"}
        assert exchange.request_symbol("btc/usd") == "BTC-USD"

    assert fake.received[-1].authorization == ""


async def test_symbol_without_a_separator_is_a_product_if_one_has_its_letters(
    fake: FakeVenue,
) -> None:
    products = [{"product_id": name} for name in ("BTC-USD", "ETH-USD", "A-BCD", "AB-CD")]
    fake.answers_next("market/products", answer({"products": products}))

    async with opened(fake.url) as exchange:
        before = exchange.request_symbol("btcusd")
        await exchange.fetch_symbols()

        assert before == "BTCUSD"
        assert exchange.request_symbol("btcusd") == "BTC-USD"
        assert exchange.request_symbol("ABCD") == "ABCD"
        assert exchange.request_symbol("SOLUSD") == "SOLUSD"


async def test_empty_list_of_products_is_no_list(fake: FakeVenue) -> None:
    fake.answers_next("market/products", answer({"products": []}))

    async with opened(fake.url) as exchange:
        with pytest.raises(Malformed):
            await exchange.fetch_symbols()


async def test_what_is_left_of_the_limit_reaches_the_budget(fake: FakeVenue) -> None:
    budget = RecordingBudget()
    fake.answers_next(
        BATCH, answer(a_page([filled(1)]), x_ratelimit_remaining="3", x_ratelimit_reset="1")
    )

    async with opened(fake.url, budget=budget) as exchange:
        await exchange.fetch([a_ref(1)])

    (reading,) = budget.readings
    assert (reading.name, reading.remaining, reading.reset_seconds) == ("private", 3, 1)


async def test_partly_filled_and_canceled_order_keeps_what_was_filled(fake: FakeVenue) -> None:
    fake.holds(filled(1, status="CANCELLED", filled_size="0.5"))

    found = await fetch(fake, a_ref(1))

    report = found.answers[a_ref(1)]
    assert isinstance(report, Report)
    assert (report.status, report.executed_qty) == (Status.CANCELED, Decimal("0.5"))
    assert report.avg_price == Decimal("21220.6399999973697697")


async def test_malformed_credentials_are_named_before_anything_is_sent(fake: FakeVenue) -> None:
    credentials = Credentials(api_key=SecretStr("my-key"), api_secret=SecretStr(PEM))

    with pytest.raises(ConfigurationError, match="organizations/"):
        async with opened(fake.url, credentials=credentials):
            pass

    assert fake.received == []
