"""How OKX writes requests and reads answers: `OkxApi`, for `reconciler.exchanges.api_client`.

An error comes with HTTP 200 or with another status, and always as a `code` that is not "0".
"""

import re
from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import msgspec

from reconciler.errors import Malformed
from reconciler.exchanges.api_client import ApiRequest, bearer_headers, percent_encode
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
from reconciler.exchanges.json_answers import DECODE_ERRORS, listed_symbols, parse_json, value_at
from reconciler.exchanges.okx.constants import (
    DEFAULT_PAUSE_SECONDS,
    DEMO_HEADER,
    DEMO_PARAMETER,
    ERROR_KINDS,
    HINTS,
    MAX_PAUSE_SECONDS,
    MAX_SYMBOLS,
    PAUSE_SECONDS,
    SPOT,
    STATUS_KINDS,
    TIME_COST,
)
from reconciler.exchanges.okx.signing import signed_headers, timestamp_text
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH
from reconciler.exchanges.signing import load_signing_key
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials

T = TypeVar("T")

SUCCESS = "0"
_NAMED_PARAMETER = re.compile(r"\b[Pp]arameter\W{1,2}([A-Za-z]\w*)")


class OkxApi:
    """Writes requests and reads answers. Implements `reconciler.exchanges.api_client.VenueApi`."""

    signs_with_time = True
    time_request = ApiRequest(path="/api/v5/public/time", cost=TIME_COST)

    def __init__(self, base_url: str, credentials: Credentials) -> None:
        """Write requests to `base_url`; one that ends with "?simulated=1" is demo trading.

        Raises:
            ConfigurationError: the secret is not a valid key.
        """
        self._address, self._headers = _address_and_headers(base_url)
        self._credentials = credentials
        self._key = load_signing_key(credentials)

    def signed(
        self,
        request: ApiRequest,
        server_time: datetime,
        nonce: int | None,  # noqa: ARG002 - the protocol's
    ) -> HttpRequest:
        """Write `request` with its signature, which holds for 30 s."""
        api_key, passphrase = self._credentials.api_key, self._credentials.passphrase
        target = _target(request)
        headers = signed_headers(
            key=self._key,
            api_key="" if api_key is None else api_key.get_secret_value(),
            passphrase="" if passphrase is None else passphrase.get_secret_value(),
            timestamp=timestamp_text(server_time),
            method=request.method,
            target=target,
        )
        return HttpRequest(url=f"{self._address}{target}", headers={**headers, **self._headers})

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write `request` without a signature."""
        return HttpRequest(
            url=f"{self._address}{_target(request)}",
            headers={**bearer_headers(self._credentials), **self._headers},
        )

    def decode(
        self, request: ApiRequest, response: HttpResponse, decode: Decoder[T]
    ) -> T | ErrorResponse:
        """Return the decoded body, or the error if it says something about the requested orders.

        Raises:
            ExchangeError: the class that belongs to the code or the status.
        """
        code, message = _code_and_message(response.body)
        if response.status == HTTPStatus.OK and code == SUCCESS:
            return decoded(request.path, response.body, decode)
        if response.status == HTTPStatus.OK and code is None:
            raise Malformed(error_text(request.path, response, None, None))
        named = _NAMED_PARAMETER.search(message)
        reason = str(response.status) if code is None else code
        hint = HINTS.get(reason) or refusal_hint(self._credentials)
        pause = PAUSE_SECONDS.get(reason, DEFAULT_PAUSE_SECONDS)
        return error_result(
            kind_of(response.status, code),
            error_text(request.path, response, code, message),
            hint=hint,
            pause_seconds=pause_seconds(response, default=pause, maximum=MAX_PAUSE_SECONDS),
            code=code,
            parameter=None if named is None else named[1],
        )

    def decode_time(self, body: bytes) -> int:
        """Return the exchange's time in milliseconds since 1970.

        Raises:
            ValueError: the body has none.
        """
        return int(_decode_time(body).data[0].ts)

    def readings(
        self,
        request: ApiRequest,  # noqa: ARG002 - the protocol's
        headers: httpx.Headers,  # noqa: ARG002 - the protocol's
    ) -> Iterable[LimitReading]:
        """Return nothing: no header of OKX says anything about its limits."""
        return ()


def kind_of(status: int, code: str | None) -> ErrorKind:
    """Classify an error. A known code says more than a status below 500 does.

    From 500 on nothing is said about an order. "No such order" is believed only as OKX documents
    it, with HTTP 200.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorKind.TRANSIENT
    if code is None or code not in ERROR_KINDS:
        return STATUS_KINDS.get(status, ErrorKind.REJECTED)
    kind = ERROR_KINDS[code]
    is_documented = kind is not ErrorKind.ORDER_NOT_FOUND or status == HTTPStatus.OK
    return kind if is_documented else ErrorKind.TRANSIENT


def _address_and_headers(base_url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(base_url)
    address = urlunsplit(parts._replace(query="", fragment="")).rstrip("/")
    is_demo = parse_qs(parts.query).get(DEMO_PARAMETER) == ["1"]
    return address, {DEMO_HEADER: "1"} if is_demo else {}


def _target(request: ApiRequest) -> str:
    """Return the path with its query, as it is signed and sent."""
    query = percent_encode(request.parameters)
    return f"{request.path}?{query}" if query else request.path


class _Envelope(msgspec.Struct, frozen=True):
    code: str | int
    msg: object = ""


class _Time(msgspec.Struct, frozen=True):
    ts: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}$")]


class _Times(msgspec.Struct, frozen=True):
    data: Annotated[list[_Time], msgspec.Meta(min_length=1, max_length=1)]


class _Account(msgspec.Struct, frozen=True):
    uid: str | int | None = None


class _Accounts(msgspec.Struct, frozen=True):
    data: Annotated[list[_Account], msgspec.Meta(min_length=1, max_length=1)]


class _Instrument(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    inst_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    inst_type: str = SPOT


class _Instruments(msgspec.Struct, frozen=True):
    data: Annotated[list[_Instrument], msgspec.Meta(max_length=MAX_SYMBOLS)]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_time = msgspec.json.Decoder(_Times).decode
_decode_accounts = msgspec.json.Decoder(_Accounts).decode
_decode_instruments = msgspec.json.Decoder(_Instruments).decode


def decode_account(body: bytes) -> str | None:
    """Decode the account's id, None if the answer has none."""
    uid = _decode_accounts(body).data[0].uid
    return None if uid in {None, ""} else str(uid)


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the names of the spot instruments, and skip all else.

    Raises:
        ValueError: it is no list of instruments, or has no spot instrument.
    """
    return listed_symbols(
        listed.inst_id for listed in _decode_instruments(body).data if listed.inst_type == SPOT
    )


def _code_and_message(body: bytes) -> tuple[str | None, str]:
    """Return the code and the text of an answer; None if it is no answer of OKX.

    A code that is an error counts only if it stands there once.
    """
    try:
        envelope = _decode_envelope(body)
        code = str(envelope.code)
        if code != SUCCESS:
            code = str(value_at(parse_json(body), "code"))
    except DECODE_ERRORS:
        return None, ""
    return code, envelope.msg if isinstance(envelope.msg, str) else ""
