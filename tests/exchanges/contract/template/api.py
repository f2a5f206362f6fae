"""How requests are written and answers read, for `reconciler.exchanges.api_client`."""

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar

import httpx
import msgspec

from reconciler.errors import Malformed
from reconciler.exchanges.api_client import (
    ApiRequest,
    bearer_headers,
    header_number,
    percent_encode,
)
from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    error_text,
    pause_seconds,
    refusal_hint,
)
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS, listed_symbols
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH
from reconciler.exchanges.server_clock import milliseconds
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials
from tests.exchanges.contract.template.constants import (
    DEFAULT_PAUSE_SECONDS,
    ERROR_KINDS,
    MAX_PAUSE_SECONDS,
    MAX_SYMBOLS,
    MAX_USED,
    ONE_REQUEST,
    REQUESTS,
    TIME_PATH,
    USED_HEADER,
)

T = TypeVar("T")


class TemplateApi:
    """The requests and answers of one account. Implements `VenueApi`."""

    signs_with_time = True
    time_request = ApiRequest(path=TIME_PATH, cost=ONE_REQUEST)

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        """Write requests for the server at `base_url`.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._key = load_signing_key(credentials)

    def signed(
        self,
        request: ApiRequest,
        server_time: datetime,
        nonce: int | None,  # noqa: ARG002 - the protocol's: for a venue with `needs_nonce`
    ) -> HttpRequest:
        """Write `request` with its signature in the headers."""
        key = self._credentials.api_key
        timestamp = str(milliseconds(server_time))
        target = _target(request)
        signature = self._key.sign(f"{timestamp}{request.method}{target}".encode()).hex()
        headers = {
            "X-API-KEY": "" if key is None else key.get_secret_value(),
            "X-API-TIMESTAMP": timestamp,
            "X-API-SIGN": signature,
        }
        return HttpRequest(url=self._base_url + target, headers=headers)

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write `request` as it is, or with a bearer token."""
        return HttpRequest(
            url=self._base_url + _target(request), headers=bearer_headers(self._credentials)
        )

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the status or the code.
        """
        code = _code(response.body)
        if response.status == HTTPStatus.OK and code == "":
            return decoded(request.path, response.body, decode)
        if response.status == HTTPStatus.OK and code is None:
            raise Malformed(error_text(request.path, response, None, None))
        return error_result(
            _kind(response.status, code),
            error_text(request.path, response, code or None, None),
            hint=refusal_hint(self._credentials),
            pause_seconds=pause_seconds(
                response, default=DEFAULT_PAUSE_SECONDS, maximum=MAX_PAUSE_SECONDS
            ),
            code=code,
        )

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970."""
        return _decode_time(body).time

    def readings(
        self,
        request: ApiRequest,  # noqa: ARG002 - the protocol's: one limit counts all requests
        headers: httpx.Headers,
    ) -> Iterable[LimitReading]:
        """Return what the headers of an answer say about the rate limits."""
        used = header_number(headers, USED_HEADER, maximum=MAX_USED)
        return () if used is None else (LimitReading(name=REQUESTS, used=used),)


def _target(request: ApiRequest) -> str:
    query = percent_encode(request.parameters)
    return f"{request.path}?{query}" if query else request.path


def _kind(status: int, code: str | None) -> ErrorKind:
    """Classify by HTTP status, then by code. A 5xx says nothing about an order."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ErrorKind.RATE_LIMITED
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorKind.TRANSIENT
    return ERROR_KINDS.get(code or "", ErrorKind.REJECTED)


class _Envelope(msgspec.Struct, frozen=True):
    error: str


class _Time(msgspec.Struct, frozen=True):
    time: int


class _Account(msgspec.Struct, frozen=True):
    id: str | None = None


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class _Symbols(msgspec.Struct, frozen=True):
    symbols: Annotated[list[_Name], msgspec.Meta(max_length=MAX_SYMBOLS)]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_time = msgspec.json.Decoder(_Time).decode
_decode_account = msgspec.json.Decoder(_Account).decode
_decode_symbols = msgspec.json.Decoder(_Symbols).decode


def decode_account(body: bytes) -> str | None:
    """Decode the account's id."""
    return _decode_account(body).id


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the names of the listed symbols."""
    return listed_symbols(_decode_symbols(body).symbols)


def _code(body: bytes) -> str | None:
    """Return the code in the envelope, "" for none; None if it is no answer of the venue."""
    try:
        return _decode_envelope(body).error
    except DECODE_ERRORS:
        return None
