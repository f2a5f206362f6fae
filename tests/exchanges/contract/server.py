"""A small real HTTP server on loopback that speaks one venue's dialect."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from tests.exchanges.contract.dialect import (
    ABOUT_ORDERS,
    NOW,
    Dialect,
    HeldOrder,
    Reply,
    Request,
    RequestKind,
)

Special = Callable[[Request, RequestKind], Reply | None]


class DialectServer:
    """Holds orders, and answers as the venue's documentation says, or as a test wants it.

    Attributes:
        orders: The orders at the exchange.
        requests: What was asked.
        special: Gives another answer to some requests.
        repeats_pages: True to answer each later page of a list with the first one.
        time: The exchange's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.orders: list[HeldOrder] = []
        self.requests: list[Request] = []
        self.special: Special | None = None
        self.repeats_pages = False
        self.time: datetime = NOW
        self.url = ""

    def holds(self, *orders: HeldOrder) -> None:
        """Add orders."""
        self.orders.extend(orders)

    def refuses_orders(self, reply: Reply, *, times: int | None = None) -> None:
        """Answer requests about orders with `reply`, the first `times` of them or all."""
        left = times

        def refuse(_: Request, kind: RequestKind) -> Reply | None:
            nonlocal left
            if kind not in ABOUT_ORDERS or left == 0:
                return None
            left = None if left is None else left - 1
            return reply

        self.special = refuse

    def kinds(self) -> list[RequestKind | None]:
        """Return what each request was for."""
        return [self._dialect.kind_of(request) for request in self.requests]

    def about_orders(self) -> list[Request]:
        """Return the requests about orders."""
        return [one for one in self.requests if self._dialect.kind_of(one) in ABOUT_ORDERS]

    def answer(self, request: Request) -> Reply:
        """Answer a request."""
        self.requests.append(request)
        kind = self._dialect.kind_of(request)
        if kind is None:
            return Reply(body=b"<html>nothing here</html>", status=404)
        if self.special is not None and (special := self.special(request, kind)) is not None:
            return special
        if self.repeats_pages and kind is RequestKind.LIST:
            request = self._first_page(request)
        return self._dialect.answer(request, self.orders, self.time)

    def _first_page(self, request: Request) -> Request:
        if self._dialect.page_of(request) is None:
            return request
        return next(
            one
            for one in self.requests
            if one.path == request.path
            and self._dialect.kind_of(one) is RequestKind.LIST
            and self._dialect.page_of(one) is None
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = await _request_in(head, reader)
                writer.write(_encoded(self.answer(request)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(dialect: Dialect) -> AsyncIterator[DialectServer]:
    """Start a server of the dialect."""
    venue = DialectServer(dialect)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    venue.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield venue


async def _request_in(head: bytes, reader: asyncio.StreamReader) -> Request:
    first, *lines = head.decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): text for name, text in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method=method, path=path, query=query, headers=headers, body=body)


def _encoded(reply: Reply) -> bytes:
    headers = {"Content-Length": str(len(reply.body)), **reply.headers}
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    return f"HTTP/1.1 {reply.status} Made Up\r\n{lines}\r\n".encode() + reply.body
