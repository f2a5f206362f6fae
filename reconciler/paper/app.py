"""The paper exchange as an ASGI application: who goes through which checks, in which order.

A request of the dialect is counted and charged, meets the faults in force, proves who asks, has its
parameters read, and is answered. Every answer carries the weight used. The admin routes under
/paper/ go through none of this.
"""

from functools import partial
from http import HTTPStatus
from typing import assert_never

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.paper import dialect
from reconciler.paper.admin import admin_routes
from reconciler.paper.auth import Proof, authorize
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import Delay, Fail, HangUp
from reconciler.paper.limits import Charge
from reconciler.paper.parameters import Parameters
from reconciler.paper.refusal import Refusal, server_error, too_much_weight

CLOSE_CONNECTION = "reconciler.paper.close_connection"
"""The extension of the ASGI scope that closes the connection; `reconciler.paper.server` adds it."""

_ENCODER = msgspec.json.Encoder()


def build_app(exchange: PaperExchange) -> Starlette:
    """Build the application that speaks for `exchange`."""
    return Starlette(
        routes=[
            *(
                Route(f"/api/v3/{name}", partial(answer, exchange, name, route), methods=["GET"])
                for name, route in dialect.ROUTES.items()
            ),
            *admin_routes(exchange),
        ],
        exception_handlers={HTTPException: _explain},
    )


async def answer(
    exchange: PaperExchange, name: str, route: dialect.Route, request: Request
) -> Response:
    """Answer one request of the dialect."""
    exchange.tally.requests[name] += 1
    has_symbol = "symbol" in request.query_params
    charge = exchange.meter.charge(
        _address(request), route.cost(has_symbol=has_symbol), exchange.clock_ms()
    )
    try:
        body = await _answer_charged(exchange, name, route, charge, request)
    except _HungUp:
        exchange.tally.rejected["disconnected"] += 1
        return ClosedConnection()
    except Refusal as refusal:
        exchange.tally.rejected[str(refusal.http_status)] += 1
        return _respond(refusal.body(), charge, refusal)
    return _respond(body, charge)


class ClosedConnection(Response):
    """No answer: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's
        """Close the connection and wait until it is."""
        scope["extensions"][CLOSE_CONNECTION]()
        while (await receive())["type"] != "http.disconnect":
            pass


class _HungUp(Exception):
    """This request gets no answer."""


async def _answer_charged(
    exchange: PaperExchange, name: str, route: dialect.Route, charge: Charge, request: Request
) -> bytes:
    if charge.retry_after_seconds is not None:
        raise too_much_weight(exchange.meter.limit, charge.retry_after_seconds)
    await _suffer(exchange, name)
    query = request.scope["query_string"].decode("latin-1")
    parameters = Parameters(query)
    if route.is_private:
        authorize(exchange.access, _proof(request, query), parameters, exchange.clock_ms())
    parameters.refuse_others(route.known_parameters)
    return _ENCODER.encode(route.answer(exchange, parameters))


async def _suffer(exchange: PaperExchange, name: str) -> None:
    """Carry out what the faults in force do to this request.

    Raises:
        Refusal: it is answered with a server error.
        _HungUp: it is not answered.
    """
    for effect in exchange.faults.draw(name):
        match effect:
            case Delay():
                await exchange.sleep(effect.seconds)
            case Fail():
                raise server_error(effect.http_status)
            case HangUp():
                raise _HungUp
            case _:
                assert_never(effect)


def _proof(request: Request, query: str) -> Proof:
    return Proof.read(
        api_key=request.headers.get("x-mbx-apikey"),
        authorization=request.headers.get("authorization"),
        query=query,
    )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _respond(body: bytes, charge: Charge, refusal: Refusal | None = None) -> Response:
    return Response(
        body,
        HTTPStatus.OK if refusal is None else refusal.http_status,
        {
            "X-MBX-USED-WEIGHT": str(charge.used),
            "X-MBX-USED-WEIGHT-1M": str(charge.used),
            **({} if refusal is None else refusal.headers),
        },
        media_type="application/json",
    )


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    return Response(
        msgspec.json.encode({"error": f"{request.method} {request.url.path}: {error.detail}"}),
        error.status_code,
        error.headers,
        media_type="application/json",
    )
