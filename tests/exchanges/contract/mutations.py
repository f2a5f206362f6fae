"""Answers that an exchange would never send: a documented one, with something changed. Pure.

No mutation says something new: a status word becomes another documented one only where the right
word stands too, and the two contradict each other. So whatever an adapter then reports as ended had
ended by the right answer.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.exchanges.contract.dialect import Reply

Path = tuple[str | int, ...]

STRANGE_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 7.5, 2**63, 2**64, 10**30, 1e308, "", " ", "0", "-0", "-1"),
    *("NaN", "Infinity", "1e999", "1_0", "\u0661", "0x10", "null", "[]", "x" * 300, "\x1b[2J"),
    *("a\x00b", "FROZEN_IN_2027", [], {}, [[]], [None], {"": None}, [1, "2"], {"data": []}),
)
HTTP_STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 418, 429, 451, 500, 502, 503, 520)
STRANGE_HEADERS: Sequence[Mapping[str, str]] = (
    {"Retry-After": "soon"},
    {"Retry-After": "9" * 40},
    {"Retry-After": "-1"},
    {"X-MBX-USED-WEIGHT-1M": "many", "X-Bapi-Limit-Status": "-5", "x-ratelimit-remaining": "NaN"},
    {"X-Bapi-Limit-Reset-Timestamp": "9" * 30, "x-ratelimit-reset": "1e9"},
    {"Date": "yesterday"},
)
ENVELOPE_ERRORS: Sequence[Mapping[str, object]] = (
    {"code": "50026", "retCode": 10016, "error": ["EService:Busy"]},
    {"code": "x", "retCode": "0", "error": "none"},
    {"code": 0, "retCode": 0.0, "error": {}},
    {"code": None, "retCode": None, "error": None},
)
CONTRADICTIONS_SHARE = 0.15
_ALPHABET = b'0123456789abcdefXYZ.,:{}[]"\\ \n\x00\xff-'


@dataclass(frozen=True, kw_only=True)
class Mutator:
    """Changes answers at random, the same for the same `rng`.

    Attributes:
        words: The documented status words of the venue.
        status_field: The field of a row that has one.
    """

    rng: Random
    words: Sequence[str]
    status_fields: frozenset[str] = frozenset({"status", "state", "orderStatus"})

    def mutate(self, reply: Reply) -> Reply:
        """Return the answer with one to three things changed, or with one contradiction.

        Together with another change a contradiction could be the only word that is left.
        """
        if self.rng.random() < CONTRADICTIONS_SHARE:
            return self.rng.choice(_CONTRADICTIONS)(self, reply)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            reply = self.rng.choice(_MUTATIONS)(self, reply)
        return reply

    def flip_byte(self, reply: Reply) -> Reply:
        """Replace, insert or delete one byte."""
        body, rng = bytearray(reply.body), self.rng
        at = rng.randrange(len(body) + 1)
        match rng.randrange(3):
            case 0 if at < len(body):
                body[at] = rng.choice(_ALPHABET)
            case 1 if at < len(body):
                del body[at]
            case _:
                body.insert(at, rng.choice(_ALPHABET))
        return replace(reply, body=bytes(body))

    def cut(self, reply: Reply) -> Reply:
        """Cut the body somewhere."""
        return replace(reply, body=reply.body[: self.rng.randrange(len(reply.body) + 1)])

    def replace_value(self, reply: Reply) -> Reply:
        """Give some value another type, or another value that means nothing."""
        return self._changed(reply, lambda _: self.rng.choice(STRANGE_VALUES))

    def change_type(self, reply: Reply) -> Reply:
        """Write a number as text, a text as a list, a list as an object and so on."""

        def changed(value: object) -> object:
            match value:
                case str() if value.replace(".", "", 1).isdigit():
                    return float(value) if self.rng.random() < 0.5 else [value]
                case int() | float():
                    return str(value)
                case list():
                    return {str(at): one for at, one in enumerate(value)}
                case dict():
                    return [list(value), list(value.values())]
                case _:
                    return [value]

        return self._changed(reply, changed)

    def drop_field(self, reply: Reply) -> Reply:
        """Leave a field or a row out."""
        return self._at_container(reply, self._drop)

    def _drop(self, container: Any, key: str | int) -> None:
        del container[key]

    def rename_field(self, reply: Reply) -> Reply:
        """Give a field another name."""

        def rename(container: Any, key: str | int) -> None:
            if isinstance(key, str):
                container[f"{key}{self.rng.choice(('2', '_', ' '))}"] = container.pop(key)

        return self._at_container(reply, rename)

    def add_field(self, reply: Reply) -> Reply:
        """Add a field that no documentation has."""

        def add(container: Any, _: str | int) -> None:
            if isinstance(container, dict):
                container["fieldOf2027"] = self.rng.choice(STRANGE_VALUES)

        return self._at_container(reply, add)

    def repeat_row(self, reply: Reply) -> Reply:
        """List a row twice, the second time with another status word."""

        def repeat(container: Any, key: str | int) -> None:
            if isinstance(container, list) and isinstance(container[int(key)], dict):
                row = dict(container[int(key)])
                for name in self.status_fields & row.keys():
                    others = [word for word in self.words if word != row[name]]
                    row[name] = self.rng.choice(others)
                container.insert(self.rng.randrange(len(container) + 1), row)

        return self._at_container(reply, repeat)

    def shuffle_rows(self, reply: Reply) -> Reply:
        """Change the order of a list."""

        def shuffle(container: Any, _: str | int) -> None:
            if isinstance(container, list):
                self.rng.shuffle(container)

        return self._at_container(reply, shuffle)

    def double_field(self, reply: Reply) -> Reply:
        """Let a field stand twice in its object, with two values."""
        text = reply.body.decode(errors="replace")
        names = sorted(self.status_fields | {"symbol", "code", "data", "executedQty", "vol_exec"})
        name = self.rng.choice(names)
        at = text.find(f'"{name}"')
        if at < 0:
            return reply
        value = json.dumps(self.rng.choice((*self.words, *STRANGE_VALUES[:6])))
        return replace(reply, body=f'{text[:at]}"{name}": {value}, {text[at:]}'.encode())

    def nest(self, reply: Reply) -> Reply:
        """Put a deep value, or very many, where one is."""
        deep = b"[" * self.rng.choice((50, 5_000)) + b"1"
        many = b"[" + b"0," * self.rng.choice((50, 5_000)) + b"0]"
        at = self.rng.randrange(len(reply.body) + 1)
        middle = self.rng.choice((deep, many))
        return replace(reply, body=reply.body[:at] + middle + reply.body[at:])

    def wrap(self, reply: Reply) -> Reply:
        """Put the whole answer into another one, or next to an error."""
        try:
            parsed = json.loads(reply.body)
        except (ValueError, RecursionError):
            return reply
        error = dict(self.rng.choice(ENVELOPE_ERRORS))
        wrapped: object = self.rng.choice(([parsed], {"data": parsed}, {"result": parsed}))
        if isinstance(parsed, dict) and self.rng.randrange(2):
            wrapped = parsed | error
        return replace(reply, body=json.dumps(wrapped).encode())

    def change_status(self, reply: Reply) -> Reply:
        """Send it with another HTTP status."""
        return replace(reply, status=self.rng.choice(HTTP_STATUSES))

    def change_headers(self, reply: Reply) -> Reply:
        """Send headers that cannot be true."""
        return replace(reply, headers={**reply.headers, **self.rng.choice(STRANGE_HEADERS)})

    def replace_body(self, reply: Reply) -> Reply:
        """Send something else altogether."""
        bodies = (b"", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b'"ok"', b"0", b"NaN")
        return replace(reply, body=self.rng.choice(bodies))

    def _changed(self, reply: Reply, change: Callable[[object], object]) -> Reply:
        def put(container: Any, key: str | int) -> None:
            container[key] = change(container[key])

        return self._at_container(reply, put)

    def _at_container(self, reply: Reply, change: Callable[[Any, str | int], None]) -> Reply:
        """Return the answer changed at some place within its objects and lists."""
        try:
            parsed = json.loads(reply.body)
        except (ValueError, RecursionError):
            return reply
        places = list(_places(parsed))
        if not places:
            return reply
        container, key = self.rng.choice(places)
        change(container, key)
        return replace(reply, body=json.dumps(parsed).encode())


def _places(parsed: Any) -> Iterator[tuple[Any, str | int]]:
    """Yield each object or list with each of its keys or positions."""
    waiting = [parsed]
    while waiting:
        container = waiting.pop()
        keys: Sequence[str | int] = ()
        if isinstance(container, dict):
            keys = list(container)
        elif isinstance(container, list):
            keys = range(len(container))
        for key in keys:
            yield container, key
            waiting.append(container[key])


_MUTATIONS: Sequence[Callable[[Mutator, Reply], Reply]] = (
    *(Mutator.flip_byte, Mutator.flip_byte, Mutator.cut, Mutator.replace_value),
    *(Mutator.replace_value, Mutator.replace_value, Mutator.change_type, Mutator.drop_field),
    *(Mutator.drop_field, Mutator.rename_field, Mutator.add_field, Mutator.shuffle_rows),
    *(Mutator.nest, Mutator.wrap, Mutator.change_status, Mutator.change_headers),
    Mutator.replace_body,
)
_CONTRADICTIONS: Sequence[Callable[[Mutator, Reply], Reply]] = (
    Mutator.repeat_row,
    Mutator.double_field,
)
