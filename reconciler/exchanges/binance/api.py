"""Requests and answers of Binance's API, for `reconciler.exchanges.api_client`.

With an API key and secret every request is signed. With a bearer token alone it carries that (the
paper exchange). With neither it is sent as it is.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

import httpx

from reconciler.exchanges.api_client import (
    ApiRequest,
    bearer_headers,
    header_number,
    percent_encode,
)
from reconciler.exchanges.api_errors import Decoder, ErrorResponse, refusal_hint
from reconciler.exchanges.binance.constants import (
    MAX_USED_WEIGHT,
    RECV_WINDOW_MS,
    TIME_COST,
    USED_WEIGHT_HEADER,
    WEIGHT,
)
from reconciler.exchanges.binance.decoding import decode_response, decode_server_time
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.server_clock import milliseconds
from reconciler.exchanges.signing import SigningKey, load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials, KeyType

T = TypeVar("T")


class BinanceApi:
    """The requests and answers of one account. Implements `VenueApi`."""

    signs_with_time = True
    time_request = ApiRequest(path="/api/v3/time", cost=TIME_COST)

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        """Write requests for the server at `base_url`.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._base_url = base_url.rstrip("/")
        self._key = load_signing_key(credentials)
        self._headers = _headers(credentials)
        self._hint = refusal_hint(credentials)

    def signed(
        self,
        request: ApiRequest,
        server_time: datetime,
        nonce: int | None,  # noqa: ARG002 - the protocol's: Binance knows no nonce
    ) -> HttpRequest:
        """Write `request` with timestamp and signature as its last parameters."""
        query = percent_encode(
            {
                **request.parameters,
                "recvWindow": str(RECV_WINDOW_MS),
                "timestamp": str(milliseconds(server_time)),
            }
        )
        signature = quote(signature_of(self._key, query), safe="")
        return self._request(request, f"{query}&signature={signature}")

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write `request` as it is."""
        return self._request(request, percent_encode(request.parameters))

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the status or the code.
        """
        return decode_response(request.path, response, decode, hint=self._hint)

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970."""
        return decode_server_time(body).server_time

    def readings(
        self,
        request: ApiRequest,  # noqa: ARG002 - the protocol's: the header counts all requests
        headers: httpx.Headers,
    ) -> Sequence[LimitReading]:
        """Return the weight used by our address, unless it is absurd."""
        used = header_number(headers, USED_WEIGHT_HEADER, maximum=MAX_USED_WEIGHT)
        return () if used is None else (LimitReading(name=WEIGHT, used=used),)

    def _request(self, request: ApiRequest, query: str) -> HttpRequest:
        url = f"{self._base_url}{request.path}?{query}"
        return HttpRequest(method=request.method, url=url, headers=self._headers)


def signature_of(key: SigningKey, query: str) -> str:
    """Return the signature of an encoded query: hex with HMAC, base64 with any other key.

    Source: rest-api.md, "SIGNED request example", of binance-spot-api-docs, read 2026-11-27.
    """
    signed = key.sign(query.encode())
    return signed.hex() if key.type is KeyType.HMAC else b64encode(signed).decode()


def _headers(credentials: Credentials) -> Mapping[str, str]:
    if credentials.api_key is not None:
        return {"X-MBX-APIKEY": credentials.api_key.get_secret_value()}
    return bearer_headers(credentials)
