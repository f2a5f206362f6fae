"""What the paper exchange asks of a dialect, in the words of Coinbase Advanced Trade.

Source, read 2026-11-28: docs.cdp.coinbase.com, "REST API Rate Limits" of Advanced Trade: 30 private
requests a second for a user, 10 public ones for an address. The headers' names are in constants.py
of coinbase-advanced-py.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Any, assert_never
from uuid import uuid4

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.coinbase import access, answers, spelling
from reconciler.paper.dialects.coinbase.routes import (
    LOOKUP_ROUTE,
    PREFIX,
    PRIVATE,
    PUBLIC,
    ROUTES,
    parameters,
)
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
from reconciler.paper.meters import Charge, Limit, LimitMeter, Meter, Scope
from reconciler.paper.new_keys import NewKey, new_p256_key

_PRIVATE_A_SECOND = 30
_PUBLIC_A_SECOND = 10
_SECOND_MS = 1000
_RESET_SECONDS = "1"


class Coinbase:
    """Coinbase Advanced Trade. Implements `Dialect`."""

    name = "coinbase"
    public_path = f"{PREFIX}/time"
    routes: tuple[Route, ...] = ROUTES
    lookup_routes = (LOOKUP_ROUTE,)
    unreadable_fields: Mapping[str, object] = MappingProxyType({"filled_size": None})
    lost_fields = ("status",)
    limit_header_names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    wordless_faults = frozenset({"ban_rate", "archived_rate"})
    untold_ban_seconds = 0.0

    def symbol(self, market: Market) -> str:
        """Spell a market's symbol."""
        return spelling.product_id(market)

    def order_id(self, number: int) -> str:
        """Spell an order's id."""
        return spelling.order_uuid(number)

    def number(self, order_id: str) -> int | None:
        """Return the number of an id, or None."""
        return spelling.order_number(order_id)

    def word(self, state: OrderState) -> str:
        """Return the word for a state."""
        return spelling.word(state)

    def row_status(self, state: OrderState) -> Status | None:
        """Return what a row must say once the word was read."""
        return spelling.row_status(state)

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return what faults select by."""
        sent = parameters(request)
        ids = [*sent.get("order_ids", []), *request.path_parameters.values()]
        numbers = (spelling.order_number(order_id) for order_id in ids)
        products = sent.get("product_ids", [])
        return RequestTarget(
            route=request.route.name,
            symbol=products[0].replace("-", "") if len(products) == 1 else None,
            order_ids=tuple(number for number in numbers if number is not None),
            query=request.query,
        )

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the name of the key that a request claims to have."""
        return access.claimed_key(request)

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> Meter:
        """Return a meter of the two limits."""
        return LimitMeter(
            [
                Limit(
                    name=PRIVATE,
                    amount=limit or _PRIVATE_A_SECOND,
                    scope=Scope.KEY,
                    window_ms=_SECOND_MS,
                ),
                Limit(
                    name=PUBLIC,
                    amount=_PUBLIC_A_SECOND,
                    scope=Scope.ADDRESS,
                    window_ms=_SECOND_MS,
                ),
            ],
            is_enforced=is_enforced,
        )

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:
        """Return the headers of the limit that the request took from."""
        if not charge.readings:
            return {}
        reading = charge.readings[0]
        values = (str(reading.limit.amount), str(reading.remaining), _RESET_SECONDS)
        return dict(zip(self.limit_header_names, values, strict=True))

    def access_problem(self, access_policy: AccessPolicy) -> str | None:
        """Say what is wrong with the credentials to be accepted."""
        return access.access_problem(access_policy)

    def new_key(self) -> NewKey:
        """Make a P-256 key with the name of a key of an organization."""
        return new_p256_key(f"organizations/{uuid4()}/apiKeys/{uuid4()}")

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check a request's token."""
        access.authenticate(request, view.access, view.now_ms)

    def refusal(  # noqa: PLR0911 - a flat table
        self, why: Refusal, request: PaperRequest, view: AccountView
    ) -> PaperAnswer | None:
        """Word a fault or a limit; the venue has no bans, and archives nothing."""
        del view
        match why:
            case RateLimit(seconds=seconds):
                return answers.page(
                    HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(max(1, ceil(seconds)))}
                )
            case ServerError(http_status=status):
                return answers.error(status, "INTERNAL", "internal server error")
            case Maintenance():
                return answers.page(HTTPStatus.SERVICE_UNAVAILABLE)
            case RefuseKey():
                return answers.unauthorized() if request.route.is_private else None
            case BlockAtFirewall():
                return answers.page(HTTPStatus.FORBIDDEN)
            case Refuse(http_status=status, message=message):
                return answers.error(status, "unknown", message)
            case Ban() | Archive():
                return None
            case _:
                assert_never(why)

    def no_such_path(self, method: str, path: str) -> PaperAnswer:
        """Answer a request to a path that does not exist."""
        return answers.error(HTTPStatus.NOT_FOUND, "NOT_FOUND", f"{method} {path}: Not Found")

    def order_objects(self, answer: Any) -> Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order of an answer with its inner symbol and number."""
        if not isinstance(answer, dict):
            return
        orders = answer.get("orders", [answer["order"]] if "order" in answer else None)
        if not isinstance(orders, list):
            yield None, answer
            return
        for order in orders:
            number = spelling.order_number(str(order.get("order_id")))
            symbol = str(order.get("product_id")).replace("-", "")
            yield (None if number is None else (symbol, number)), order

    def emptied(self, answer: object) -> object | None:
        """Return a list of orders with none in it."""
        if not isinstance(answer, dict) or "orders" not in answer:
            return None
        return {**answer, "orders": [], "has_next": False, "cursor": ""}
