"""Every kind of hostile answer: a table of functions that make one from a good answer.

Pure: each takes a good answer, and a source of randomness, and returns the reply to send in its
place. No kind is a plausible lie: a careful client refuses it, ignores it, or reads it correctly.
So whatever the proxy sends, only the truth may be written.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from random import Random
from typing import Any, assert_never

HANG_SECONDS = 12.0
"""Longer than a client waits for one answer."""

BOMB_BYTES = 200_000_000
MANY = 100_000
LONG_NUMBER = "9" * 5000
ALIEN_ID = 10**15


class AnswerType(StrEnum):
    """The answers that a kind can replace: those with orders, the exchange's time, or all."""

    ORDERS = "orders"
    TIME = "time"
    ANY = "any"


@dataclass(frozen=True, kw_only=True, slots=True)
class GoodAnswer:
    """The exchange's own answer. `route` is the last part of the request's path."""

    route: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The orders in it; none if it is about something else."""
        parsed = json.loads(self.body)
        rows = parsed if isinstance(parsed, list) else [parsed]
        return [row for row in rows if "orderId" in row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """A time of `seconds` in which nothing is sent."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EndlessPart:
    """A part that is sent again and again, until the client hangs up."""

    part: bytes
    pause_seconds: float = 0.0


Part = bytes | Pause | EndlessPart


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The parts to send, in order; afterwards the connection is closed, or kept."""

    parts: tuple[Part, ...]
    closes: bool = False


MakeReply = Callable[[GoodAnswer, Random], Reply]


@dataclass(frozen=True, kw_only=True, slots=True)
class HostileKind:
    """One kind of hostile answer.

    Attributes:
        name: It names a field as the exchange does.
        replaces: The answers that it can replace.
        pauses: True if it asks for a rate-limit pause of a minute or more, which a client keeps.
    """

    name: str
    make: MakeReply
    replaces: AnswerType = AnswerType.ANY
    pauses: bool = False

    def fits(self, good: GoodAnswer) -> bool:
        """Return True if it can replace this answer."""
        match self.replaces:
            case AnswerType.ORDERS:
                return good.status == 200 and bool(good.rows)
            case AnswerType.TIME:
                return good.route == "time"
            case AnswerType.ANY:
                return True
            case _:
                assert_never(self.replaces)


# Writing an answer.


def answer(
    good: GoodAnswer,
    *,
    body: bytes | None = None,
    status: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    length: str | None = "right",
) -> bytes:
    """Write the good answer with another status, body, headers or length."""
    body = good.body if body is None else body
    named = {name.lower() for name, _ in headers} | {"content-length", "transfer-encoding"}
    kept = [(name, value) for name, value in good.headers if name.lower() not in named]
    if length is not None:
        kept.append(("content-length", str(len(body)) if length == "right" else length))
    head = f"HTTP/1.1 {status or f'{good.status} OK'}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in (*kept, *headers))
    return f"{head}{lines}\r\n".encode("latin-1") + body


def written(fields: Iterable[tuple[str, str]]) -> str:
    """Write a JSON object of raw values; a name may come twice."""
    return "{" + ",".join(f"{json.dumps(name)}:{raw}" for name, raw in fields) + "}"


def with_row(good: GoodAnswer, rng: Random, change: Callable[[dict[str, Any]], str]) -> Reply:
    """Answer as the exchange did, with one of its orders written by `change`."""
    parsed = json.loads(good.body)
    if isinstance(parsed, dict):
        return Reply(parts=(answer(good, body=change(parsed).encode("utf-8", "surrogatepass")),))
    chosen = rng.randrange(len(parsed))
    rows = [change(row) if place == chosen else json.dumps(row) for place, row in enumerate(parsed)]
    return Reply(parts=(answer(good, body=f"[{','.join(rows)}]".encode("utf-8", "surrogatepass")),))


def raw_fields(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of a row with their values as JSON."""
    return [(name, json.dumps(value)) for name, value in row.items()]


# Kinds about one order of an answer.


def field_is(name: str, raw: str, label: str) -> HostileKind:
    """Change the value of a field of one order."""

    def change(row: dict[str, Any]) -> str:
        return written((key, raw if key == name else value) for key, value in raw_fields(row))

    return row_is(f"{name} {label}", change)


def field_twice(name: str, raw: str) -> HostileKind:
    """Repeat a field of one order with another value."""

    def change(row: dict[str, Any]) -> str:
        return written([*raw_fields(row), (name, raw)])

    return row_is(f"{name} twice", change)


def field_missing(name: str) -> HostileKind:
    """Leave out a field of one order."""

    def change(row: dict[str, Any]) -> str:
        return written((key, value) for key, value in raw_fields(row) if key != name)

    return row_is(f"{name} missing", change)


def row_is(name: str, change: Callable[[dict[str, Any]], str]) -> HostileKind:
    """Change the whole of one order."""
    return HostileKind(
        name=name, make=lambda good, rng: with_row(good, rng, change), replaces=AnswerType.ORDERS
    )


def more_executed(row: dict[str, Any]) -> str:
    """Write an order as filled by more than its quantity."""
    executed = f"{float(row['origQty']) * 4:.8f}"
    return json.dumps({**row, "status": "FILLED", "executedQty": executed})


def contradicted(row: dict[str, Any]) -> str:
    """Write an order twice, once as it is and once canceled or new."""
    other = "NEW" if row["status"] in {"CANCELED", "EXPIRED", "REJECTED"} else "CANCELED"
    return f"{json.dumps(row)},{json.dumps({**row, 'status': other, 'executedQty': '0.00000000'})}"


def in_list_only(kind: HostileKind) -> HostileKind:
    """Send a kind as a list, whatever the good answer is."""
    return replace(kind, make=_listed(kind.make))


def _listed(make: MakeReply) -> MakeReply:
    def make_of_list(good: GoodAnswer, rng: Random) -> Reply:
        if good.body.startswith(b"["):
            return make(good, rng)
        return Reply(parts=(answer(good, body=b"[" + good.body + b"]"),))

    return make_of_list


NOT_NUMBERS: Mapping[str, str] = {
    "with an underscore": '"1_000"',
    "in Arabic digits": '"\u0661\u0662"',
    "in full-width digits": '"\uff11\uff12"',
    "with blanks": r'" 1.5\n"',
    "negative": '"-1"',
    "with a plus": '"+1"',
    "with a comma": '"1,5"',
    "NaN": '"NaN"',
    "a bare NaN": "NaN",
    "Infinity": '"Infinity"',
    "a bare Infinity": "Infinity",
    "1e400": '"1e400"',
    "a bare 1e400": "1e400",
    "of 401 digits": f'"1{"0" * 400}"',
    "of 5,000 digits": f'"{LONG_NUMBER}"',
    "hexadecimal": '"0x10"',
    "empty": '""',
    "null": "null",
    "true": "true",
    "a list": "[]",
    "an object": '{"value": "1"}',
}

ROW_KINDS = (
    *(field_is("executedQty", raw, label) for label, raw in NOT_NUMBERS.items()),
    field_is("cummulativeQuoteQty", '"1_000"', "with an underscore"),
    field_is("cummulativeQuoteQty", '"NaN"', "NaN"),
    field_is("cummulativeQuoteQty", '"Infinity"', "Infinity"),
    field_is("cummulativeQuoteQty", f'"1{"0" * 400}"', "of 401 digits"),
    field_is("orderId", '"12"', "as text"),
    field_is("orderId", "12.5", "a fraction"),
    field_is("orderId", "1e3", "with an exponent"),
    field_is("orderId", str(2**64), "beyond 64 bits"),
    field_is("orderId", "-12", "negative"),
    field_is("orderId", "null", "null"),
    field_is("orderId", LONG_NUMBER, "of 5,000 digits"),
    field_is("orderId", str(ALIEN_ID), "of another order"),
    field_is("symbol", '"SOMEOTHER"', "another"),
    field_is("symbol", "null", "null"),
    field_is("symbol", "7", "a number"),
    field_is("status", '"HALTED_BY_VENUE"', "unknown"),
    field_is("status", '"filled"', "in small letters"),
    field_is("status", '"FILLED "', "with a blank"),
    field_is("status", r'"FIL\u0000LED"', "with a null character"),
    field_is("status", r'"\ud800"', "a lone surrogate"),
    field_is("status", f'"{"X" * 1_000_000}"', "of a megabyte"),
    field_is("status", "null", "null"),
    field_is("status", "5", "a number"),
    field_is("status", '["FILLED"]', "a list"),
    field_is("time", "1" + "0" * 18, "in the far future"),
    field_is("time", "-1", "before 1970"),
    field_is("time", "86400000", "in 1970"),
    field_is("time", LONG_NUMBER, "of 5,000 digits"),
    field_is("side", '"SIDEWAYS"', "unknown"),
    field_is("clientOrderId", '"of-another-client"', "another"),
    field_twice("status", '"CANCELED"'),
    field_twice("executedQty", '"0.00000001"'),
    field_twice("orderId", str(ALIEN_ID)),
    field_twice("symbol", '"SOMEOTHER"'),
    field_missing("executedQty"),
    field_missing("status"),
    field_missing("orderId"),
    field_missing("symbol"),
    row_is("more executed than ordered", more_executed),
    in_list_only(row_is("an order twice, contradicting itself", contradicted)),
    in_list_only(row_is("null in place of an order", lambda _: "null")),
    in_list_only(row_is("a list in place of an order", json.dumps)),
    row_is("unknown fields", lambda row: json.dumps({**row, "new": {"deep": [1, None]}})),
    row_is(
        "an unknown field nested 50,000 deep",
        lambda row: written([*raw_fields(row), ("new", "[" * 50_000 + "]" * 50_000)]),
    ),
)


# Kinds about the body as a whole.


def body_is(name: str, make: Callable[[GoodAnswer], bytes], **others: Any) -> HostileKind:
    """Send another body, with the right length."""
    return HostileKind(
        name=name, make=lambda good, _: Reply(parts=(answer(good, body=make(good), **others),))
    )


def fixed_body(name: str, body: bytes, **others: Any) -> HostileKind:
    """Send this body."""
    return body_is(name, lambda _: body, **others)


@lru_cache
def alien() -> bytes:
    """Write an order that was not requested."""
    return json.dumps(
        {
            "symbol": "SOMEOTHER",
            "orderId": ALIEN_ID,
            "clientOrderId": "x",
            "origQty": "1",
            "executedQty": "1",
            "cummulativeQuoteQty": "1",
            "status": "FILLED",
            "side": "BUY",
            "time": 1,
        }
    ).encode()


HTML = b"<!DOCTYPE html><html><body><h1>Attention required</h1></body></html>"

BODY_KINDS = (
    fixed_body("an empty body", b""),
    fixed_body("null", b"null"),
    fixed_body("true", b"true"),
    fixed_body("a number", b"12"),
    fixed_body("a text", b'"FILLED"'),
    fixed_body("an empty object", b"{}"),
    fixed_body("an empty list", b"[]"),
    fixed_body("a page of HTML", HTML, headers=[("content-type", "text/html")]),
    fixed_body("a page of HTML that calls itself JSON", HTML),
    fixed_body("nested 100,000 deep", b"[" * MANY + b"]" * MANY),
    fixed_body("nested 100,000 deep, cut", b'{"a":' * MANY),
    fixed_body("an error's body with HTTP 200", b'{"code":-1003,"msg":"Too many requests"}'),
    fixed_body("only blanks, 8 MB", b" " * 8_000_000),
    body_is("in another wrapping", lambda good: b'{"data":' + good.body + b"}"),
    body_is("a byte order mark", lambda good: b"\xef\xbb\xbf" + good.body),
    body_is("UTF-16", lambda good: good.body.decode().encode("utf-16")),
    body_is("bytes that are no UTF-8", lambda good: good.body.replace(b'"', b'"\xff\xfe', 1)),
    body_is(
        "another charset, as the header says it",
        lambda good: good.body,
        headers=[("content-type", "application/json; charset=utf-7")],
    ),
    body_is("called a picture", lambda good: good.body, headers=[("content-type", "image/png")]),
    body_is("cut", lambda good: good.body[: len(good.body) // 2]),
    body_is("something behind it", lambda good: good.body + b"\n<!-- cached -->"),
    body_is("twice", lambda good: good.body + good.body),
    body_is("with comments", lambda good: b"/* hello */" + good.body),
    body_is("with a comma too many", lambda good: good.body[:-1] + b"," + good.body[-1:]),
    body_is("null characters", lambda good: b"\x00" * len(good.body)),
    body_is(
        "100,000 orders of another account",
        lambda _: b"[" + b",".join([alien()] * MANY) + b"]",
    ),
)


# Kinds about the HTTP status, with and without a body that contradicts it.


def status_is(name: str, status: str, body: bytes | None = None, **others: Any) -> HostileKind:
    """Answer with another status, and with the good body unless another is given."""
    return HostileKind(
        name=name,
        make=lambda good, _: Reply(parts=(answer(good, status=status, body=body, **others),)),
    )


def filled(good: GoodAnswer) -> bytes:
    """Write the answer's orders as filled."""
    return json.dumps([{**row, "status": "FILLED"} for row in good.rows]).encode()


def status_with_orders(status: str) -> HostileKind:
    """Answer with the status of an error, and with orders that are all filled."""
    return HostileKind(
        name=f"{status} with orders in it",
        make=lambda good, _: Reply(parts=(answer(good, status=status, body=filled(good)),)),
        replaces=AnswerType.ORDERS,
    )


LONG_MESSAGE = b'{"code":-1,"msg":"%s"}' % (b"m" * 1_000_000)

STATUS_KINDS = (
    status_with_orders("500 Internal Server Error"),
    status_with_orders("503 Service Unavailable"),
    status_with_orders("404 Not Found"),
    status_is("400 with an unknown code", "400 Bad Request", b'{"code":-9876,"msg":"Hm."}'),
    status_is("400 with a code that is text", "400 Bad Request", b'{"code":"-2013"}'),
    status_is("400 with a code of 5,000 digits", "400 Bad Request", b'{"code":-%d}' % 10**4000),
    status_is("400 that says nothing", "400 Bad Request", b""),
    status_is("400: the clock", "400 Bad Request", b'{"code":-1021,"msg":"Timestamp"}'),
    status_is("400: no such order, once", "400 Bad Request", b'{"code":-2013,"msg":"No."}'),
    status_is("400: archived, but fresh", "400 Bad Request", b'{"code":-2026,"msg":"Archived"}'),
    status_is("409 with a page of HTML", "409 Conflict", HTML),
    status_is("422 with a message of 1 MB", "422 X", LONG_MESSAGE),
    status_is("500 with the code of an absent order", "500 X", b'{"code":-2013,"msg":"No."}'),
    status_is("502 with a page of HTML", "502 Bad Gateway", HTML),
    status_is("504 that says nothing", "504 Gateway Timeout", b""),
    status_is("201 with the good body", "201 Created"),
    status_is("202 with an empty body", "202 Accepted", b""),
    status_is("206, a part", "206 Partial Content"),
    status_is("299", "299 Nearly OK"),
    status_is("599", "599 Whatever"),
    status_is("799, which is no status", "799 Beyond"),
    status_is("000, which is no status", "000 Nothing"),
    status_is("a negative status", "-200 OK"),
    status_is("a status of text", "OK 200"),
    status_is("a status of a megabyte", "200 " + "O" * 1_000_000),
    HostileKind(
        name="204 with a body",
        make=lambda good, _: Reply(parts=(answer(good, status="204 No Content"),), closes=True),
    ),
    HostileKind(
        name="304 with a body",
        make=lambda good, _: Reply(parts=(answer(good, status="304 Not Modified"),), closes=True),
    ),
)


def redirects(trap: str) -> tuple[HostileKind, ...]:
    """Answer with each redirect, to an address that no client may ask."""
    to_trap = [("location", trap)]
    return (
        *(
            status_is(f"{status} to another host", f"{status} Moved", b"", headers=to_trap)
            for status in (301, 302, 303, 307, 308)
        ),
        status_is("302 to itself", "302 Found", b"", headers=[("location", "/api/v3/order")]),
        status_is("302 without an address", "302 Found", b""),
        status_is("refresh in a header", "200 OK", headers=[("refresh", f"0; url={trap}")]),
    )


# Kinds about headers.


def headers_are(name: str, *headers: tuple[str, str], **others: Any) -> HostileKind:
    """Answer as the exchange did, with these headers added or in place of its own."""
    return HostileKind(
        name=name, make=lambda good, _: Reply(parts=(answer(good, headers=headers, **others),))
    )


def used_weight(value: str, label: str) -> HostileKind:
    """Report another used weight."""
    return headers_are(f"used weight {label}", ("x-mbx-used-weight-1m", value))


def retry_after(
    value: str, label: str, *, status: str = "200 OK", pauses: bool = False
) -> HostileKind:
    """Ask the client to wait before the next request."""
    return replace(
        headers_are(
            f"{status[:3]}, Retry-After {label}",
            ("retry-after", value),
            status=status,
        ),
        pauses=pauses,
    )


HEADER_KINDS = (
    used_weight(LONG_NUMBER, "of 5,000 digits"),
    used_weight("-5", "negative"),
    used_weight("many", "in words"),
    used_weight("", "empty"),
    used_weight("1.5", "a fraction"),
    used_weight("\u00b2\u00b3", "in superscript digits"),
    retry_after("3600", "on an answer"),
    retry_after("1", "of a server error", status="503 Service Unavailable"),
    retry_after("1", "of a second", status="429 Too Many Requests"),
    retry_after("0", "of nothing", status="429 Too Many Requests"),
    headers_are("a header of a megabyte", ("x-long", "x" * 1_000_000)),
    headers_are("10,000 headers", *((f"x-{number}", "x") for number in range(10_000))),
    headers_are("a header without a name", ("", "x")),
    headers_are("a header with a null character", ("x-null", "a\x00b")),
    headers_are("a header with a blank in its name", ("x null", "b")),
    headers_are("a header of two lines", ("x-folded", "a\r\n b")),
    headers_are("a line of its own among the headers", ("x-split", "a\r\nx-mbx-nothing")),
    headers_are("a cookie", ("set-cookie", "session=1; Path=/")),
    headers_are("200 cookies of 4 kB", *(("set-cookie", f"c{n}={'x' * 4000}") for n in range(200))),
    headers_are("an unknown encoding", ("content-encoding", "x-hostile")),
    headers_are("called gzip, but is not", ("content-encoding", "gzip")),
    headers_are("called deflate, but is not", ("content-encoding", "deflate")),
    headers_are("a date in the far future", ("date", "Fri, 31 Dec 9999 23:59:59 GMT")),
    headers_are("a date that is none", ("date", "yesterday")),
    headers_are("upgrade", ("upgrade", "websocket"), ("connection", "upgrade")),
    headers_are("another port", ("alt-svc", 'h3=":1"'), ("strict-transport-security", "1")),
)

PAUSING_KINDS = (
    *(
        retry_after(value, label, status=status, pauses=True)
        for value, label, status in (
            ("1" + "0" * 400, "of 10^400", "429 Too Many Requests"),
            (LONG_NUMBER, "of 5,000 digits", "418 I'm a teapot"),
            ("-5", "negative", "429 Too Many Requests"),
            ("inf", "inf", "418 I'm a teapot"),
            ("nan", "nan", "429 Too Many Requests"),
            ("1e9", "with an exponent", "429 Too Many Requests"),
            ("\u00b2", "in superscript digits", "429 Too Many Requests"),
            ("", "empty", "429 Too Many Requests"),
            ("soon", "in words", "429 Too Many Requests"),
            ("300", "of five minutes", "418 I'm a teapot"),
            ("Fri, 31 Dec 9999 23:59:59 GMT", "a date in the far future", "429 Too Many Requests"),
            ("86400000000", "of a thousand years", "418 I'm a teapot"),
        )
    ),
    replace(used_weight("1" + "0" * 30, "of 10^30"), pauses=True),
)
"""After one of these no request may be sent for a minute or more, so it is sent last."""


# Kinds about the size, the speed and the end of an answer.


def framing(
    name: str, make: Callable[[GoodAnswer], Sequence[Part]], *, closes: bool = True
) -> HostileKind:
    """Send these parts, then close the connection, if `closes`."""
    return HostileKind(
        name=name, make=lambda good, _: Reply(parts=tuple(make(good)), closes=closes)
    )


def chunked(good: GoodAnswer, *chunks: bytes) -> bytes:
    """Write an answer whose body consists of these chunks, as they are."""
    head = answer(good, body=b"", headers=[("transfer-encoding", "chunked")], length=None)
    return head + b"".join(chunks)


def chunk(part: bytes) -> bytes:
    """Write one correct chunk."""
    return b"%x\r\n%s\r\n" % (len(part), part)


def packed(good: GoodAnswer, body: bytes, encoding: str = "gzip") -> bytes:
    """Write an answer with a body that is already packed."""
    return answer(good, body=body, headers=[("content-encoding", encoding)])


@lru_cache
def bomb() -> bytes:
    """Pack 200 MB of blanks into 200 kB of gzip."""
    return gzip.compress(b"[" + b" " * BOMB_BYTES, compresslevel=9)


@lru_cache
def deflated() -> bytes:
    """Pack as many blanks with deflate."""
    return zlib.compress(b"[" + b" " * BOMB_BYTES, level=9)


def unasked(good: GoodAnswer) -> bytes:
    """Write a second answer that is plausible for any order."""
    rows = [{**row, "status": "CANCELED"} for row in good.rows]
    parsed: object = rows if good.body.startswith(b"[") else (rows or [{}])[0]
    return answer(good, body=json.dumps(parsed).encode())


def absent(good: GoodAnswer) -> bytes:
    """Write a second answer, which says that there is no such order."""
    return answer(good, status="400 Bad Request", body=b'{"code":-2026,"msg":"Archived."}')


LAST = b"0\r\n\r\n"
LONG_PAUSE = Pause(seconds=HANG_SECONDS)
BLANKS = EndlessPart(part=b" " * 65_536)
CLOSES = ("connection", "close")

FRAMING_KINDS = (
    framing("no answer: closed", lambda _: ()),
    framing("no answer: silence", lambda _: (LONG_PAUSE,)),
    framing("half of a header", lambda good: (answer(good)[:40],)),
    framing("half of a header, then silence", lambda good: (answer(good)[:40], LONG_PAUSE)),
    framing(
        "a header without an end",
        lambda _: (b"HTTP/1.1 200 OK\r\n", EndlessPart(part=b"x-more: " + b"x" * 1000 + b"\r\n")),
    ),
    framing("no header", lambda good: (good.body,)),
    framing("another protocol", lambda _: (b"SSH-2.0-OpenSSH_9.6\r\n",)),
    framing("HTTP/2", lambda _: (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",)),
    framing("HTTP/1.0 without a length", lambda good: (_old_style(good),)),
    framing("too long a length, closed", lambda good: (_longer(good),)),
    framing("too long a length, then silence", lambda good: (_longer(good), LONG_PAUSE)),
    framing("too short a length", lambda good: (answer(good, length="3"),), closes=False),
    framing("a negative length", lambda good: (answer(good, length="-1"),)),
    framing("a length in words", lambda good: (answer(good, length="all"),)),
    framing("a length of 5,000 digits", lambda good: (answer(good, length=LONG_NUMBER),)),
    framing(
        "two lengths", lambda good: (answer(good, headers=[("Content-Length", "7")], length="9"),)
    ),
    framing(
        "a length and chunks",
        lambda good: (
            chunked(good, chunk(good.body), LAST).replace(
                b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n", 1
            ),
        ),
    ),
    framing("in chunks", lambda good: (chunked(good, chunk(good.body), LAST),), closes=False),
    framing(
        "in chunks of one byte",
        lambda good: (chunked(good, *(chunk(good.body[n : n + 1]) for n in range(300))), good.body),
    ),
    framing("chunks without a last one", lambda good: (chunked(good, chunk(good.body)),)),
    framing("a chunk cut", lambda good: (chunked(good, b"ffff\r\n", good.body[:20]),)),
    framing("a chunk of a size in words", lambda good: (chunked(good, b"all\r\n", good.body),)),
    framing("a chunk of a negative size", lambda good: (chunked(good, b"-5\r\n", good.body),)),
    framing(
        "a chunk of endless size",
        lambda good: (chunked(good, b"f" * 40 + b"\r\n", good.body), Pause(seconds=1.0)),
    ),
    framing(
        "trailers", lambda good: (chunked(good, chunk(good.body), b"0\r\nx-mbx-late: 1\r\n\r\n"),)
    ),
    framing("a slow body", lambda good: (*_slowly(answer(good)), LONG_PAUSE)),
    framing(
        "an endless body",
        lambda good: (answer(good, body=b"[", length=None), BLANKS),
    ),
    framing(
        "an endless body in chunks",
        lambda good: (chunked(good), EndlessPart(part=chunk(b" " * 65_536))),
    ),
    framing(
        "a length of a terabyte, and it comes",
        lambda good: (answer(good, body=b"[", length="1" + "0" * 12), BLANKS),
    ),
    framing("a gzip bomb", lambda good: (packed(good, bomb()),)),
    framing(
        "a gzip bomb in a gzip",
        lambda good: (packed(good, gzip.compress(bomb()), "gzip, gzip"),),
    ),
    framing(
        "a deflate bomb",
        lambda good: (packed(good, deflated(), "deflate"),),
    ),
    framing("gzip, cut", lambda good: (packed(good, gzip.compress(good.body)[:-12]),)),
    framing("gzip, spoiled", lambda good: (packed(good, _spoiled(good.body)),)),
    framing("gzip, as it should be", lambda good: (packed(good, gzip.compress(good.body)),)),
    framing("100 first", lambda good: (b"HTTP/1.1 100 Continue\r\n\r\n", answer(good))),
    framing(
        "103 first",
        lambda good: (b"HTTP/1.1 103 Early Hints\r\nlink: </>; rel=preload\r\n\r\n", answer(good)),
    ),
    framing("101", lambda _: (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", b"\x00\x01")),
    framing("100 without end", lambda _: (EndlessPart(part=b"HTTP/1.1 100 Continue\r\n\r\n"),)),
    framing(
        "a second, unrequested answer",
        lambda good: (answer(good) + unasked(good),),
        closes=False,
    ),
    framing(
        "a second answer, a moment later",
        lambda good: (answer(good), Pause(seconds=0.02), absent(good)),
        closes=False,
    ),
    framing(
        "three answers at once",
        lambda good: (answer(good) + absent(good) + unasked(good),),
        closes=False,
    ),
    framing("a byte behind the answer", lambda good: (answer(good) + b"\n",), closes=False),
    framing(
        "announced as kept, but closed",
        lambda good: (answer(good, headers=[("connection", "keep-alive")]),),
    ),
    framing(
        "announced as closed, but kept",
        lambda good: (answer(good, headers=[CLOSES]), Pause(seconds=0.2), absent(good)),
    ),
)


def _old_style(good: GoodAnswer) -> bytes:
    return answer(good, length=None).replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def _longer(good: GoodAnswer) -> bytes:
    return answer(good, length=str(len(good.body) + 100))


def _slowly(sent: bytes) -> Iterable[Part]:
    return chain.from_iterable((sent[n : n + 1], Pause(seconds=0.1)) for n in range(100))


def _spoiled(body: bytes) -> bytes:
    zipped = gzip.compress(body)
    middle = len(zipped) // 2
    return zipped[:middle] + bytes([zipped[middle] ^ 0xFF]) + zipped[middle + 1 :]


# Kinds about the exchange's time.


def time_is(raw: str, label: str) -> HostileKind:
    """Answer with this in place of the exchange's time."""
    body = f'{{"serverTime":{raw}}}'.encode()
    return replace(fixed_body(f"serverTime {label}", body), replaces=AnswerType.TIME)


TIME_KINDS = (
    time_is("1" + "0" * 18, "of 10^18"),
    time_is("-1" + "0" * 18, "of -10^18"),
    time_is("0", "of 1970"),
    time_is(LONG_NUMBER, "of 5,000 digits"),
    time_is("1e400", "with an exponent"),
    time_is('"now"', "in words"),
    time_is("null", "null"),
    time_is("1.5", "a fraction"),
)


def kinds(trap: str) -> tuple[HostileKind, ...]:
    """Return every kind after which a client may send requests; redirects lead to `trap`."""
    return (
        *ROW_KINDS,
        *BODY_KINDS,
        *STATUS_KINDS,
        *redirects(trap),
        *HEADER_KINDS,
        *FRAMING_KINDS,
        *TIME_KINDS,
    )


@dataclass(kw_only=True, slots=True)
class Sampler:
    """Draws kinds in a random order, each once before any comes twice."""

    kinds: Sequence[HostileKind]
    rng: Random
    _left: list[HostileKind] = field(default_factory=list)

    def draw(self, good: GoodAnswer) -> HostileKind | None:
        """Draw the next kind that fits this answer; None if no kind does."""
        kind = self._take_fitting(good)
        if kind is None:
            left = {one.name for one in self._left}
            others = [one for one in self.kinds if one.name not in left]
            self._left += self.rng.sample(others, len(others))
            kind = self._take_fitting(good)
        return kind

    def _take_fitting(self, good: GoodAnswer) -> HostileKind | None:
        for place, kind in enumerate(self._left):
            if kind.fits(good):
                del self._left[place]
                return kind
        return None
