"""HTTP requests to an exchange, each with an answer that is certainly its own and limited in size.

HTTP/1.1 does not number its messages: an answer belongs to a request only because nothing else came
before it. So a connection is reused only while it is clean, and an answer is used only then:

1. Nothing may follow an answer, neither in the parser's buffer nor on the socket. Otherwise the
   connection is closed and the answer is not used.
2. A connection on which something can be read is not used for the next request (httpcore's own rule
   when it takes one from its pool).
3. An answer whose length two headers give in two ways is not used.
4. A connection whose answer was longer than one read is closed: more data may wait inside the event
   loop's stream, where it cannot be seen.
5. An unrequested answer may also arrive after the next request was sent. An answer about an order
   is used only if it names that order (the venue's `mapping`). An error names
   nothing. So after an error on a reused connection we wait for the proper answer, for as long as
   recent answers took.
6. A connection is free for the next request only when its answer has been understood: it is closed
   otherwise, and must then carry no other request.
"""

import ipaddress
import logging
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import httpcore
import httpx

from reconciler import __version__
from reconciler.errors import Malformed
from reconciler.exchanges.tls import trusted_authorities

MAX_ANSWER_BYTES = 8 * 2**20
"""Sixteen times a full page of 1,000 orders (about 500 KB), both compressed and decompressed."""

_ONE_READ_BYTES = 2**16
"""httpcore reads at most this at once (`AsyncHTTP11Connection.READ_NUM_BYTES`)."""

_MIN_WAIT_SECONDS = 0.005
_MAX_WAIT_SECONDS = 0.25
_SLOWEST_DECAY = 0.9

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_NOT_COMPRESSED = frozenset({"", "identity"})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})

# Servers commonly close an idle connection after 5 s or more. A request that is written into a
# closing connection fails for no reason.
_KEEPALIVE_SECONDS = 4.0
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """An HTTP request, as it is sent. The repr shows no header and no query: they hold secrets."""

    method: str = "GET"
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """An HTTP response, decompressed."""

    status: int
    headers: httpx.Headers
    body: bytes


class HttpClient:
    """Sends requests through the connections of `client`, and checks the answers."""

    def __init__(
        self, client: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._used: WeakSet[httpcore.AsyncNetworkStream] = WeakSet()
        self._slowest_seconds = 0.0

    @asynccontextmanager
    async def request(
        self, request: HttpRequest, *, max_bytes: int = MAX_ANSWER_BYTES
    ) -> AsyncIterator[HttpResponse]:
        """Send a request and give its answer, of at most `max_bytes`, compressed or not.

        No other request gets the connection before the block ends. If the block raises `Malformed`,
        the connection is closed, because its answers may belong to other requests.

        Raises:
            Malformed: the answer is too large, badly compressed, or not certainly this request's.
            httpx.HTTPError: there is no answer.
        """
        headers = {**request.headers, "Accept-Encoding": "gzip"}
        sent_at = self._clock()
        response = await self._client.send(
            self._client.build_request(
                request.method, request.url, headers=headers, content=request.body or None
            ),
            stream=True,
        )
        connection: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        self._slowest_seconds = max(self._slowest_seconds * _SLOWEST_DECAY, self._clock() - sent_at)
        is_clean = False
        try:
            compressed = await _read(response, max_bytes)
            await self._require_nothing_left(response, connection)
            self._used.add(connection)
            encoding = response.headers.get("Content-Encoding", "")
            body = _decompress(compressed, encoding, max_bytes)
            is_clean = len(compressed) + _head_bytes(response) < _ONE_READ_BYTES
            yield HttpResponse(status=response.status_code, headers=response.headers, body=body)
        except Malformed:
            is_clean = False
            raise
        finally:
            if not is_clean:
                await connection.aclose()
            await response.aclose()
            del response.stream  # It and the response refer to each other: free them now.

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _require_nothing_left(
        self, response: httpx.Response, connection: httpcore.AsyncNetworkStream
    ) -> None:
        wait_seconds = 0.0
        if response.status_code != httpx.codes.OK and connection in self._used:
            wait_seconds = min(max(self._slowest_seconds, _MIN_WAIT_SECONDS), _MAX_WAIT_SECONDS)
        if _parsed_ahead(response) or await _has_more(connection, wait_seconds):
            raise Malformed(
                "more data follows the answer, so that neither is certainly the answer to this"
                " request: the connection was closed and the answer is not used"
            )


def open_client(base_url: str, *, connections: int) -> httpx.AsyncClient:
    """Open an HTTP client for the exchange at `base_url`.

    An address of this machine is never reached through a proxy; for others the environment decides
    (HTTPS_PROXY, NO_PROXY). Redirects are not followed, since they would carry the key to another
    server. Cookies are not kept. The log of httpx is silenced, since it has every address with its
    signature.

    Raises:
        ConfigurationError: the certificates that identify the exchange cannot be loaded.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx.AsyncClient(
        http1=True,
        http2=False,
        follow_redirects=False,
        verify=trusted_authorities(),
        trust_env=not _is_loopback(base_url),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": f"order-reconciler/{__version__}", "Accept": "application/json"},
        timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
        ),
    )


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    if "Content-Length" in response.headers and "Transfer-Encoding" in response.headers:
        raise Malformed("the answer tells its length in two ways, so that its end is uncertain")
    parts = []
    size = 0
    # Not `aiter_raw`: it returns the connection to the pool before we can check it.
    stream: Any = response.stream
    async for part in stream:
        size += len(part)
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return b"".join(parts)


def _head_bytes(response: httpx.Response) -> int:
    return 100 + sum(len(name) + len(value) + 4 for name, value in response.headers.raw)


def _decompress(body: bytes, content_encoding: str, max_bytes: int) -> bytes:
    encoding = content_encoding.strip().lower()
    if encoding in _NOT_COMPRESSED:
        return body
    if encoding not in _COMPRESSED:
        raise Malformed(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
    decompressor = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    try:
        plain = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Malformed(f"the answer cannot be unpacked ({error})") from None
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not decompressor.eof or decompressor.unused_data:
        raise Malformed("the answer cannot be unpacked (it does not end where it should)")
    return plain


def _too_large(max_bytes: int) -> Malformed:
    return Malformed(
        f"the answer is larger than {max_bytes // 2**20} MiB, which no answer of an"
        " exchange is: reading was stopped"
    )


def _parsed_ahead(response: httpx.Response) -> bool:
    """Return True if the parser has bytes that do not belong to this answer.

    httpcore does not offer that, so we read its private attributes. A test fails if they change,
    and pyproject.toml limits the versions.
    """
    stream: Any = response.stream
    parser = stream._stream._httpcore_stream._stream._connection._h11_state  # noqa: SLF001 - above
    return bool(parser.trailing_data[0])


async def _has_more(connection: httpcore.AsyncNetworkStream, wait_seconds: float) -> bool:
    """Return True if more than the end of the stream can be read, now or within the wait."""
    tls: ssl.SSLObject | None = connection.get_extra_info("ssl_object")
    if tls is not None and _has_decrypted(tls):
        return True
    if not wait_seconds and not connection.get_extra_info("is_readable"):
        return False
    try:
        return bool(await connection.read(1, timeout=max(wait_seconds, _MIN_WAIT_SECONDS)))
    except (httpcore.TimeoutException, httpcore.NetworkError):
        # No data, or none for us, such as a TLS session ticket.
        return False


def _has_decrypted(tls: ssl.SSLObject) -> bool:
    """Return True if TLS holds decrypted bytes, which the socket does not show."""
    try:
        return bool(tls.read(1))
    except ssl.SSLError:
        return False
