"""How Coinbase writes requests and reads answers. Implements `api_client.VenueApi`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import httpx

from reconciler.errors import RequestRejected, Unavailable
from reconciler.exchanges.api_client import ApiRequest, percent_encode
from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    error_text,
    excerpt,
    pause_seconds,
    refusal_hint,
)
from reconciler.exchanges.coinbase.constants import (
    AMOUNTS,
    DEFAULT_PAUSE_SECONDS,
    ERROR_WORDS,
    FIREWALL_PAUSE_SECONDS,
    LIMIT_HEADER,
    MAX_PAUSE_SECONDS,
    MAX_RESET_SECONDS,
    NO_SUCH_ORDER,
    ONE_PUBLIC,
    PRIVATE,
    REMAINING_HEADER,
    RESET_HEADER,
    STATUS_KINDS,
    TIME_PATH,
)
from reconciler.exchanges.coinbase.raw_orders import decode_time
from reconciler.exchanges.coinbase.signing import request_token
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS, parse_json
from reconciler.exchanges.key_form import KeyForm
from reconciler.exchanges.raw_values import whole_number
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials

T = TypeVar("T")

_OK = 200
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_TOO_LONG = 414
_SERVER_ERROR = 500
_MAX_REMAINING = 1_000_000


class CoinbaseApi:
    """The requests of one key. No token outlives its request."""

    signs_with_time = True
    time_request = ApiRequest(path=TIME_PATH, cost=ONE_PUBLIC)

    def __init__(self, base_url: str, credentials: Credentials, form: KeyForm) -> None:
        """Sign with the key in `credentials`, if there is one.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._api_key = (
            "" if credentials.api_key is None else credentials.api_key.get_secret_value()
        )
        self._key = load_signing_key(credentials, form)
        self._hint = refusal_hint(credentials)

    def signed(self, request: ApiRequest, server_time: datetime, nonce: int | None) -> HttpRequest:
        """Write `request` with a token of its own. Coinbase has no numbers that only grow."""
        del nonce
        url = self._url(request)
        token = request_token(
            self._key,
            api_key=self._api_key,
            method=request.method,
            url=url,
            server_time=server_time,
        )
        return HttpRequest(
            method=request.method, url=url, headers={"Authorization": f"Bearer {token}"}
        )

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write `request` with the bearer token of the settings, or as it is."""
        token = self._credentials.bearer_token
        bearer = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        return HttpRequest(method=request.method, url=self._url(request), headers=bearer)

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error that says that there is no such order.

        Raises:
            ExchangeError: the class that belongs to the status and the word.
        """
        if response.status == _OK:
            return decoded(request.path, response.body, decode)
        code, message = _error_in(response.body)
        if response.status == _TOO_LONG:
            # From any server: the plan asks for half as many ids.
            raise RequestRejected(_text_of(request, response, code, message))
        if response.status == _UNAUTHORIZED and not self._proves_who_we_are(request):
            # By another server: Coinbase wants no proof for a public route.
            raise Unavailable(error_text(request.path, response, code, message))
        kind = _kind(response.status, code, message)
        default = FIREWALL_PAUSE_SECONDS if kind is ErrorKind.FIREWALL else DEFAULT_PAUSE_SECONDS
        return error_result(
            kind,
            _text_of(request, response, code, message),
            hint=self._hint,
            pause_seconds=pause_seconds(response, default=default, maximum=MAX_PAUSE_SECONDS),
            code=code,
        )

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970.

        Raises:
            ValueError: the body has none.
        """
        return decode_time(body)

    def readings(self, request: ApiRequest, headers: httpx.Headers) -> Iterable[LimitReading]:
        """Return what is left of the limit that the request took from.

        The exchange may allow more or less than it publishes: what is left is told as a share.
        """
        remaining = whole_number(headers.get(REMAINING_HEADER, ""), maximum=_MAX_REMAINING)
        allowed = whole_number(headers.get(LIMIT_HEADER, ""), maximum=_MAX_REMAINING)
        reset = whole_number(headers.get(RESET_HEADER, ""), maximum=MAX_RESET_SECONDS)
        if remaining is None:
            return ()
        return [
            LimitReading(
                name=name,
                remaining=remaining * AMOUNTS[name] // allowed if allowed else remaining,
                reset_seconds=reset,
            )
            for name in request.cost
        ]

    def _proves_who_we_are(self, request: ApiRequest) -> bool:
        return PRIVATE in request.cost or self._credentials.bearer_token is not None

    def _url(self, request: ApiRequest) -> str:
        query = percent_encode(request.parameters)
        return f"{self._base_url}{request.path}{'?' if query else ''}{query}"


def _text_of(
    request: ApiRequest, response: HttpResponse, code: str | None, message: str | None
) -> str:
    """Return the text of an error. A 401 is plain text, which comes from the API itself."""
    if response.status == _UNAUTHORIZED and code is None:
        return f"{request.path}: HTTP {_UNAUTHORIZED}, {excerpt(response.body)}"
    return error_text(request.path, response, code, message)


def _kind(status: int, code: str | None, message: str | None) -> ErrorKind:
    """Return the kind of an error. What is not known is never "not found"."""
    if status == _NOT_FOUND and message is not None and message.lower() == NO_SUCH_ORDER:
        return ErrorKind.ORDER_NOT_FOUND
    if status == _FORBIDDEN and code is None:
        return ErrorKind.FIREWALL  # The API answers JSON: this comes from before it.
    if status >= _SERVER_ERROR:
        return ErrorKind.TRANSIENT
    return STATUS_KINDS.get(status) or ERROR_WORDS.get(code or "", ErrorKind.REJECTED)


def _error_in(body: bytes) -> tuple[str | None, str | None]:
    """Return the word of an error and its text, in either of the two forms that Coinbase uses."""
    try:
        parsed = parse_json(body)
    except DECODE_ERRORS:
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    errors = parsed.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _text(errors[0], "id"), _text(errors[0], "message")
    message = _text(parsed, "message") or _text(parsed, "error_details")
    return _text(parsed, "error"), message


def _text(parsed: dict[str, Any], name: str) -> str | None:
    value = parsed.get(name)
    return value if isinstance(value, str) and value else None
