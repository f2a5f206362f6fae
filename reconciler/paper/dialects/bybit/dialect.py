"""Bybit's dialect as the paper exchange asks for it. See `reconciler.paper.dialects.dialect`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any, assert_never

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.bybit import access as bybit_access
from reconciler.paper.dialects.bybit.answers import (
    Envelope,
    OrderPage,
    enveloped,
    error_answer,
    is_order_page,
    orders_in,
    page_answer,
    without_orders,
)
from reconciler.paper.dialects.bybit.order_ids import number_of, order_id_of
from reconciler.paper.dialects.bybit.parameters import Parameters
from reconciler.paper.dialects.bybit.routes import (
    BAN_SECONDS,
    HISTORY,
    LIMITS,
    REALTIME,
    BybitRoutes,
)
from reconciler.paper.dialects.bybit.statuses import row_status_of, word_of
from reconciler.paper.dialects.dialect import PaperAnswer, PaperRequest, Refusal, Route
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
from reconciler.paper.meters import Charge, Limit, LimitMeter, Meter
from reconciler.paper.new_keys import NewKey, new_hmac_key

LIMIT_HEADERS = ("X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp")
"""rate-limit.mdx of github.com/bybit-exchange/docs, read 2026-11-28."""


@dataclass(frozen=True, kw_only=True)
class BybitDialect:
    """The dialect of Bybit v5 spot."""

    name: str = "bybit"
    public_path: str = "/v5/market/time"
    lookup_routes: tuple[str, ...] = (REALTIME, HISTORY)
    unreadable_fields: Mapping[str, object] = field(
        default_factory=lambda: MappingProxyType({"cumExecQty": None})
    )
    lost_fields: tuple[str, ...] = ("orderStatus",)
    limit_header_names: tuple[str, ...] = LIMIT_HEADERS
    wordless_faults: frozenset[str] = frozenset()
    untold_ban_seconds: float = 0.0  # `_limited` tells the end of one shorter than Bybit's
    behavior: BybitRoutes = field(default_factory=BybitRoutes)

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes."""
        return self.behavior.routes()

    # Spelling

    def symbol(self, market: Market) -> str:
        """Spell a symbol: base and quote in one word."""
        return market.symbol

    def order_id(self, number: int) -> str:
        """Spell an id: 19 digits."""
        return order_id_of(number)

    def number(self, order_id: str) -> int | None:
        """Return the number of an id; None if it is no such id."""
        return number_of(order_id)

    def word(self, state: OrderState) -> str:
        """Return Bybit's word for a state."""
        return word_of(state)

    def row_status(self, state: OrderState) -> Status | None:
        """Return what a row must say once `word` was read."""
        return row_status_of(state)

    # Requests

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return what faults select by."""
        sent = Parameters(request.query, now_ms=0)
        number = number_of(sent.text("orderId") or "")
        return RequestTarget(
            route=request.route.name,
            symbol=sent.text("symbol"),
            order_ids=() if number is None else (number,),
            query=request.query,
        )

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the name of the key that a request claims to have."""
        return request.headers.get("x-bapi-api-key")

    # Limits

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> Meter:
        """Return a meter of the published limits; `limit` replaces that of `realtime`."""
        return LimitMeter(_limits(limit), is_enforced=is_enforced)

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:
        """Return the headers about the path's own limit; the address's has none."""
        for reading in charge.readings:
            if reading.limit.name != "address":
                told = (reading.limit.amount, reading.remaining, reading.reset_ms)
                return dict(zip(LIMIT_HEADERS, map(str, told), strict=True))
        return {}

    # Access

    def access_problem(self, access: AccessPolicy) -> str | None:
        """Say what is wrong with the credentials to accept; None: nothing."""
        return bybit_access.access_problem(access)

    def new_key(self) -> NewKey:
        """Make an HMAC key."""
        return new_hmac_key()

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check key, time and signature.

        Raises:
            Refused: the credentials are missing or wrong.
        """
        bybit_access.authenticate(view.access, request, view.now_ms)

    # Refusals

    def refusal(  # noqa: PLR0911 - a flat table
        self, why: Refusal, request: PaperRequest, view: AccountView
    ) -> PaperAnswer | None:
        """Word a fault or a limit."""
        match why:
            case RateLimit() | Ban():
                return _limited(why, view.now_ms)
            case ServerError() | Maintenance():
                return _failed(why, view.now_ms)
            case RefuseKey() if request.route.is_private:
                return error_answer(10003, "API key is invalid.", view.now_ms)
            case RefuseKey():
                return None
            case Refuse(http_status=status, code=code, message=message):
                return error_answer(code, message, view.now_ms, status=status)
            case Archive():
                return _not_found(request, view.now_ms)
            case BlockAtFirewall():
                return page_answer(HTTPStatus.FORBIDDEN, "403 Forbidden")
            case _:
                assert_never(why)

    def no_such_path(self, method: str, path: str) -> PaperAnswer:
        """Answer a request to a path or with a method that does not exist."""
        return page_answer(HTTPStatus.NOT_FOUND, f"404 page not found: {method} {path}")

    # Distortion

    def order_objects(self, answer: Any) -> Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order in a decoded answer with its symbol and number; else the answer."""
        orders = orders_in(answer)
        if orders is None:
            yield None, answer
            return
        yield from _numbered(orders)

    def emptied(self, answer: object) -> object | None:
        """Return the answer of a list with no orders in it; None if it is no list of orders."""
        if not is_order_page(answer):
            return None
        assert isinstance(answer, Envelope)  # noqa: S101  # see `is_order_page`
        return without_orders(answer)


def _limits(first_amount: int | None) -> Sequence[Limit]:
    if first_amount is None:
        return LIMITS
    return (replace(LIMITS[0], amount=first_amount), *LIMITS[1:])


def _limited(why: RateLimit | Ban, now_ms: int) -> PaperAnswer:
    if isinstance(why, RateLimit):
        return error_answer(
            10006,
            "Too many visits. Exceeded the API Rate Limit.",
            now_ms,
            X_Bapi_Limit_Status="0",
            X_Bapi_Limit_Reset_Timestamp=str(now_ms + round(why.seconds * 1000)),
        )
    # Bybit announces no end: ten minutes are known. No client can know another time.
    headers = {} if why.seconds >= BAN_SECONDS else {"Retry-After": str(ceil(why.seconds))}
    return page_answer(HTTPStatus.FORBIDDEN, "403, access too frequent", headers)


def _failed(why: ServerError | Maintenance, now_ms: int) -> PaperAnswer:
    if isinstance(why, Maintenance):
        return page_answer(HTTPStatus.SERVICE_UNAVAILABLE, "Service is restarting")
    if why.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return error_answer(10016, "Server error.", now_ms)
    return page_answer(why.http_status, "The server does not answer")


def _not_found(request: PaperRequest, now_ms: int) -> PaperAnswer | None:
    """Return the answer to a look-up of an order that is forgotten; None to any other request."""
    if Parameters(request.query, now_ms).text("orderId") is None:
        return None
    return PaperAnswer.of(enveloped(OrderPage(list=(), next_page_cursor=""), now_ms))


def _numbered(
    orders: list[dict[str, Any]],
) -> Iterator[tuple[tuple[str, int] | None, dict[str, Any]]]:
    for order in orders:
        number = number_of(str(order["orderId"]))
        if number is not None:
            yield (str(order.get("symbol")), number), order
