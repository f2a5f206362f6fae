"""What holds for every dialect of the paper exchange."""

from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from reconciler.paper.dialects import NAMES, UnknownDialect, load_dialect
from reconciler.paper.dialects.dialect import Dialect, PaperRequest, Refusal, Route
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults.effects import (
    Archive,
    Ban,
    BlockAtFirewall,
    Maintenance,
    RateLimit,
    Refuse,
    RefuseKey,
    ServerError,
)
from reconciler.paper.faults.rules import FaultRule, Faults
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.market import list_markets
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread

ROOT = Path(__file__).parents[2]
NUMBERS = (1, 7, 999, 10**9, 10**10 - 1, 2**53 + 1, 2**53 + 10**10)
REFUSALS: dict[str, Refusal] = {
    "rate_limit_rate": RateLimit(seconds=2),
    "ban_rate": Ban(seconds=2),
    "error_rate": ServerError(http_status=503),
    "maintenance_rate": Maintenance(),
    "bad_key_rate": RefuseKey(),
    "firewall_rate": BlockAtFirewall(),
    "refusal_rate": Refuse(http_status=409, code=-4711, message="No such rule is documented."),
    "archived_rate": Archive(),
}


@pytest.fixture(scope="module", params=NAMES)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return load_dialect(request.param)


@dataclass(frozen=True, kw_only=True)
class Served:
    exchange: PaperExchange
    client: httpx.Client


@pytest.fixture
def served(dialect: Dialect) -> Iterator[Served]:
    exchange = new_exchange(dialect.name, seed_options=SeedOptions(orders=60, symbols=4))
    with serve_in_thread(exchange) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield Served(exchange=exchange, client=client)


def a_lookup(route: Route, dialect: Dialect) -> PaperRequest:
    """Return a request for one order, as venues with an id in the query have it."""
    return PaperRequest(
        route=route,
        method=route.method,
        path=route.path,
        query=f"orderId={dialect.order_id(1)}",
        headers={},
        body=b"",
        address="127.0.0.1",
    )


def test_an_id_and_its_number_are_each_others_inverse(dialect: Dialect) -> None:
    ids = [dialect.order_id(number) for number in NUMBERS]

    assert [dialect.number(order_id) for order_id in ids] == list(NUMBERS)
    assert len(set(ids)) == len(NUMBERS)


@pytest.mark.parametrize("order_id", ["", "not an id", "\uff11\uff12", "-1", "1e5", "O" * 500])
def test_what_is_no_id_has_no_number(dialect: Dialect, order_id: str) -> None:
    assert dialect.number(order_id) is None


def test_every_market_has_a_symbol_of_its_own(dialect: Dialect) -> None:
    markets = list_markets(60)

    assert len({dialect.symbol(market) for market in markets}) == len(markets)


@pytest.mark.parametrize("status", ExchangeStatus)
@pytest.mark.parametrize("executed_e8", [0, 5])
def test_every_status_has_a_word_and_one_of_ours(
    dialect: Dialect, status: ExchangeStatus, executed_e8: int
) -> None:
    state = OrderState(exchange_status=status, executed_e8=executed_e8, quote_e8=executed_e8)
    ours = dialect.row_status(state)

    assert dialect.word(state)
    assert ours is not None
    assert ours.is_terminal is not state.is_open


def test_a_status_set_by_hand_is_shown_as_it_is(dialect: Dialect) -> None:
    state = OrderState(exchange_status="UNDER_REVIEW", executed_e8=0, quote_e8=0)

    assert dialect.word(state) == "UNDER_REVIEW"
    assert dialect.row_status(state) is None


def test_names_of_routes_are_unique_and_lookups_are_among_them(dialect: Dialect) -> None:
    names = [route.name for route in dialect.routes]

    assert len(set(names)) == len(names)
    assert set(dialect.lookup_routes) <= set(names)
    assert dialect.lookup_routes


def test_a_new_key_is_accepted_and_refused_by_no_option(dialect: Dialect) -> None:
    key = dialect.new_key()

    assert dialect.access_problem(key.access) is None
    assert key.api_secret not in repr(key)


def test_a_dialect_has_words_for_every_fault_but_those_that_it_names(
    dialect: Dialect, served: Served
) -> None:
    lookups = [route for route in dialect.routes if route.name in dialect.lookup_routes]
    view = served.exchange.view(lookups[0].name)

    wordless = {
        setting
        for setting, why in REFUSALS.items()
        if all(dialect.refusal(why, a_lookup(route, dialect), view) is None for route in lookups)
    }

    assert wordless == dialect.wordless_faults & REFUSALS.keys()
    assert dialect.wordless_faults <= set(Faults.__struct_fields__)


def test_the_public_path_answers_without_a_key(served: Served) -> None:
    served.exchange.access = served.exchange.dialect.new_key().access

    assert served.client.get(served.exchange.dialect.public_path).status_code == 200


def test_a_path_that_does_not_exist_is_refused(served: Served) -> None:
    answer = served.client.get("/no/such/path")

    assert answer.content
    assert answer.headers["content-type"]


def test_a_private_request_without_a_proof_is_refused(served: Served) -> None:
    served.exchange.access = served.exchange.dialect.new_key().access
    orders = [order.order_id for order in served.exchange.orders]
    spelled = [served.exchange.dialect.order_id(number) for number in orders]

    for route in served.exchange.dialect.routes:
        if route.is_private:
            path = route.path.replace("{", "").replace("}", "")
            answer = served.client.request(route.method, path)
            assert not any(order_id in answer.text for order_id in spelled)


def test_listed_orders_have_the_dialects_spelling(served: Served) -> None:
    answer = served.client.get("/paper/orders", params={"limit": 1}).json()

    dialect = served.exchange.dialect
    assert dialect.number(answer["row_order_id"]) == answer["order_id"]
    assert answer["row_symbol"] in {dialect.symbol(market) for market in list_markets(4)}


def test_faults_of_every_route_can_be_set_by_its_name(served: Served) -> None:
    for route in served.exchange.dialect.routes:
        rule = FaultRule(route=route.name, disconnect_rate=1)
        body = {"route": rule.route, "disconnect_rate": rule.disconnect_rate}
        assert served.client.post("/paper/faults", json=body).status_code == 200


def test_an_error_with_http_200_counts_as_refused(served: Served) -> None:
    served.exchange.faults.set(FaultRule(refusal_rate=1), served.exchange.clock_ms())
    path = served.exchange.dialect.public_path

    status = served.client.get(path).status_code

    rejected = served.exchange.request_log.rejected_by_status
    assert rejected == {"refused" if status == HTTPStatus.OK else str(status): 1}


def test_no_contract_forgets_a_dialect() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / "setup.cfg")

    apart = contracts["importlinter:contract:dialects"]["modules"].split()

    assert apart == [f"reconciler.paper.dialects.{name}" for name in NAMES]


def test_an_unknown_dialect_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownDialect, match="no dialect 'krakn': choose kraken"):
        load_dialect("krakn")
    with pytest.raises(UnknownDialect, match="binance or bybit or okx or kraken or coinbase"):
        load_dialect("nonsense")
