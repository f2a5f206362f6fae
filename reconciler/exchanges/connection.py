"""One request and its answer: bounded in size, and nobody else's.

HTTP/1.1 has no numbers: an answer belongs to a request only because nothing else came before it. So
a connection is used again only while it is clean, and an answer only where the connection is:

1. Nothing may be left behind an answer, neither in the parser's buffer nor on the socket: otherwise
   the connection is closed and the answer is not used.
2. A connection on which something can be read is not used for the next request (httpcore's own rule
   at the moment when it takes one from its pool).
3. An answer whose end two headers tell in two ways is not used.
4. A connection whose answer was longer than one read is closed: what came with it may wait where
   nobody looks, inside the event loop's stream.
5. An unasked answer may also arrive after the next request was sent. One about an order is used
   only where it names the order asked for (`reconciler.exchanges.binance.mapping`). An error names
   nothing: so behind one, on a connection that was used before, the answer that was meant is waited
   for, as long as answers took of late.
"""

import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import httpcore
import httpx

from reconciler.errors import Malformed

LONGEST_ANSWER_BYTES = 8 * 2**20
"""Sixteen times a full page of 1,000 orders (about 500 KB), packed and unpacked."""

_ONE_READ_BYTES = 2**16
"""httpcore reads at most this at once (`AsyncHTTP11Connection.READ_NUM_BYTES`)."""

_SHORTEST_WAIT = 0.005
_LONGEST_WAIT = 0.25
_FADING = 0.9

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_NOT_PACKED = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer as it arrived, unpacked."""

    status: int
    headers: httpx.Headers
    body: bytes
    connection: httpcore.AsyncNetworkStream = field(repr=False)

    async def close_connection(self) -> None:
        """Ask nothing more there: it answers other questions than those that were asked."""
        await self.connection.aclose()


class Connections:
    """The connections to one exchange, which `client` keeps; `close` closes them."""

    def __init__(
        self, client: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock
        self._used: WeakSet[httpcore.AsyncNetworkStream] = WeakSet()
        self._slowest_seconds = 0.0

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Send a GET and return its answer.

        Raises:
            Malformed: it is too large, badly packed, or not certainly this request's.
            httpx.HTTPError: it did not come.
        """
        headers = {**headers, "Accept-Encoding": "gzip"}
        sent_at = self._clock()
        response = await self._client.send(
            self._client.build_request("GET", url, headers=headers), stream=True
        )
        connection: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        self._slowest_seconds = max(self._slowest_seconds * _FADING, self._clock() - sent_at)
        is_clean = False
        try:
            packed = await _read(response)
            await self._require_nothing_left(response, connection)
            is_clean = len(packed) + _head_bytes(response) < _ONE_READ_BYTES
            self._used.add(connection)
            return Reply(
                status=response.status_code,
                headers=response.headers,
                body=_unpacked(packed, response.headers.get("Content-Encoding", "")),
                connection=connection,
            )
        finally:
            if not is_clean:
                await connection.aclose()
            await response.aclose()
            del response.stream  # Else each holds the other until garbage is collected.

    async def close(self) -> None:
        """Close them all."""
        await self._client.aclose()

    async def _require_nothing_left(
        self, response: httpx.Response, connection: httpcore.AsyncNetworkStream
    ) -> None:
        wait_seconds = 0.0
        if response.status_code != httpx.codes.OK and connection in self._used:
            wait_seconds = min(max(self._slowest_seconds, _SHORTEST_WAIT), _LONGEST_WAIT)
        if _parsed_ahead(response) or await _has_more(connection, wait_seconds):
            raise Malformed(
                "more arrived than the answer, so that neither is certainly the answer to this"
                " request: the connection was closed and the answer is not used"
            )


async def _read(response: httpx.Response) -> bytes:
    if "Content-Length" in response.headers and "Transfer-Encoding" in response.headers:
        raise Malformed("the answer tells its length in two ways, so that its end is uncertain")
    parts = []
    size = 0
    # Not `aiter_raw`, which gives the connection back to the pool before it was looked at.
    stream: Any = response.stream
    async for part in stream:
        size += len(part)
        if size > LONGEST_ANSWER_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _head_bytes(response: httpx.Response) -> int:
    return 100 + sum(len(name) + len(value) + 4 for name, value in response.headers.raw)


def _unpacked(body: bytes, told: str) -> bytes:
    encoding = told.strip().lower()
    if encoding in _NOT_PACKED:
        return body
    if encoding not in _PACKED:
        raise Malformed(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, LONGEST_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"the answer cannot be unpacked ({error})") from None
    if len(plain) > LONGEST_ANSWER_BYTES:
        raise _too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("the answer cannot be unpacked (it does not end where it should)")
    return plain


def _too_large() -> Malformed:
    return Malformed(
        f"the answer is larger than {LONGEST_ANSWER_BYTES // 2**20} MiB, which no answer of an"
        " exchange is: reading was stopped"
    )


def _parsed_ahead(response: httpx.Response) -> bool:
    """Whether the parser has bytes that are not of this answer.

    httpcore does not hand that out, hence the way through its insides, which a test watches; their
    versions are bounded in pyproject.toml.
    """
    stream: Any = response.stream
    parser = stream._stream._httpcore_stream._stream._connection._h11_state  # noqa: SLF001 - above
    return bool(parser.trailing_data[0])


async def _has_more(connection: httpcore.AsyncNetworkStream, wait_seconds: float) -> bool:
    """Whether something else than the end can be read, or can be soon."""
    tls: ssl.SSLObject | None = connection.get_extra_info("ssl_object")
    if tls is not None and _has_deciphered(tls):
        return True
    if not wait_seconds and not connection.get_extra_info("is_readable"):
        return False
    try:
        return bool(await connection.read(1, timeout=max(wait_seconds, _SHORTEST_WAIT)))
    except (httpcore.TimeoutException, httpcore.NetworkError):
        # Nothing, or nothing of ours, such as TLS's ticket for a later session.
        return False


def _has_deciphered(tls: ssl.SSLObject) -> bool:
    """Whether bytes wait within TLS, where a look at the socket does not find them."""
    try:
        return bool(tls.read(1))
    except ssl.SSLError:
        return False
