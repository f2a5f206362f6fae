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

from reconciler.console.context import Console, console_of
from reconciler.console.error_pages import Refusal

EVENTS_PATH = "/events"
MOST_VIEWERS = 100
SILENCE_SECONDS = 15.0
"""After this long without news, a comment shows both sides that the other is there."""


async def follow(request: Request) -> Response:
    """Stream the numbers of the snapshots."""
    console = console_of(request)
    if console.news.viewers >= MOST_VIEWERS:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{MOST_VIEWERS} pages follow this console already.",
            "Close some of them.",
        )
    return StreamingResponse(
        _stream(console, request.state.session),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


ROUTES: Sequence[Route] = (Route(EVENTS_PATH, follow, methods=["GET"]),)


async def _stream(console: Console, session: str) -> AsyncIterator[str]:
    with console.news.viewing():
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
