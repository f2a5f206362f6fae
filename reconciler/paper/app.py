"""The paper exchange as an ASGI application: who goes through which checks, in which order.

A request of the dialect is charged, meets the faults in force, proves who asks, has its parameters
read, is answered and logged. Every answer carries the weight used. The admin routes under /paper/
go through none of this.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Self, assert_never

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.paper.admin import admin_routes
from reconciler.paper.auth import Proof, authorize
from reconciler.paper.dialect import routes
from reconciler.paper.dialect.answers import (
    Refusal,
    TimeUnit,
    archived,
    banned,
    blocked,
    invalid_time_unit,
    maintenance,
    no_such_path,
    server_error,
    too_much_weight,
    wrong_key,
)
from reconciler.paper.dialect.parameters import Parameters
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule, Question
from reconciler.paper.faults.distortions import PAGE, altered, spoiled, with_headers
from reconciler.paper.faults.effects import (
    Alter,
    Archive,
    Ban,
    BlockAtFirewall,
    Delay,
    Effect,
    EmptyList,
    Fail,
    HangUp,
    Maintain,
    Refuse,
    RefuseKey,
    Silence,
    Spoil,
)
from reconciler.paper.limits import Charge
from reconciler.paper.traffic import DISCONNECTED, LoggedRequest

CLOSE_CONNECTION = "reconciler.paper.close_connection"
"""The extension of the ASGI scope that closes the connection; `reconciler.paper.server` adds it."""

_ENCODER = msgspec.json.Encoder()


def build_app(exchange: PaperExchange) -> Starlette:
    """Build the application that speaks for `exchange`."""
    return Starlette(
        routes=[
            *(
                Route(path, partial(answer, exchange, name, route), methods=["GET"])
                for path, name, route in _dialect_routes()
            ),
            *admin_routes(exchange),
        ],
        exception_handlers={HTTPException: _explain},
    )


def _dialect_routes() -> Iterator[tuple[str, str, routes.Route]]:
    """Yield the path, the name that faults and logs use, and the route itself."""
    for name, route in routes.ROUTES.items():
        yield f"/api/v3/{name}", name, route
    for path, route in routes.OTHER_PRODUCTS.items():
        yield path, path, route


@dataclass(frozen=True, kw_only=True, slots=True)
class DialectRequest:
    """One request of the dialect as it arrived. `query` is the query string as it was sent."""

    question: Question
    route: routes.Route
    address: str
    query: str
    proof: Proof
    time_unit: str

    @classmethod
    def read(cls, name: str, route: routes.Route, request: Request) -> Self:
        """Take from an HTTP request for the route `name` what it asks for, and who sent it."""
        sent, query = request.query_params, request.scope["query_string"].decode("latin-1")
        return cls(
            question=Question(
                route=name,
                symbol=sent.get("symbol"),
                order_id=sent.get("orderId"),
                query=query,
            ),
            route=route,
            address=request.client.host if request.client is not None else "",
            query=query,
            proof=Proof.read(
                api_key=request.headers.get("x-mbx-apikey"),
                authorization=request.headers.get("authorization"),
                query=query,
            ),
            time_unit=request.headers.get("x-mbx-time-unit", TimeUnit.MILLISECOND.name),
        )

    @property
    def weight(self) -> int:
        """What the request costs."""
        return self.route.cost(has_symbol=self.question.symbol is not None)


async def answer(
    exchange: PaperExchange, name: str, route: routes.Route, request: Request
) -> Response:
    """Answer one request of the dialect, and log it."""
    asked, at_ms = DialectRequest.read(name, route, request), exchange.clock_ms()
    charge = exchange.meter.charge(asked.address, asked.weight, at_ms)
    response = await _respond(exchange, asked, charge)
    exchange.traffic.log(
        LoggedRequest(
            number=exchange.traffic.next_number,
            at_ms=at_ms,
            address=asked.address,
            route=name,
            symbol=asked.question.symbol,
            weight=asked.weight,
            status=_status(response),
            retry_after_seconds=_retry_after_seconds(response),
        )
    )
    return response


class ClosedConnection(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's
        """Close the connection and wait until it is."""
        scope["extensions"][CLOSE_CONNECTION]()
        while (await receive())["type"] != "http.disconnect":
            pass


class _HungUp(Exception):
    """This request gets no answer."""


async def _respond(exchange: PaperExchange, asked: DialectRequest, charge: Charge) -> Response:
    used = {"X-MBX-USED-WEIGHT": str(charge.used), "X-MBX-USED-WEIGHT-1M": str(charge.used)}
    rules = exchange.faults.rules_for(asked.question.route, exchange.clock_ms())
    try:
        _refuse_beyond_limit(exchange, charge)
        effects = exchange.faults.draw(asked.question, exchange.clock_ms())
        for effect in effects:
            await _apply_faults(exchange, asked, effect)
        body = _answer(exchange, asked, effects, rules)
    except _HungUp:
        return ClosedConnection()
    except Refusal as refusal:
        headers = with_headers({**used, **refusal.headers}, rules, asked.question)
        return Response(refusal.body(), refusal.http_status, headers, refusal.media_type)
    headers = with_headers(used, rules, asked.question)
    return Response(body, HTTPStatus.OK, headers, "application/json")


def _refuse_beyond_limit(exchange: PaperExchange, charge: Charge) -> None:
    seconds = charge.retry_after_seconds
    match charge.refused_with:
        case None:
            return
        case HTTPStatus.IM_A_TEAPOT:
            raise banned(exchange.clock_ms() + seconds * 1000, seconds)
        case _:
            raise too_much_weight(exchange.meter.limit, seconds)


async def _apply_faults(exchange: PaperExchange, asked: DialectRequest, effect: Effect) -> None:
    """Carry out what a fault does to a request before it is answered.

    Raises:
        Refusal: it is answered with an error.
        _HungUp: it is not answered.
    """
    now_ms = exchange.clock_ms()
    match effect:
        case Delay(seconds=seconds):
            await exchange.sleep(seconds)
        case HangUp():
            raise _HungUp
        case Silence(seconds=seconds):
            exchange.meter.silence(asked.address, seconds, now_ms)
            raise too_much_weight(exchange.meter.limit, ceil(seconds))
        case Ban(seconds=seconds):
            exchange.meter.ban(asked.address, seconds, now_ms)
            raise banned(now_ms + round(seconds * 1000), ceil(seconds))
        case EmptyList() | Spoil() | Alter():
            return
        case _:
            refusal = _refusal_by(effect, asked)
            if refusal is not None:
                raise refusal


def _refusal_by(
    effect: Fail | Maintain | RefuseKey | BlockAtFirewall | Refuse | Archive, asked: DialectRequest
) -> Refusal | None:
    """Return the error that a fault answers a request with; None: it is not for such a request."""
    match effect:
        case Fail(http_status=status):
            return server_error(status)
        case Maintain():
            return maintenance(PAGE)
        case RefuseKey():
            return wrong_key() if asked.route.is_private else None
        case BlockAtFirewall():
            return blocked(PAGE)
        case Refuse(http_status=status, code=code, message=message):
            return Refusal(code, message, http_status=status)
        case Archive():
            return archived() if asked.question.route == "order" else None
        case _:
            assert_never(effect)


def _answer(
    exchange: PaperExchange,
    asked: DialectRequest,
    effects: Sequence[Effect],
    rules: Sequence[FaultRule],
) -> bytes:
    view = exchange.view(asked.question.route, _time_unit(asked.time_unit))
    parameters = Parameters(asked.query)
    if asked.route.is_private:
        authorize(exchange.access, asked.proof, parameters, view.now_ms)
    parameters.refuse_others(asked.route.known_parameters)
    told = asked.route.answer(view, parameters)
    is_emptied = EmptyList() in effects and isinstance(told, list)
    body = altered(_ENCODER.encode([] if is_emptied else told), rules, asked.question)
    for effect in effects:
        if isinstance(effect, Spoil):
            body = spoiled(body, effect.how)
    return body


def _time_unit(name: str) -> TimeUnit:
    """Return the unit of that name, in capitals or small letters as documented."""
    if name not in (name.upper(), name.lower()) or name.upper() not in TimeUnit.__members__:
        raise invalid_time_unit()
    return TimeUnit[name.upper()]


def _status(response: Response) -> str:
    if isinstance(response, ClosedConnection):
        return DISCONNECTED
    return str(response.status_code)


def _retry_after_seconds(response: Response) -> int | None:
    told = response.headers.get("Retry-After", "")
    return int(told) if re.fullmatch("[0-9]{1,9}", told) else None


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    if not request.url.path.startswith("/paper/"):
        refusal = no_such_path(request.url.path, request.method)
        return Response(refusal.body(), refusal.http_status, media_type=refusal.media_type)
    return Response(
        msgspec.json.encode({"error": f"{request.method} {request.url.path}: {error.detail}"}),
        error.status_code,
        error.headers,
        media_type="application/json",
    )
