"""The body of a POST: a form, bounded."""

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.types import Message, Receive

MOST_BYTES = 256 * 1024
MOST_FIELDS = 10_000
BODY_SECONDS = 10.0
FORM_TYPE = "application/x-www-form-urlencoded"

Form = Mapping[str, Sequence[str]]
"""The fields of a form, each with its values."""


class BodyTooLarge(Exception):
    """The body is larger than a form of ours can be."""


class BodyUnreadable(Exception):
    """The body is no form, or it does not come."""


async def read_form(receive: Receive) -> Form:
    """Read a form.

    Raises:
        BodyTooLarge, BodyUnreadable: it is none of ours.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_body(receive)
    except TimeoutError:
        raise BodyUnreadable from None
    try:
        return parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise BodyUnreadable from None


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            raise BodyUnreadable
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise BodyTooLarge
        if not message.get("more_body"):
            return bytes(body)
