"""`OkxDialect`: how OKX spells, signs, answers and refuses."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, assert_never

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import HTML, PaperAnswer, PaperRequest, Refusal, Route
from reconciler.paper.dialects.okx import access, answers, spelling
from reconciler.paper.dialects.okx.routes import LIMITS, ROUTES, Parameters
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
from reconciler.paper.meters import Charge, LimitMeter
from reconciler.paper.new_keys import NewKey, new_hmac_key


class OkxDialect:
    """OKX API v5, spot. Implements `reconciler.paper.dialects.dialect.Dialect`."""

    name = "okx"
    routes: tuple[Route, ...] = ROUTES
    public_path = "/api/v5/public/time"
    lookup_routes = ("order",)
    unreadable_fields: Mapping[str, object] = MappingProxyType({"accFillSz": None})
    lost_fields = ("state",)
    limit_header_names: tuple[str, ...] = ()
    wordless_faults = frozenset({"ban_rate", "archived_rate"})
    untold_ban_seconds = 0.0

    def symbol(self, market: Market) -> str:
        """Spell a market's symbol."""
        return spelling.symbol_of(market)

    def order_id(self, number: int) -> str:
        """Spell an order's id."""
        return spelling.order_id_of(number)

    def number(self, order_id: str) -> int | None:
        """Return the number of an id."""
        return spelling.number_of(order_id)

    def word(self, state: OrderState) -> str:
        """Return OKX's word for a state."""
        return spelling.word_of(state)

    def row_status(self, state: OrderState) -> Status | None:
        """Return what a row must say once `word` was read."""
        return spelling.row_status(state)

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return what faults select by."""
        parameters = Parameters(request.query)
        instrument_id = parameters.text("instId")
        number = spelling.number_of(parameters.text("ordId") or "")
        return RequestTarget(
            route=request.route.name,
            symbol=None if instrument_id is None else spelling.inner_symbol(instrument_id),
            order_ids=() if number is None else (number,),
            query=request.query,
        )

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the key that a request claims to have."""
        return request.headers.get("ok-access-key")

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> LimitMeter:
        """Return a meter of the published limits."""
        first = LIMITS[0] if limit is None else replace(LIMITS[0], amount=limit)
        return LimitMeter((first, *LIMITS[1:]), is_enforced=is_enforced)

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Return no headers: OKX tells nothing about its limits."""
        return {}

    def access_problem(self, access_policy: AccessPolicy) -> str | None:
        """Say what is wrong with the accepted credentials."""
        return access.access_problem(access_policy)

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check that a private request proves `view.access`."""
        access.authenticate(view.access, request, view.now_ms)

    def new_key(self) -> NewKey:
        """Make an HMAC key with a passphrase, which has each kind of letter that OKX wants."""
        return new_hmac_key(passphrase=f"Aa1!{secrets.token_hex(8)}")

    def refusal(  # noqa: PLR0911 - a table, one line a fault
        self,
        why: Refusal,
        request: PaperRequest,
        view: AccountView,  # noqa: ARG002 - the protocol's
    ) -> PaperAnswer | None:
        """Word a fault or a limit. Bans and archived orders are not documented."""
        match why:
            case RateLimit():
                return answers.error("50011", "Too Many Requests", HTTPStatus.TOO_MANY_REQUESTS)
            case ServerError(http_status=status):
                return answers.error("50026", "System error. Try again later", status)
            case Maintenance():
                message = "Service temporarily unavailable. Please try again later."
                return answers.error("50001", message, HTTPStatus.SERVICE_UNAVAILABLE)
            case RefuseKey():
                if not request.route.is_private:
                    return None
                return answers.error("50111", "Invalid OK-ACCESS-KEY.", HTTPStatus.UNAUTHORIZED)
            case BlockAtFirewall():
                return PaperAnswer(body=ERROR_PAGE, status=HTTPStatus.FORBIDDEN, media_type=HTML)
            case Refuse(http_status=status, code=code, message=message):
                return answers.error(str(code), message, status)
            case Ban() | Archive():
                return None
            case _:
                assert_never(why)

    def no_such_path(self, method: str, path: str) -> PaperAnswer:
        """Answer a request to a path or with a method that does not exist."""
        if any(route.path == path for route in ROUTES):
            message = f"Invalid request method {method}."
            return answers.error("50115", message, HTTPStatus.METHOD_NOT_ALLOWED)
        return answers.error("404", "Not Found", HTTPStatus.NOT_FOUND)

    def order_objects(self, answer: Any) -> Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order in a decoded answer, with its inner symbol and number."""
        rows = answer["data"]
        orders = [row for row in rows if isinstance(row, dict) and "ordId" in row]
        if not orders:
            yield None, rows[0] if rows else answer
        for row in orders:
            number = spelling.number_of(row["ordId"])
            assert number is not None  # noqa: S101 - it was written by `order_id`
            yield (spelling.inner_symbol(row["instId"]), number), row

    def emptied(self, answer: object) -> object | None:
        """Return a page without its orders, or None for another answer."""
        return answers.OrderList(data=()) if isinstance(answer, answers.OrderList) else None
