"""A client of ccxt for one exchange: exact numbers, our clock, and what the parser left out.

ccxt's parser infers what an exchange does not say, and folds words together. So with each parsed
order we keep, under the key `RAW`, the exchange's own word for the status and the quantities that
the exchange has stated. An order that ccxt cannot parse is kept as unreadable, so that it does not
cost the whole list.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from reconciler.exchanges.ccxt.modules import load_class, load_errors
from reconciler.exchanges.ccxt.statuses import own_word
from reconciler.exchanges.json_answers import parse_exact, text_id
from reconciler.exchanges.raw_values import SIGNED_QUANTITY
from reconciler.settings import Credentials

RAW = "reconciler"
"""The key under which a parsed order has a `RawFacts`."""

COST_SCALE = 10
"""Units of our limit for one unit of ccxt's, whose costs are fractions such as 1.5."""

_QUANTITIES = ("filled", "remaining", "amount", "average", "cost")
_OF_A_PROXY = frozenset({407, 511})
_TOO_MANY_REQUESTS = 429
_LEAST_ERROR = 400
_SIGNED = frozenset({"filled", "remaining", "amount"})
_MAX_DIGITS = 9
_DEEPEST = 5
"""No row of an exchange is nested deeper."""

_NUMBER = re.compile(SIGNED_QUANTITY.pattern + r"([eE][+-]?[0-9]{1,2})?")

_MILLISECONDS = 10**12
_MICROSECONDS = 10**15
"""No time in seconds is as large as one in milliseconds, nor that as one in microseconds."""
_ID_FIELDS = ("id", "orderId", "order_id", "ordId", "orderID", "oid", "txid")


@dataclass(slots=True)
class RawFacts:
    """What the exchange itself has said of one order.

    Attributes:
        exchange_id: Which exchange, by ccxt's id.
        word: Its word for the status; None if it cannot be found.
        stated: Those of the fields `filled`, `remaining`, `amount`, `average` and `cost` whose very
            number stands in the answer. Parsers also compute them, some from the limit price.
        unreadable: Why ccxt could not parse the order; None if it could.
    """

    exchange_id: str
    word: str | None = None
    stated: Mapping[str, Decimal] = field(default_factory=dict)
    unreadable: str | None = None


def open_client(
    exchange_id: str, credentials: Credentials, *, base_url: str, now_ms: Callable[[], int]
) -> Any:
    """Return ccxt's client. `now_ms` is the exchange's time; nothing is sent.

    Unless `base_url` is the exchange's own, it replaces the address in all of ccxt's.

    Raises:
        ConfigurationError: ccxt is not installed, or does not know the exchange.
    """
    secrets = {
        "apiKey": credentials.api_key,
        "secret": credentials.api_secret,
        "password": credentials.passphrase,
    }
    client = load_class(exchange_id)(
        {name: one.get_secret_value() for name, one in secrets.items() if one is not None}
    )
    client.number = str  # Not float: numbers keep their digits.
    client.on_json_response = parse_exact
    client.milliseconds = now_ms
    client.seconds = lambda: now_ms() // 1000
    client.microseconds = lambda: now_ms() * 1000
    client.has["fetchCurrencies"] = False  # Markets need none, and some exchanges charge for them.
    client.options["fetchMarkets"] = _only_spot(client.options.get("fetchMarkets"))
    if base_url != api_address(client):
        client.urls["api"] = _moved(client.urls["api"], base_url, client)
    _note_answers(client)
    _refuse_unsigned(client)
    _follow_no_redirect(client)
    _keep_raw_facts(client)
    return client


def api_address(client: Any) -> str:
    """Return the address of an exchange's API, as ccxt has it."""
    return next(iter(_addresses(client.urls["api"], client)), "https://unknown.invalid")


def use_nonce(client: Any, nonce_ms: int) -> None:
    """Number the next signed request, in the unit of the exchange's own nonces.

    One whose nonces are seconds keeps ccxt's: such a number is compared with the time, too.
    """
    own = int(type(client).nonce(client))
    if own >= _MICROSECONDS:
        client.nonce = lambda: nonce_ms * 1000
    elif own >= _MILLISECONDS:
        client.nonce = lambda: nonce_ms


def retry_after_seconds(client: Any) -> float:
    """Return what the last response says in `Retry-After`; 0 if it says no number of seconds."""
    headers = {name.lower(): value for name, value in (client.last_response_headers or {}).items()}
    text = str(headers.get("retry-after", ""))
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else 0.0


def _only_spot(option: Any) -> Any:
    """Return ccxt's option for the markets that it loads, without those of contracts."""
    if isinstance(option, Mapping) and "types" in option:
        return {**option, "types": ["spot"]}
    return ["spot"] if isinstance(option, list) else option


@dataclass(slots=True)
class Traffic:
    """What one call of a method of ccxt has sent, and was answered.

    Attributes:
        cost: Of its requests, in ccxt's units.
        answers: As parsed from JSON; the text itself if it is none.
    """

    cost: float = 0.0
    answers: list[Any] = field(default_factory=list)


TRAFFIC: ContextVar[Traffic] = ContextVar("TRAFFIC")


def is_stated(error: Exception) -> bool:
    """Return True if the exchange's answer names the error; False if ccxt found no order in it."""
    return http_status_of(error) is not None


def http_status_of(error: Exception) -> int | None:
    """Return the HTTP status of the answer that names the error."""
    return getattr(error, "http_status", None)


def _note_answers(client: Any) -> None:
    """Note what is sent and answered. ccxt neither waits for its own rate limit."""
    fetch, handle_errors = client.fetch, client.handle_errors
    handle_status, errors = client.handle_http_status_code, load_errors()

    async def throttle(cost: float | None = None) -> None:
        TRAFFIC.get().cost += 1.0 if cost is None else float(cost)

    async def fetched(*arguments: Any, **named: Any) -> Any:
        answer = await fetch(*arguments, **named)
        TRAFFIC.get().answers.append(answer)
        return answer

    def handled(status: int, *arguments: Any) -> Any:
        try:
            return handle_errors(status, *arguments)
        except Exception as error:
            error.http_status = status  # type: ignore[attr-defined] # ccxt's have no slots
            raise

    def handled_status(status: int, *arguments: Any) -> None:
        # Neither 407 nor 511 is about our key, although ccxt says so: a proxy on the way wants one.
        if status == _TOO_MANY_REQUESTS:  # An outage to ccxt at OKX.
            raise errors.RateLimitExceeded(f"{client.id} answered HTTP {status}")
        if status not in _OF_A_PROXY:
            handle_status(status, *arguments)
        if status >= _LEAST_ERROR:
            raise errors.ExchangeNotAvailable(f"{client.id} answered HTTP {status}")

    client.throttle, client.fetch = throttle, fetched
    client.handle_errors, client.handle_http_status_code = handled, handled_status


Shape = frozenset[tuple[str, str]]


def shape_of(answer: Any) -> Shape | None:
    """Return the fields of an answer with what they contain; None if it is no answer in JSON."""
    match answer:
        case list():
            return frozenset({("", "list")})
        case dict() if answer:
            return frozenset((name, _container(value)) for name, value in answer.items())
        case _:
            return None


def has_list(shape: Shape | None) -> bool:
    """Return True if an answer of the form may be a list without any row."""
    return shape is not None and any(container == "list" for _, container in shape)


def _container(value: object) -> str:
    return type(value).__name__ if isinstance(value, dict | list) else "value"


def _refuse_unsigned(client: Any) -> None:
    """Refuse a key with which ccxt cannot sign, such as a secret that is no base64 at Kraken."""
    sign = client.sign
    errors = load_errors()

    def signed(*arguments: Any, **named: Any) -> Any:
        try:
            return sign(*arguments, **named)
        except errors.BaseError:
            raise
        except Exception as error:  # noqa: BLE001 - each exchange's own way of signing
            raise errors.AuthenticationError(
                f"ccxt cannot sign with this key and secret ({type(error).__name__})"
            ) from None

    client.sign = signed


def _follow_no_redirect(client: Any) -> None:
    """Let a redirect fail: it would carry the key and the signature to another address."""
    open_session = client.open

    def opened(*arguments: Any, **named: Any) -> None:
        open_session(*arguments, **named)
        if not client.session.trace_configs:
            client.session.trace_configs.append(_no_redirect())

    client.open = opened


def _no_redirect() -> Any:
    import aiohttp  # noqa: PLC0415 - ccxt brings it, and only the bridge needs it

    async def refuse(*_: Any) -> None:
        raise aiohttp.ClientError("the exchange redirects to another address")

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    tracing.freeze()
    return tracing


def _addresses(urls: Any, client: Any) -> list[str]:
    if isinstance(urls, str):
        address = urlsplit(client.implode_hostname(urls))
        return [f"{address.scheme}://{address.netloc}"]
    return [one for inner in urls.values() for one in _addresses(inner, client)]


def _moved(urls: Any, base_url: str, client: Any) -> Any:
    """Return ccxt's addresses with another host, and the same paths."""
    if isinstance(urls, str):
        return base_url.rstrip("/") + urlsplit(client.implode_hostname(urls)).path
    return {name: _moved(inner, base_url, client) for name, inner in urls.items()}


def _keep_raw_facts(client: Any) -> None:
    """Wrap the parser of `client`. Parsing never awaits, so one order is parsed at a time."""
    parse_order, safe_order = client.parse_order, client.safe_order
    parse_status: Any = getattr(client, "parse_order_status", None)
    word: str | None = None
    read: Mapping[str, Decimal] = {}

    def keep_word(text: Any, *rest: Any) -> Any:
        nonlocal word
        word = word or (text if isinstance(text, str) else None)
        return parse_status(text, *rest)

    def keep_read(order: Any, *rest: Any) -> Any:
        nonlocal read
        exact = {name: _exact(order.get(name)) for name in _QUANTITIES}
        read = {name: number for name, number in exact.items() if number is not None}
        return safe_order(order, *rest)

    def read_from(row: Any, market: Any) -> Any:
        """Parse a row; `word` and `read` are what the parser found in it."""
        nonlocal word, read
        word, read = None, {}
        return parse_order(row, market)

    def is_zero_invented(row: Any, market: Any) -> bool:
        """Return True if the parser finds nothing executed in a row without any zero, too."""
        try:
            read_from(_without_zeros(row), market)
        except Exception:  # noqa: BLE001 - it cannot read one that is not zero
            return False
        return read.get("filled") == 0

    def parse(row: Any, market: Any = None) -> Any:
        raw = RawFacts(exchange_id=client.id)
        try:
            parsed = read_from(row, market)
        except Exception as error:  # noqa: BLE001 - one order's fault must not cost the list
            raw.unreadable = f"ccxt cannot read it ({type(error).__name__})"
            return {"id": _id_in(row), "symbol": None, "timestamp": 0, RAW: raw}
        raw.word = word or own_word(client.id, row)
        raw.stated = _stated(read, frozenset(_numbers_in(row)))
        if raw.stated.get("filled") == 0 and is_zero_invented(row, market):
            raw.stated = {name: one for name, one in raw.stated.items() if name != "filled"}
        return {**parsed, RAW: raw}

    client.parse_order = parse
    client.safe_order = keep_read
    if parse_status is not None:
        client.parse_order_status = keep_word


def _stated(read: Mapping[str, Decimal], numbers: frozenset[Decimal]) -> Mapping[str, Decimal]:
    """Return those of the numbers that stand in the row, of a sale perhaps below zero."""
    return {
        name: number
        for name, number in read.items()
        if number in numbers or (name in _SIGNED and -number in numbers)
    }


_NOT_ZERO = "0.00000012345"


def _without_zeros(value: Any, depth: int = 0) -> Any:
    """Return an exchange's row with another number for every zero."""
    if depth > _DEEPEST:
        return value
    match value:
        case dict():
            return {name: _without_zeros(inner, depth + 1) for name, inner in value.items()}
        case list():
            return [_without_zeros(inner, depth + 1) for inner in value]
        case _:
            return _NOT_ZERO if _exact(value) == 0 else value


def _numbers_in(value: Any, depth: int = 0) -> Iterator[Decimal]:
    """Yield every number that stands in an exchange's row, at whatever place."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers_in(inner, depth + 1)
    elif (number := _exact(value)) is not None:
        yield number


def _exact(value: Any) -> Decimal | None:
    """Return the number; None if it is none. A few exchanges write small ones with an exponent."""
    if type(value) is not int and not isinstance(value, str):
        return None
    return Decimal(value) if _NUMBER.fullmatch(str(value)) else None


def _id_in(order: Any) -> str | None:
    if not isinstance(order, Mapping):
        return None
    return next(
        (found for name in _ID_FIELDS if (found := text_id(order.get(name))) is not None), None
    )
