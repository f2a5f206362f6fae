"""Everything that the exchange asks of a dialect, for Kraken: see `reconciler.paper.dialects`."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, assert_never

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import HTML, PaperAnswer, PaperRequest, Refusal, Route
from reconciler.paper.dialects.kraken import access
from reconciler.paper.dialects.kraken.answers import (
    error_answer,
    row_status_of,
    wire_result,
    word_of,
)
from reconciler.paper.dialects.kraken.names import (
    inner_symbol,
    number_of,
    pair_name,
    txid_of,
)
from reconciler.paper.dialects.kraken.routes import COUNTER, PUBLIC, ROUTES
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
from reconciler.paper.meters import Charge, Limit, LimitMeter, Meter, Scope
from reconciler.paper.new_keys import NewKey, new_base64_key

STARTER_CAP, STARTER_LEAK_PER_SECOND = 15, 0.33
LOCKOUT_SECONDS = 900
TOLERATED = 20
"""Kraken does not publish how many requests beyond the limit earn a lockout."""


class Kraken:
    """The dialect of Kraken. Implements `reconciler.paper.dialects.dialect.Dialect`."""

    name = "kraken"
    public_path = "/0/public/Time"
    routes: tuple[Route, ...] = ROUTES
    lookup_routes = ("QueryOrders",)
    unreadable_fields: Mapping[str, object] = MappingProxyType({"vol_exec": None})
    lost_fields = ("status",)
    limit_header_names: tuple[str, ...] = ()
    wordless_faults = frozenset({"archived_rate"})
    untold_ban_seconds = LOCKOUT_SECONDS

    def symbol(self, market: Market) -> str:
        """Spell a market's symbol as orders do: XBTUSDT."""
        return pair_name(market)

    def order_id(self, number: int) -> str:
        """Spell an order's id: OABCDE-FGHIJ-KLMNOP."""
        return txid_of(number)

    def number(self, order_id: str) -> int | None:
        """Return the number of an id; None if it is no such id."""
        return number_of(order_id)

    def word(self, state: OrderState) -> str:
        """Return Kraken's word for a state."""
        return word_of(state)

    def row_status(self, state: OrderState) -> Status | None:
        """Return what a row must say once `word` was read."""
        return row_status_of(state)

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return the orders that a request asks about; requests name no symbol."""
        query = request.query or request.body.decode("latin-1")
        ids = () if not request.route.is_private else _ids_in(query)
        return RequestTarget(route=request.route.name, order_ids=ids, query=query)

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the key that a request names."""
        return request.headers.get(access.KEY_HEADER)

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> Meter:
        """Return a meter of the lowest tier's counter ("Spot REST rate limits"), read 2026-11-28.

        With another `limit` the counter also falls faster, in proportion.
        """
        cap = limit or STARTER_CAP
        return LimitMeter(
            (
                Limit(
                    name=COUNTER,
                    amount=cap,
                    scope=Scope.KEY,
                    leak_per_second=STARTER_LEAK_PER_SECOND * cap / STARTER_CAP,
                    tolerated=TOLERATED,
                    lockout_seconds=LOCKOUT_SECONDS,
                ),
                # Not documented: several a second are taken.
                Limit(name=PUBLIC, amount=cap, scope=Scope.ADDRESS, window_ms=1000),
            ),
            is_enforced=is_enforced,
        )

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Return no header: Kraken tells nothing about its counter."""
        return {}

    def access_problem(self, access_policy: AccessPolicy) -> str | None:
        """Say what is wrong with the credentials that the exchange is to accept."""
        return access.access_problem(access_policy)

    def new_key(self) -> NewKey:
        """Make a key whose name and secret are base64."""
        return new_base64_key()

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check key, signature and nonce of a private request."""
        access.authenticate(request, view)

    def refusal(
        self,
        why: Refusal,
        request: PaperRequest,
        view: AccountView,  # noqa: ARG002 - the protocol's
    ) -> PaperAnswer | None:
        """Word a fault or a limit ("Error messages")."""
        match why:
            case ServerError(http_status=status):
                return PaperAnswer(body=ERROR_PAGE, status=status, media_type=HTML)
            case BlockAtFirewall():
                return PaperAnswer(body=ERROR_PAGE, status=HTTPStatus.FORBIDDEN, media_type=HTML)
            case _:
                text = _error_text(why, request)
                return None if text is None else error_answer(text)

    def no_such_path(self, method: str, path: str) -> PaperAnswer:  # noqa: ARG002 - the protocol's
        """Answer that there is no such method."""
        return error_answer("EGeneral:Unknown method")

    def order_objects(self, answer: Any) -> Iterator[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order of an answer with its symbol and number, or the answer itself."""
        orders = _orders_in(answer)
        if not orders:
            yield None, answer
        for txid, order in orders.items():
            number = number_of(txid)
            if number is not None:
                yield (inner_symbol(str(order["descr"]["pair"])), number), order

    def emptied(self, answer: object) -> object | None:
        """Return an answer with no orders in it; None if it is no list of orders."""
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, dict):
            return None
        for name in ("open", "closed"):
            if name in result:
                return wire_result({**result, name: {}})
        return None


def _error_text(
    why: RateLimit | Ban | Maintenance | RefuseKey | Refuse | Archive, request: PaperRequest
) -> str | None:
    """Return the error that comes with HTTP 200; None if there is no word for it."""
    match why:
        case RateLimit():
            return "EAPI:Rate limit exceeded"
        case Ban():
            return "EGeneral:Temporary lockout"
        case Maintenance():
            return "EService:Unavailable"
        case RefuseKey():
            return "EAPI:Invalid key" if request.route.is_private else None
        case Refuse(message=message):
            is_worded = message.startswith("E") and ":" in message
            return message if is_worded else "EGeneral:Internal error"
        case Archive():
            return None  # Kraken archives nothing.
        case _:
            assert_never(why)


def _ids_in(form: str) -> tuple[int, ...]:
    for part in form.split("&"):
        name, _, value = part.partition("=")
        if name == "txid":
            numbers = map(number_of, value.replace("%2C", ",").split(","))
            return tuple(number for number in numbers if number is not None)
    return ()


def _orders_in(answer: Any) -> Mapping[str, dict[str, Any]]:
    """Return the orders of an answer by id; none if it has other contents."""
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict):
        return {}
    for name in ("open", "closed"):
        if isinstance(result.get(name), dict):
            return _only_orders(result[name])
    return _only_orders(result)


def _only_orders(objects: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
    return {
        name: value
        for name, value in objects.items()
        if isinstance(value, dict) and "descr" in value and "vol_exec" in value
    }
