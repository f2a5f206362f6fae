"""The routes: the cost, the parameters and the answer of each.

Sources, read 2026-11-28: docs.kraken.com, "Account Data", "Market Data" and "Spot REST rate
limits"; api-specs, `spot-rest/schemas/requests`. `ClosedOrders` lists "the most recent by default":
by the time of their end, unless `closetime` is `open`. Whether that is one of the history calls,
which cost 2, is not documented: here it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from types import MappingProxyType

from reconciler.paper.account_view import AccountView
from reconciler.paper.dialects.dialect import PaperRequest, Route
from reconciler.paper.dialects.kraken.access import KEY_HEADER, form_of
from reconciler.paper.dialects.kraken.answers import (
    iiban_of,
    refused,
    wire_assets,
    wire_orders,
    wire_pairs,
    wire_result,
)
from reconciler.paper.dialects.kraken.names import is_txid, number_of
from reconciler.paper.meters import Cost
from reconciler.paper.orders import PaperOrder

COUNTER, PUBLIC = "counter", "public"

LARGEST_BATCH = 50
PAGE = 50
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_ONE: Cost = MappingProxyType({COUNTER: 1})
_TWO: Cost = MappingProxyType({COUNTER: 2})
_PUBLIC: Cost = MappingProxyType({PUBLIC: 1})

_NONCE_PARAMETERS = frozenset({"nonce", "otp"})


def answer_time(_request: PaperRequest, view: AccountView) -> object:
    """Answer with the exchange's clock, in whole seconds."""
    now = datetime.fromtimestamp(view.now_ms // 1000, UTC)
    text = f"{now:%a, %d %b %y %H:%M:%S} +0000"
    return wire_result({"unixtime": view.now_ms // 1000, "rfc1123": text})


def answer_system_status(_request: PaperRequest, view: AccountView) -> object:
    """Answer that the exchange is open."""
    now = datetime.fromtimestamp(view.now_ms // 1000, UTC)
    return wire_result({"status": "online", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def answer_assets(_request: PaperRequest, view: AccountView) -> object:
    """Answer with all assets."""
    return wire_result(wire_assets(view.markets()))


def answer_pairs(request: PaperRequest, view: AccountView) -> object:
    """Answer with the pairs that are asked for, or with all."""
    pairs = wire_pairs(view.markets())
    wanted = form_of(request).get("pair")
    if wanted is None:
        return wire_result(pairs)
    by_alias = {
        alias: name
        for name, pair in pairs.items()
        for alias in (name, pair["altname"], pair["wsname"])
    }
    names = wanted.split(",")
    if not set(names) <= by_alias.keys():
        raise refused("EQuery:Unknown asset pair")
    return wire_result({by_alias[name]: pairs[by_alias[name]] for name in names})


def answer_query(request: PaperRequest, view: AccountView) -> object:
    """Answer with the orders of the ids that are asked for, without those that do not exist."""
    form = form_of(request)
    ids = form.get("txid", "").split(",")
    if ids == [""] or len(ids) > LARGEST_BATCH:
        raise refused("EGeneral:Invalid arguments:txid")
    if not all(map(is_txid, ids)):
        raise refused("EOrder:Invalid order")
    numbers = [number_of(txid) for txid in ids]
    found = (view.find(number) for number in numbers if number is not None)
    return wire_result(wire_orders(order for order in found if order is not None))


def answer_open(request: PaperRequest, view: AccountView) -> object:
    """Answer with every open order: there are no pages."""
    client_id = form_of(request).get("cl_ord_id")
    orders = view.open_orders()
    return wire_result({"open": wire_orders(_of_client(orders, client_id))})


def answer_closed(request: PaperRequest, view: AccountView) -> object:
    """Answer with a page of ended orders, the last to end first."""
    form = form_of(request)
    search = _ClosedSearch.read(form)
    found = sorted(search.matching(view), key=search.time_ms, reverse=True)
    page = wire_orders(islice(found, search.offset, search.offset + PAGE))
    if _boolean(form, "without_count"):
        return wire_result({"closed": page})
    return wire_result({"closed": page, "count": len(found)})


def answer_key_info(request: PaperRequest, view: AccountView) -> object:
    """Answer with what the key may do, and whose it is. It needs no permission."""
    key = request.headers.get(KEY_HEADER, "")
    return wire_result(
        {
            "apiKeyName": "paper",
            "apiKey": key,
            "nonce": str(view.nonces.get(key, 0)),
            "nonceWindow": 0,
            "permissions": ["query-funds", "query-open-trades", "query-closed-trades"],
            "iban": iiban_of(view.uid),
            "validUntil": "0",
            "queryFrom": "0",
            "queryTo": "0",
            "createdTime": "1772542900",
            "modifiedTime": "1772543095",
            "ipAllowlist": [],
            "lastUsed": str(view.now_ms // 1000),
        }
    )


def answer_balance(_request: PaperRequest, _view: AccountView) -> object:
    """Answer with the balances: none."""
    return wire_result({})


@dataclass(frozen=True, kw_only=True, slots=True)
class _ClosedSearch:
    """The ended orders that a request asks for.

    Attributes:
        start_ms: Only those later than this.
        end_ms: Only those no later than this.
        is_by_opening: True if the times and the sequence are those of the orders' beginning.
    """

    offset: int
    start_ms: int | None
    end_ms: int | None
    is_by_opening: bool
    client_id: str | None

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "_ClosedSearch":
        closetime = form.get("closetime", "both")
        if closetime not in {"open", "close", "both"}:
            raise refused("EGeneral:Invalid arguments:closetime")
        start, end = _seconds(form, "start"), _seconds(form, "end")
        return cls(
            offset=_whole(form, "ofs") or 0,
            start_ms=start,
            end_ms=end,
            is_by_opening=closetime == "open",
            client_id=form.get("cl_ord_id"),
        )

    def time_ms(self, order: PaperOrder) -> int:
        return order.created_ms if self.is_by_opening else order.updated_ms

    def matching(self, view: AccountView) -> Iterator[PaperOrder]:
        for order in _of_client(view.newest_first(), self.client_id):
            if order.state.is_open:
                continue
            at_ms = self.time_ms(order)
            if (self.start_ms is None or at_ms > self.start_ms) and (
                self.end_ms is None or at_ms <= self.end_ms
            ):
                yield order


def _of_client(orders: Iterator[PaperOrder], client_id: str | None) -> Iterator[PaperOrder]:
    return (order for order in orders if client_id in (None, order.client_order_id))


def _whole(form: Mapping[str, str], name: str) -> int | None:
    text = form.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):  # noqa: PLR2004 - no float
        raise refused(f"EGeneral:Invalid arguments:{name}")
    return int(text)


def _seconds(form: Mapping[str, str], name: str) -> int | None:
    seconds = _whole(form, name)
    return None if seconds is None else seconds * 1000


def _boolean(form: Mapping[str, str], name: str) -> bool:
    value = _BOOLEANS.get(form.get(name, "false").lower())
    if value is None:
        raise refused(f"EGeneral:Invalid arguments:{name}")
    return value


def _private(
    name: str,
    answer: Callable[[PaperRequest, AccountView], object],
    cost: Cost,
    parameters: frozenset[str] = frozenset(),
) -> Route:
    known = parameters | _NONCE_PARAMETERS

    def answer_known(request: PaperRequest, view: AccountView) -> object:
        unknown = form_of(request).keys() - known
        if unknown:
            raise refused(f"EGeneral:Invalid arguments:{min(unknown)}")
        return answer(request, view)

    return Route(
        name=name, path=f"/0/private/{name}", answer=answer_known, cost=cost, method="POST"
    )


def _public(name: str, answer: Callable[[PaperRequest, AccountView], object]) -> Route:
    return Route(name=name, path=f"/0/public/{name}", answer=answer, cost=_PUBLIC, is_private=False)


_LIST_PARAMETERS = frozenset({"trades", "userref", "consolidate_taker", "rebase_multiplier"})

ROUTES = (
    _public("Time", answer_time),
    _public("SystemStatus", answer_system_status),
    _public("Assets", answer_assets),
    _public("AssetPairs", answer_pairs),
    _private("QueryOrders", answer_query, _ONE, _LIST_PARAMETERS | {"txid"}),
    _private("OpenOrders", answer_open, _ONE, _LIST_PARAMETERS | {"cl_ord_id"}),
    _private(
        "ClosedOrders",
        answer_closed,
        _TWO,
        _LIST_PARAMETERS | {"cl_ord_id", "start", "end", "ofs", "closetime", "without_count"},
    ),
    _private("GetApiKeyInfo", answer_key_info, _ONE),
    _private("Balance", answer_balance, _ONE, frozenset({"rebase_multiplier"})),
    _private("BalanceEx", answer_balance, _ONE, frozenset({"rebase_multiplier"})),
)
