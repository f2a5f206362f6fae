"""How Kraken's requests are written and its answers read, for `reconciler.exchanges.api_client`.

A private request is a POST with a nonce; nothing in it depends on a clock. Errors come with HTTP
200, in the list `error`: see `errors`. Any other status is of something between us and Kraken.
"""

import re
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from reconciler.errors import Malformed
from reconciler.exchanges.api_client import ApiRequest, bearer_headers, percent_encode
from reconciler.exchanges.api_errors import (
    Decoder,
    ErrorKind,
    ErrorResponse,
    decoded,
    error_result,
    excerpt,
    pause_seconds,
)
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.json_answers import DECODE_ERRORS
from reconciler.exchanges.kraken.constants import (
    LOCKOUT_SECONDS,
    MAX_PAUSE_SECONDS,
    PUBLIC_COST,
    RATE_LIMIT_PAUSE_SECONDS,
    REFUSAL_HINT,
    THROTTLE_SECONDS,
    TIME,
    VENUE,
)
from reconciler.exchanges.kraken.errors import (
    LOCKOUT,
    THROTTLED,
    gravest,
    is_warning,
    kind_of,
    known_error,
)
from reconciler.exchanges.kraken.raw_orders import decode_errors, decode_time_ms
from reconciler.exchanges.kraken.signing import form_body, signature_of
from reconciler.exchanges.server_clock import milliseconds
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials

T = TypeVar("T")

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

_KINDS_BY_STATUS = {
    401: ErrorKind.REFUSED,
    # Kraken is behind Cloudflare (support, "Cloudflare (networking) errors").
    403: ErrorKind.FIREWALL,
    429: ErrorKind.RATE_LIMITED,
}

_THROTTLED_UNTIL = re.compile(r":\s*([0-9]{10})(?![0-9])")


class KrakenApi:
    """Kraken's requests and answers. Implements `reconciler.exchanges.api_client.VenueApi`."""

    signs_with_time = False
    time_request = ApiRequest(path=TIME, cost=PUBLIC_COST)

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        """Sign with `credentials`.

        Raises:
            ConfigurationError: the secret is no key of Kraken's.
        """
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._key = load_signing_key(credentials, VENUE.key_form)

    def signed(self, request: ApiRequest, server_time: datetime, nonce: int | None) -> HttpRequest:
        """Write a private request. Without a source of nonces the time is one."""
        number = milliseconds(server_time) if nonce is None else nonce
        body = form_body(request.parameters, number)
        key = self._credentials.api_key
        headers = {
            **_FORM,
            "API-Key": "" if key is None else key.get_secret_value(),
            "API-Sign": signature_of(self._key, request.path, number, body),
        }
        return HttpRequest(
            method="POST", url=f"{self._base_url}{request.path}", headers=headers, body=body
        )

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write a public request, or a private one for a server that wants no signature."""
        url, query = f"{self._base_url}{request.path}", percent_encode(request.parameters)
        headers = bearer_headers(self._credentials)
        if request.method == "GET":
            return HttpRequest(url=f"{url}?{query}" if query else url, headers=headers)
        return HttpRequest(
            method=request.method, url=url, headers={**_FORM, **headers}, body=query.encode()
        )

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the error.
        """
        texts = _errors_and_warnings(request.path, response)
        errors = [text for text in texts if not is_warning(text)]
        if response.status == httpx.codes.OK and not errors:
            return decoded(request.path, response.body, decode)
        error = gravest(errors) if errors else None
        said = excerpt(", ".join(texts).encode(errors="replace") if errors else response.body)
        kind = _kind(response.status, error)
        if kind is ErrorKind.ORDER_NOT_FOUND and len(errors) < len(texts):
            # The warning may say why Kraken does not find it, as where an order is left out.
            kind = ErrorKind.TRANSIENT
        return error_result(
            kind,
            f"{request.path}: HTTP {response.status}, {said}{_where(response.status, error)}",
            hint=REFUSAL_HINT,
            pause_seconds=_pause_seconds(response, error),
            code=error,
        )

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970: it is told in whole seconds.

        Raises:
            ValueError: the body has none.
        """
        return decode_time_ms(body)

    def readings(
        self,
        request: ApiRequest,  # noqa: ARG002 - the protocol's
        headers: httpx.Headers,  # noqa: ARG002 - the protocol's
    ) -> Iterable[LimitReading]:
        """Return nothing: no header of Kraken's tells about its counter."""
        return ()


def _errors_and_warnings(path: str, response: HttpResponse) -> Sequence[str]:
    """Return the errors and warnings in an answer.

    Raises:
        Malformed: an answer with HTTP 200 has no list of errors, not even an empty one.
    """
    try:
        return decode_errors(response.body)
    except DECODE_ERRORS:
        if response.status != httpx.codes.OK:
            return ()
        raise Malformed(f"{path}: unreadable answer: {excerpt(response.body)}") from None


def _kind(status: int, error: str | None) -> ErrorKind:
    """Classify by HTTP status, then by the error.

    A 5xx says nothing about an order.
    """
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ErrorKind.TRANSIENT
    if error is not None:
        kind = kind_of(error)
        is_of_kraken = status == httpx.codes.OK
        # That an order does not exist is believed only as Kraken says it.
        return (
            kind if is_of_kraken or kind is not ErrorKind.ORDER_NOT_FOUND else ErrorKind.TRANSIENT
        )
    return _KINDS_BY_STATUS.get(status, ErrorKind.REJECTED)


def _where(status: int, error: str | None) -> str:
    is_answered = error is not None or status >= httpx.codes.INTERNAL_SERVER_ERROR
    return "" if is_answered else ": is EXCHANGE_BASE_URL the address of the exchange's API?"


def _pause_seconds(response: HttpResponse, error: str | None) -> float:
    """Return how long to send nothing, if the error says that we ask too much."""
    known = None if error is None else known_error(error)
    if known == LOCKOUT:
        return LOCKOUT_SECONDS
    if known == THROTTLED and error is not None:
        return _seconds_of_throttling(response, error)
    return pause_seconds(response, default=RATE_LIMIT_PAUSE_SECONDS, maximum=MAX_PAUSE_SECONDS)


def _seconds_of_throttling(response: HttpResponse, error: str) -> float:
    """Return the seconds until the time in "EService:Throttled: [UNIX timestamp]".

    The `Date` header is the present time; without it, our clock is.
    """
    match = _THROTTLED_UNTIL.search(error)
    if match is None:
        return THROTTLE_SECONDS
    try:
        now = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        now = time.time()
    return min(max(int(match[1]) - now, 0.0), MAX_PAUSE_SECONDS)
