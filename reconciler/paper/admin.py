"""The routes under /paper/, which control the exchange and are not part of the dialect."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import EVERY_ROUTE, FaultRule, TimelineStep
from reconciler.paper.listing import OrderSpec, build_order, encode_listing, listed_order
from reconciler.paper.order_store import OrderStore, UnknownSymbol
from reconciler.paper.orders import PaperOrder, SeedOptions

DEFAULT_PAGE = 10_000
NDJSON = "application/x-ndjson"

Body = TypeVar("Body")


class Advance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of states by which every order moves on."""

    steps: Annotated[int, msgspec.Meta(ge=1)] = 1


def admin_routes(exchange: PaperExchange) -> Sequence[Route]:
    """Return the routes that control `exchange`."""
    table: Sequence[tuple[str, str, Callable[[PaperExchange, Request], Awaitable[Response]]]] = (
        ("POST", "/paper/seed", seed),
        ("GET", "/paper/orders", list_orders),
        ("POST", "/paper/orders", place_order),
        ("PUT", "/paper/orders", replace_orders),
        ("DELETE", "/paper/orders", remove_order),
        ("GET", "/paper/truth", show_truth),
        ("POST", "/paper/advance", advance),
        ("GET", "/paper/faults", show_faults),
        ("POST", "/paper/faults", set_faults),
        ("DELETE", "/paper/faults", clear_faults),
        ("POST", "/paper/timeline", set_timeline),
        ("GET", "/paper/stats", show_stats),
        ("GET", "/paper/requests", list_requests),
    )
    return [
        Route(path, partial(endpoint, exchange), methods=[method])
        for method, path, endpoint in table
    ]


async def seed(exchange: PaperExchange, request: Request) -> Response:
    """Replace all orders with generated ones, as `SeedOptions` describe them."""
    exchange.seed(await _read(request, SeedOptions))
    return _json({"orders": len(exchange.orders), "symbols": exchange.orders.symbols()})


async def list_orders(exchange: PaperExchange, request: Request) -> Response:
    """List orders as NDJSON, by symbol and id, after the cursor `after` ("SYMBOL:ID")."""
    symbol, _, order_id = request.query_params.get("after", "").partition(":")
    orders = exchange.orders.after(
        symbol, _parse_integer(order_id or "0", "after"), _limit(request)
    )
    return Response(encode_listing(orders, exchange.dialect), media_type=NDJSON)


async def place_order(exchange: PaperExchange, request: Request) -> Response:
    """Place the order of an `OrderSpec`, in place of one with the same symbol and id."""
    spec = await _read(request, OrderSpec)
    try:
        order = build_order(spec, exchange.clock_ms())
    except ValueError as error:
        raise _bad_request(str(error)) from None
    exchange.orders.put(order)
    return _json(listed_order(order, exchange.dialect), HTTPStatus.CREATED)


async def replace_orders(exchange: PaperExchange, request: Request) -> Response:
    """Replace all orders with the `OrderSpec`s in an NDJSON body."""
    now_ms = exchange.clock_ms()
    try:
        specs = msgspec.json.Decoder(OrderSpec).decode_lines(await request.body())
        orders = [build_order(spec, now_ms) for spec in specs]
    except (msgspec.DecodeError, ValueError) as error:
        raise _bad_request(str(error)) from None
    exchange.orders = OrderStore(sorted(orders, key=lambda order: (order.symbol, order.order_id)))
    return _json({"orders": len(exchange.orders), "symbols": exchange.orders.symbols()})


async def remove_order(exchange: PaperExchange, request: Request) -> Response:
    """Remove one order, as if the exchange had never had it. Its symbol remains."""
    order = _find(exchange, request)
    exchange.orders.remove(order.symbol, order.order_id)
    return _json(listed_order(order, exchange.dialect))


async def show_truth(exchange: PaperExchange, request: Request) -> Response:
    """Show one order."""
    return _json(listed_order(_find(exchange, request), exchange.dialect))


async def advance(exchange: PaperExchange, request: Request) -> Response:
    """Move every order on to a later state."""
    steps = (await _read(request, Advance)).steps
    return _json({"moved": exchange.orders.advance(steps, exchange.clock_ms())})


async def show_faults(exchange: PaperExchange, _request: Request) -> Response:
    """Show the active rules."""
    return _json({"rules": exchange.faults.rules(exchange.clock_ms())})


async def set_faults(exchange: PaperExchange, request: Request) -> Response:
    """Activate a `FaultRule`, in place of the one with the same name and route."""
    rule = await _read(request, FaultRule)
    _reject_unknown_route(exchange, rule)
    exchange.faults.set(rule, exchange.clock_ms())
    return await show_faults(exchange, request)


async def clear_faults(exchange: PaperExchange, request: Request) -> Response:
    """Clear all faults, including scheduled ones."""
    exchange.faults.clear()
    return await show_faults(exchange, request)


async def set_timeline(exchange: PaperExchange, request: Request) -> Response:
    """Clear all faults and start a timeline, given as a list of `TimelineStep`s."""
    steps = await _read(request, list[TimelineStep])
    for step in steps:
        _reject_unknown_route(exchange, step.faults)
    exchange.faults.schedule(steps, exchange.clock_ms())
    return await show_faults(exchange, request)


async def show_stats(exchange: PaperExchange, _request: Request) -> Response:
    """Show the counts of requests since the start."""
    return _json(
        {
            "started_at": exchange.request_log.started_ms,
            "requests": exchange.request_log.count_by_route,
            "weight": exchange.meter.total,
            "rejected": exchange.request_log.rejected_by_status,
        }
    )


async def list_requests(exchange: PaperExchange, request: Request) -> Response:
    """List requests as NDJSON, oldest first, after the number `after`."""
    after = _parse_integer(request.query_params.get("after", "0"), "after")
    requests = exchange.request_log.after(after, _limit(request))
    return Response(msgspec.json.Encoder().encode_lines(requests), media_type=NDJSON)


def _reject_unknown_route(exchange: PaperExchange, rule: FaultRule) -> None:
    known = tuple(route.name for route in exchange.dialect.routes)
    if rule.route not in (EVERY_ROUTE, *known):
        raise _bad_request(
            f"no route {rule.route!r}: choose {EVERY_ROUTE} or one of {', '.join(known)}"
        )


def _limit(request: Request) -> int:
    limit = _parse_integer(request.query_params.get("limit", str(DEFAULT_PAGE)), "limit")
    if limit < 1:
        raise _bad_request(f"limit={limit} is not at least 1")
    return limit


def _find(exchange: PaperExchange, request: Request) -> PaperOrder:
    symbol = request.query_params.get("symbol", "")
    order_id = _parse_integer(request.query_params.get("order_id", ""), "order_id")
    try:
        order = exchange.orders.of_symbol(symbol).find(order_id)
    except UnknownSymbol:
        order = None
    if order is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no order {order_id} of {symbol!r}")
    return order


async def _read(request: Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise _bad_request(str(error)) from None


def _parse_integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _bad_request(f"{name}={text!r} is not a whole number") from None


def _bad_request(what: str) -> HTTPException:
    return HTTPException(HTTPStatus.BAD_REQUEST, what)


def _json(answer: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")
