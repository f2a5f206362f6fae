"""The paper exchange as an ASGI application. It processes every request in the same steps.

For a request of the dialect: count its weight, apply the faults in force, check its credentials,
read its parameters, answer it, log it. Every answer carries the weight used. The admin routes under
/paper/ skip all of this.
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
from reconciler.paper.auth import RequestCredentials, authenticate
from reconciler.paper.dialect import routes
from reconciler.paper.dialect.answers import (
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
from reconciler.paper.dialect.parameters import QueryParameters
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule, RequestTarget
from reconciler.paper.faults.distortions import (
    ERROR_PAGE,
    corrupt_body,
    replace_fields,
    replace_headers,
)
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
from reconciler.paper.request_log import DISCONNECTED, LoggedRequest
from reconciler.paper.weight_meter import Charge

CLOSE_CONNECTION = "reconciler.paper.close_connection"
"""The extension of the ASGI scope that closes the connection; `reconciler.paper.server` adds it."""

_ENCODER = msgspec.json.Encoder()


def build_app(exchange: PaperExchange) -> Starlette:
    """Build the application that speaks for `exchange`."""
    return Starlette(
        routes=[
            *(
                Route(path, partial(handle_request, exchange, name, route), methods=["GET"])
                for path, name, route in _dialect_routes()
            ),
            *admin_routes(exchange),
        ],
        exception_handlers={HTTPException: _answer_http_error},
    )


def _dialect_routes() -> Iterator[tuple[str, str, routes.DialectRoute]]:
    """Yield each route with its path, and the name that faults and the log use for it."""
    for name, route in routes.ROUTES.items():
        yield f"/api/v3/{name}", name, route
    for path, route in routes.OTHER_PRODUCT_ROUTES.items():
        yield path, path, route


@dataclass(frozen=True, kw_only=True, slots=True)
class DialectRequest:
    """One request of the dialect as it arrived. `query` is the query string as it was sent."""

    target: RequestTarget
    route: routes.DialectRoute
    address: str
    query: str
    credentials: RequestCredentials
    time_unit: str

    @classmethod
    def read(cls, name: str, route: routes.DialectRoute, http_request: Request) -> Self:
        """Read an HTTP request to the route `name`."""
        sent = http_request.query_params
        query = http_request.scope["query_string"].decode("latin-1")
        return cls(
            target=RequestTarget(
                route=name,
                symbol=sent.get("symbol"),
                order_id=sent.get("orderId"),
                query=query,
            ),
            route=route,
            address=http_request.client.host if http_request.client is not None else "",
            query=query,
            credentials=RequestCredentials.read(
                api_key=http_request.headers.get("x-mbx-apikey"),
                authorization=http_request.headers.get("authorization"),
                query=query,
            ),
            time_unit=http_request.headers.get("x-mbx-time-unit", TimeUnit.MILLISECOND.name),
        )

    @property
    def weight(self) -> int:
        """The weight of the request."""
        return self.route.cost(has_symbol=self.target.symbol is not None)


async def handle_request(
    exchange: PaperExchange, name: str, route: routes.DialectRoute, http_request: Request
) -> Response:
    """Answer one request of the dialect, and log it."""
    request, at_ms = DialectRequest.read(name, route, http_request), exchange.clock_ms()
    charge = exchange.meter.charge(request.address, request.weight, at_ms)
    response = await _respond(exchange, request, charge)
    exchange.request_log.record(
        LoggedRequest(
            number=exchange.request_log.next_number,
            at_ms=at_ms,
            address=request.address,
            route=name,
            symbol=request.target.symbol,
            weight=request.weight,
            status=_status(response),
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


async def _respond(exchange: PaperExchange, request: DialectRequest, charge: Charge) -> Response:
    used = {"X-MBX-USED-WEIGHT": str(charge.used), "X-MBX-USED-WEIGHT-1M": str(charge.used)}
    rules = exchange.faults.rules_for(request.target.route, exchange.clock_ms())
    try:
        _refuse_beyond_limit(exchange, charge)
        effects = exchange.faults.draw(request.target, exchange.clock_ms())
        for effect in effects:
            await _apply_effect(exchange, request, effect)
        body = _encode_answer(exchange, request, effects, rules)
    except _Disconnected:
        return ClosedConnection()
    except ApiError as error:
        headers = replace_headers({**used, **error.headers}, rules, request.target)
        return Response(error.body(), error.http_status, headers, error.media_type)
    headers = replace_headers(used, rules, request.target)
    return Response(body, HTTPStatus.OK, headers, "application/json")


def _refuse_beyond_limit(exchange: PaperExchange, charge: Charge) -> None:
    seconds = charge.retry_after_seconds
    match charge.refused_with:
        case None:
            return
        case HTTPStatus.IM_A_TEAPOT:
            raise banned_error(exchange.clock_ms() + seconds * 1000, seconds)
        case _:
            raise too_much_weight_error(exchange.meter.limit, seconds)


async def _apply_effect(exchange: PaperExchange, request: DialectRequest, effect: Effect) -> None:
    """Apply an effect of a fault to a request before it is answered.

    Raises:
        ApiError: the request is answered with an error.
        _Disconnected: the request is not answered.
    """
    now_ms = exchange.clock_ms()
    match effect:
        case Delay(seconds=seconds):
            await exchange.sleep(seconds)
        case Disconnect():
            raise _Disconnected
        case RateLimit(seconds=seconds):
            exchange.meter.pause(request.address, seconds, now_ms)
            raise too_much_weight_error(exchange.meter.limit, ceil(seconds))
        case Ban(seconds=seconds):
            exchange.meter.ban(request.address, seconds, now_ms)
            raise banned_error(now_ms + round(seconds * 1000), ceil(seconds))
        case EmptyList() | CorruptBody() | ReplaceFields():
            return
        case _:
            error = _error_by(effect, request)
            if error is not None:
                raise error


def _error_by(
    effect: ServerError | Maintenance | RefuseKey | BlockAtFirewall | Refuse | Archive,
    request: DialectRequest,
) -> ApiError | None:
    """Return the error with which a fault answers, or None if it does not affect this request."""
    match effect:
        case ServerError(http_status=status):
            return server_error(status)
        case Maintenance():
            return maintenance_error(ERROR_PAGE)
        case RefuseKey():
            return wrong_key_error() if request.route.is_private else None
        case BlockAtFirewall():
            return firewall_error(ERROR_PAGE)
        case Refuse(http_status=status, code=code, message=message):
            return ApiError(code, message, http_status=status)
        case Archive():
            return order_archived_error() if request.target.route == "order" else None
        case _:
            assert_never(effect)


def _encode_answer(
    exchange: PaperExchange,
    request: DialectRequest,
    effects: Sequence[Effect],
    rules: Sequence[FaultRule],
) -> bytes:
    view = exchange.view(request.target.route, _time_unit(request.time_unit))
    parameters = QueryParameters(request.query)
    if request.route.is_private:
        authenticate(exchange.access, request.credentials, parameters, view.now_ms)
    parameters.raise_if_unknown(request.route.known_parameters)
    answered = request.route.answer(view, parameters)
    is_emptied = EmptyList() in effects and isinstance(answered, list)
    body = replace_fields(_ENCODER.encode([] if is_emptied else answered), rules, request.target)
    for effect in effects:
        if isinstance(effect, CorruptBody):
            body = corrupt_body(body, effect.how)
    return body


def _time_unit(name: str) -> TimeUnit:
    """Return the unit of that name, in upper or lower case as documented."""
    if name not in (name.upper(), name.lower()) or name.upper() not in TimeUnit.__members__:
        raise invalid_time_unit_error()
    return TimeUnit[name.upper()]


def _status(response: Response) -> str:
    if isinstance(response, ClosedConnection):
        return DISCONNECTED
    return str(response.status_code)


def _retry_after_seconds(response: Response) -> int | None:
    seconds = response.headers.get("Retry-After", "")
    return int(seconds) if re.fullmatch("[0-9]{1,9}", seconds) else None


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    if not request.url.path.startswith("/paper/"):
        answer = no_such_path_error(request.url.path, request.method)
        return Response(answer.body(), answer.http_status, media_type=answer.media_type)
    return Response(
        msgspec.json.encode({"error": f"{request.method} {request.url.path}: {error.detail}"}),
        error.status_code,
        error.headers,
        media_type="application/json",
    )
