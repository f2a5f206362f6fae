"""Binance's dialect as the paper exchange asks for it. See `reconciler.paper.dialects.dialect`."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any, assert_never
from urllib.parse import parse_qsl

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.access import RequestCredentials, authenticate
from reconciler.paper.dialects.binance.answers import (
    ApiError,
    TimeUnit,
    banned_error,
    firewall_error,
    invalid_time_unit_error,
    maintenance_error,
    no_such_path_error,
    order_archived_error,
    server_error,
    too_much_weight_error,
    wrong_key_error,
)
from reconciler.paper.dialects.binance.parameters import QueryParameters
from reconciler.paper.dialects.binance.routes import (
    OTHER_PRODUCT_ROUTES,
    ROUTES,
    BinanceRoute,
    BinanceView,
)
from reconciler.paper.dialects.binance.weight_meter import (
    PUBLISHED_LIMIT,
    TOLERATED_REQUESTS,
    WeightMeter,
)
from reconciler.paper.dialects.dialect import PaperAnswer, PaperRequest, Refusal, Route
from reconciler.paper.faults.distortions import ERROR_PAGE
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
from reconciler.paper.faults.rules import RequestTarget
from reconciler.paper.lifecycle import OrderState
from reconciler.paper.market import Market
from reconciler.paper.meters import Caller, Charge, Cost, Limit, Reading, Scope
from reconciler.paper.new_keys import NewKey, new_hmac_key

LOOKUP = "order"
UNLIMITED = 10**12
"""More weight than any client can use."""


class BinanceMeter:
    """Counts request weight as `WeightMeter` does."""

    def __init__(
        self, limit: int = PUBLISHED_LIMIT, *, tolerated_requests: int = TOLERATED_REQUESTS
    ) -> None:
        self.weights = WeightMeter(limit, tolerated_requests=tolerated_requests)

    @property
    def limit(self) -> int:
        """The request weight a minute for one address."""
        return self.weights.limit

    @property
    def total(self) -> int:
        """The weight since the start."""
        return self.weights.total

    def charge(self, caller: Caller, cost: Cost, now_ms: int) -> Charge:
        """Count one request, and decide whether it is refused."""
        charged = self.weights.charge(caller.address, cost["request_weight"], now_ms)
        limit = Limit(
            name="request_weight",
            amount=self.limit,
            scope=Scope.ADDRESS,
            window_ms=60_000,
        )
        is_refused = charged.refused_with is not None
        return Charge(
            readings=(Reading(limit=limit, used=charged.used, reset_ms=now_ms),),
            retry_seconds=charged.retry_after_seconds if is_refused else None,
            is_ban=charged.refused_with == HTTPStatus.IM_A_TEAPOT,
        )

    def pause(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Refuse the requests of the caller's address for `seconds`."""
        self.weights.pause(caller.address, seconds, now_ms)

    def ban(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Ban the caller's address for `seconds`."""
        self.weights.ban(caller.address, seconds, now_ms)


class BinanceDialect:
    """The dialect of Binance spot."""

    name = "binance"
    public_path = "/api/v3/time"
    lookup_routes = (LOOKUP,)
    unreadable_fields: Mapping[str, object] = MappingProxyType({"executedQty": None})
    lost_fields = ("status",)
    limit_header_names = ("X-MBX-USED-WEIGHT", "X-MBX-USED-WEIGHT-1M")
    wordless_faults: frozenset[str] = frozenset()
    untold_ban_seconds = 0.0

    def __init__(self) -> None:
        self.routes = tuple(_routes())

    def symbol(self, market: Market) -> str:
        """Return BASEQUOTE."""
        return market.symbol

    def order_id(self, number: int) -> str:
        """Return the number."""
        return str(number)

    def number(self, order_id: str) -> int | None:
        """Return the number of an id."""
        return int(order_id) if order_id.isascii() and order_id.isdecimal() else None

    def word(self, state: OrderState) -> str:
        """Return the status as it is: the exchange's are Binance's."""
        return state.exchange_status

    def row_status(self, state: OrderState) -> Status | None:
        """Return our status: Binance has a word for each."""
        return state.status

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return the request's route, symbol and order id."""
        sent = dict(parse_qsl(request.query))
        number = self.number(sent.get("orderId", ""))
        return RequestTarget(
            route=request.route.name,
            symbol=sent.get("symbol"),
            order_ids=() if number is None else (number,),
            query=request.query,
        )

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the header X-MBX-APIKEY."""
        return request.headers.get("x-mbx-apikey")

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> BinanceMeter:
        """Return a meter of request weight for each address."""
        return BinanceMeter((limit or PUBLISHED_LIMIT) if is_enforced else UNLIMITED)

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:
        """Return the weight used."""
        used = str(charge.readings[0].used)
        return dict.fromkeys(self.limit_header_names, used)

    def access_problem(self, access: AccessPolicy) -> str | None:
        """Refuse a passphrase, which Binance does not have."""
        if access.passphrase is not None:
            return "the dialect binance has no passphrase: leave it out"
        return None

    def new_key(self) -> NewKey:
        """Make an HMAC key."""
        return new_hmac_key()

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check the signature and the time, or the bearer token."""
        credentials = RequestCredentials.read(
            api_key=self.api_key(request),
            authorization=request.headers.get("authorization"),
            query=request.query,
        )
        authenticate(view.access, credentials, QueryParameters(request.query), view.now_ms)

    def refusal(self, why: Refusal, request: PaperRequest, view: AccountView) -> PaperAnswer | None:
        """Word a fault or a limit. Binance words all of them."""
        error = _error(why, request, view)
        return None if error is None else error.answer

    def no_such_path(self, method: str, path: str) -> PaperAnswer:
        """Answer -5000."""
        return no_such_path_error(path, method).answer

    def order_objects(self, answer: Any) -> Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order of a list, a single order, or an answer without orders."""
        for part in answer if isinstance(answer, list) else [answer]:
            yield (part["symbol"], part["orderId"]) if "orderId" in part else None, part

    def emptied(self, answer: object) -> object | None:
        """Return an empty list for a list."""
        return [] if isinstance(answer, list) else None


def _routes() -> Iterator[Route]:
    for name, route in ROUTES.items():
        yield _route(name, f"/api/v3/{name}", route)
    for path, route in OTHER_PRODUCT_ROUTES.items():
        yield _route(path, path, route)


def _route(name: str, path: str, route: BinanceRoute) -> Route:
    return Route(
        name=name,
        path=path,
        answer=partial(_answer, route),
        cost=partial(_cost, route),
        is_private=route.is_private,
    )


def _cost(route: BinanceRoute, request: PaperRequest) -> Cost:
    has_symbol = any(name == "symbol" for name, _ in parse_qsl(request.query))
    return {"request_weight": route.cost(has_symbol=has_symbol)}


def _answer(route: BinanceRoute, request: PaperRequest, view: AccountView) -> object:
    unit = _time_unit(request.headers.get("x-mbx-time-unit", TimeUnit.MILLISECOND.name))
    parameters = QueryParameters(request.query)
    parameters.raise_if_unknown(route.known_parameters)
    return route.answer(BinanceView(account=view, time_unit=unit), parameters)


def _time_unit(name: str) -> TimeUnit:
    """Return the unit of that name, in upper or lower case as documented."""
    if name not in (name.upper(), name.lower()) or name.upper() not in TimeUnit.__members__:
        raise invalid_time_unit_error()
    return TimeUnit[name.upper()]


def _error(  # noqa: PLR0911  # a flat table, one line each
    why: Refusal, request: PaperRequest, view: AccountView
) -> ApiError | None:
    match why:
        case RateLimit(seconds=seconds):
            return too_much_weight_error(view.limit, ceil(seconds))
        case Ban(seconds=seconds):
            return banned_error(view.now_ms + round(seconds * 1000), ceil(seconds))
        case ServerError(http_status=status):
            return server_error(status)
        case Maintenance():
            return maintenance_error(ERROR_PAGE)
        case RefuseKey():
            return wrong_key_error()
        case BlockAtFirewall():
            return firewall_error(ERROR_PAGE)
        case Refuse(http_status=status, code=code, message=message):
            return ApiError(code, message, http_status=status)
        case Archive():
            return order_archived_error() if request.route.name == LOOKUP else None
        case _:
            assert_never(why)
