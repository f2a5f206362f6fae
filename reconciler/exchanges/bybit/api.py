"""How Bybit's v5 API writes requests and reads answers, for `reconciler.exchanges.api_client`."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import httpx

from reconciler.exchanges.api_client import (
    ApiRequest,
    bearer_headers,
    header_number,
    percent_encode,
)
from reconciler.exchanges.api_errors import Decoder, ErrorResponse, refusal_hint
from reconciler.exchanges.bybit.constants import (
    LIMIT_OF_PATH,
    MAX_LIMIT,
    PUBLIC_COST,
    REMAINING_HEADER,
    TIME_PATH,
    VENUE,
)
from reconciler.exchanges.bybit.decoding import decode_response, decode_time
from reconciler.exchanges.bybit.errors import KEY_HINT
from reconciler.exchanges.bybit.signing import signed_headers
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.server_clock import milliseconds
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials

T = TypeVar("T")


class BybitApi:
    """Implements `reconciler.exchanges.api_client.VenueApi`."""

    signs_with_time = True
    time_request = ApiRequest(path=TIME_PATH, cost=PUBLIC_COST)

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        """Write requests to `base_url`.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._key = load_signing_key(credentials, VENUE.key_form)
        self._hint = refusal_hint(credentials) if credentials.api_key is None else KEY_HINT

    def signed(
        self,
        request: ApiRequest,
        server_time: datetime,
        nonce: int | None,  # noqa: ARG002 - the protocol's: Bybit has none
    ) -> HttpRequest:
        """Write a GET with its signature in the headers."""
        query = percent_encode(request.parameters)
        headers = signed_headers(
            self._key,
            api_key=""
            if self._credentials.api_key is None
            else self._credentials.api_key.get_secret_value(),
            query=query,
            timestamp_ms=milliseconds(server_time),
        )
        return HttpRequest(url=self._url(request, query), headers=headers)

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write a GET without a signature."""
        query = percent_encode(request.parameters)
        return HttpRequest(url=self._url(request, query), headers=bearer_headers(self._credentials))

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the status or the code.
        """
        return decode_response(request.path, response, decode, hint=self._hint)

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970.

        Raises:
            ValueError: the body has none.
        """
        return decode_time(body)

    def readings(self, request: ApiRequest, headers: httpx.Headers) -> Iterable[LimitReading]:
        """Return what the headers say about the limit of the request's path.

        What is left is what counts: an account may be allowed more, or less, than is published.
        """
        name = LIMIT_OF_PATH.get(request.path)
        remaining = header_number(headers, REMAINING_HEADER, maximum=MAX_LIMIT)
        if name is None or remaining is None:
            return ()
        return (LimitReading(name=name, remaining=remaining),)

    def _url(self, request: ApiRequest, query: str) -> str:
        url = f"{self._base_url}{request.path}"
        return f"{url}?{query}" if query else url
