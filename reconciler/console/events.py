"""Server-sent events: tell every viewer that there is a newer snapshot.

An event has only the snapshot's number; the page then fetches itself again. So a slow viewer misses
numbers, and nothing is kept for it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reconciler.console.context import Console, console_of
from reconciler.console.error_pages import Refusal, refusal_page

EVENTS_PATH = "/events"
_EVENTS = "text/event-stream"
MOST_VIEWERS = 100
SILENCE_SECONDS = 15.0
"""After this long without news, a comment shows both sides that the other is there."""


async def follow(request: Request) -> Response:
    """Stream the numbers of the snapshots; answer a HEAD with whether there is room."""
    console = console_of(request)
    # Nothing is awaited from here until `_Events` counts the viewer: no other comes in between.
    if console.news.viewers >= MOST_VIEWERS:
        return _refuse(request)
    if request.method == "HEAD":
        return Response(media_type=_EVENTS)
    return _Events(console, request.state.session)


def _refuse(request: Request) -> Response:
    refusal = Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{MOST_VIEWERS} pages follow this console already.",
        "Close some of them.",
    )
    response = refusal_page(request, refusal)
    # A connection that stays open for the next request would take the room of one that has some.
    response.headers["Connection"] = "close"
    return response


class _Events(StreamingResponse):
    """The stream of a viewer, who counts from before its first event until it has gone.

    Else all who ask at the same moment would find the room that there was before any of them.
    """

    def __init__(self, console: Console, session: str) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(_stream(console, session), media_type=_EVENTS, headers=headers)
        self._news = console.news

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._news.viewing():
            await super().__call__(scope, receive, send)


ROUTES: Sequence[Route] = (Route(EVENTS_PATH, follow, methods=["GET"]),)


async def _stream(console: Console, session: str) -> AsyncIterator[str]:
    number: int | None = 0
    yield "retry: 2000\n\n"
    while number is not None and console.sessions.is_live(session):
        try:
            number = await asyncio.wait_for(console.news.newer_than(number), SILENCE_SECONDS)
        except TimeoutError:
            yield ": nothing new\n\n"
            continue
        if number is not None:
            yield f"event: news\nid: {number}\ndata: {number}\n\n"
