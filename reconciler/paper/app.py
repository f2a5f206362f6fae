"""The paper exchange as an ASGI application. It processes every request in the same steps.

For a request of the dialect: count what it costs, apply the faults in force, check its credentials,
answer it, log it. The dialect says how each looks; every answer carries its limit headers. The
admin routes under /paper/ skip all of this.
"""

import re
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import assert_never

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from reconciler.paper.account_view import AccountView
from reconciler.paper.admin import admin_routes
from reconciler.paper.dialects.dialect import PaperAnswer, PaperRequest, Refusal, Refused, Route
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule, RequestTarget
from reconciler.paper.faults.distortions import corrupt_body, replace_fields, replace_headers
from reconciler.paper.faults.effects import (
    Archive,
    Ban,
    BlockAtFirewall,
    CorruptBody,
    Delay,
    Disconnect,
    Effect,
    EmptyList,
    Maintenance,
    RateLimit,
    Refuse,
    RefuseKey,
    ReplaceFields,
    ServerError,
)
from reconciler.paper.meters import Caller, Charge
from reconciler.paper.request_log import DISCONNECTED, REFUSED, LoggedRequest

CLOSE_CONNECTION = "reconciler.paper.close_connection"
"""The extension of the ASGI scope that closes the connection; `reconciler.paper.server` adds it."""

_ENCODER = msgspec.json.Encoder()


def build_app(exchange: PaperExchange) -> Starlette:
    """Build the application that speaks for `exchange`."""
    return Starlette(
        routes=[
            *(
                HttpRoute(
                    route.path, partial(handle_request, exchange, route), methods=[route.method]
                )
                for route in exchange.dialect.routes
            ),
            *admin_routes(exchange),
        ],
        exception_handlers={
            HTTPException: partial(_answer_http_error, exchange),
            ClientDisconnect: _answer_nobody,
        },
    )


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    """Answer a client that went away while it sent its request, such as one that Ctrl-C ended."""
    return Response()


async def handle_request(exchange: PaperExchange, route: Route, http_request: Request) -> Response:
    """Answer one request of the dialect, and log it."""
    request, at_ms = await _read(route, http_request), exchange.clock_ms()
    caller = Caller(address=request.address, api_key=exchange.dialect.api_key(request))
    target, cost = exchange.dialect.target(request), route.cost_of(request)
    charge = exchange.meter.charge(caller, cost, at_ms)
    response, is_refused = await _respond(exchange, request, target, caller, charge)
    exchange.request_log.record(
        LoggedRequest(
            number=exchange.request_log.next_number,
            at_ms=at_ms,
            address=request.address,
            route=route.name,
            symbol=target.symbol,
            weight=max(cost.values(), default=0),
            status=_status(response, is_refused=is_refused),
            retry_after_seconds=_retry_after_seconds(response),
        )
    )
    return response


class ClosedConnection(Response):
    """Closes the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's
        """Close the connection and wait until it is closed."""
        scope["extensions"][CLOSE_CONNECTION]()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Disconnected(Exception):
    """The request gets no answer: close its connection."""


async def _read(route: Route, http_request: Request) -> PaperRequest:
    return PaperRequest(
        route=route,
        method=http_request.method,
        path=http_request.url.path,
        query=http_request.scope["query_string"].decode("latin-1"),
        headers=http_request.headers,
        body=await http_request.body(),
        address=http_request.client.host if http_request.client is not None else "",
        path_parameters=http_request.path_params,
    )


async def _respond(
    exchange: PaperExchange,
    request: PaperRequest,
    target: RequestTarget,
    caller: Caller,
    charge: Charge,
) -> tuple[Response, bool]:
    """Return the response, and whether it refuses the request."""
    rules = exchange.faults.rules_for(target.route, exchange.clock_ms())
    try:
        _refuse_beyond_limit(exchange, request, charge)
        effects = exchange.faults.draw(target, exchange.clock_ms())
        for effect in effects:
            await _apply_effect(exchange, request, caller, effect)
        answer = PaperAnswer(body=_encode_answer(exchange, request, target, effects, rules))
        is_refused = False
    except _Disconnected:
        return ClosedConnection(), True
    except Refused as refused:
        answer = refused.answer
        is_refused = True
    told = {**exchange.dialect.limit_headers(charge), **answer.headers}
    headers = replace_headers(told, rules, target)
    return Response(answer.body, answer.status, headers, answer.media_type), is_refused


def _refuse_beyond_limit(exchange: PaperExchange, request: PaperRequest, charge: Charge) -> None:
    if charge.retry_seconds is None:
        return
    seconds = charge.retry_seconds
    why = Ban(seconds=seconds) if charge.is_ban else RateLimit(seconds=seconds)
    refusal = exchange.dialect.refusal(why, request, exchange.view(request.route.name))
    if refusal is not None:
        raise Refused(refusal)


async def _apply_effect(
    exchange: PaperExchange, request: PaperRequest, caller: Caller, effect: Effect
) -> None:
    """Apply an effect of a fault to a request before it is answered.

    An effect for which the dialect has no words is left out.

    Raises:
        Refused: the request is answered with an error.
        _Disconnected: the request is not answered.
    """
    match effect:
        case Delay(seconds=seconds):
            await exchange.sleep(seconds)
        case Disconnect():
            raise _Disconnected
        case RefuseKey() if not request.route.is_private:
            return
        case EmptyList() | CorruptBody() | ReplaceFields():
            return
        case _:
            _refuse(exchange, request, caller, effect)


def _refuse(exchange: PaperExchange, request: PaperRequest, caller: Caller, why: Refusal) -> None:
    refusal = exchange.dialect.refusal(why, request, exchange.view(request.route.name))
    if refusal is None:
        return
    match why:
        case RateLimit(seconds=seconds):
            exchange.meter.pause(caller, seconds, exchange.clock_ms())
        case Ban(seconds=seconds):
            exchange.meter.ban(caller, seconds, exchange.clock_ms())
        case ServerError() | Maintenance() | RefuseKey() | BlockAtFirewall() | Refuse() | Archive():
            pass
        case _:
            assert_never(why)
    raise Refused(refusal)


def _encode_answer(
    exchange: PaperExchange,
    request: PaperRequest,
    target: RequestTarget,
    effects: Sequence[Effect],
    rules: Sequence[FaultRule],
) -> bytes:
    dialect, view = exchange.dialect, exchange.view(target.route)
    body = _ENCODER.encode(_answer(exchange, request, view, effects))
    body = replace_fields(body, rules, target, dialect.order_objects)
    for effect in effects:
        if isinstance(effect, CorruptBody):
            body = corrupt_body(body, effect.how)
    return body


def _answer(
    exchange: PaperExchange, request: PaperRequest, view: AccountView, effects: Sequence[Effect]
) -> object:
    if request.route.is_private:
        exchange.dialect.authenticate(request, view)
    answer = request.route.answer(request, view)
    emptied = exchange.dialect.emptied(answer) if EmptyList() in effects else None
    return answer if emptied is None else emptied


def _status(response: Response, *, is_refused: bool) -> str:
    if isinstance(response, ClosedConnection):
        return DISCONNECTED
    if is_refused and response.status_code == HTTPStatus.OK:
        return REFUSED
    return str(response.status_code)


def _retry_after_seconds(response: Response) -> int | None:
    seconds = response.headers.get("Retry-After", "")
    return int(seconds) if re.fullmatch("[0-9]{1,9}", seconds) else None


async def _answer_http_error(
    exchange: PaperExchange, request: Request, error: Exception
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    if not request.url.path.startswith("/paper/"):
        answer = exchange.dialect.no_such_path(request.method, request.url.path)
        return Response(answer.body, answer.status, answer.headers, answer.media_type)
    return Response(
        msgspec.json.encode({"error": f"{request.method} {request.url.path}: {error.detail}"}),
        error.status_code,
        error.headers,
        media_type="application/json",
    )
