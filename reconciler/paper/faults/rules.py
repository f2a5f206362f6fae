"""The settings of faults: which, how often, how much, and for which requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote_plus

import msgspec

EVERY_ROUTE = "*"

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=600_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=7 * 24 * 3600)]
HttpStatus = Annotated[int, msgspec.Meta(ge=400, le=599)]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faults, how often and how much. The default is an exchange without faults.

    Attributes:
        outage: Every connection is closed at once.
        latency_ms: Every answer is delayed by this.
        latency_jitter_ms: Every answer is delayed further by up to this, evenly distributed.
        disconnect_rate: Share of requests whose connection is closed without an answer.
        rate_limit_rate: Share of requests answered 429; the address must then pause for
            `retry_after_seconds`, or it is banned.
        ban_rate: Share of requests answered 418; the address is then banned for `ban_seconds`.
        error_rate: Share of requests answered with 500, 502, 503 or 504.
        maintenance_rate: Share of requests answered 503 with a page of HTML.
        bad_key_rate: Share of private requests whose key or token is refused.
        firewall_rate: Share of requests answered 403 with a page of HTML, as by a firewall.
        refusal_rate: Share of requests answered with `refusal_status`, `refusal_code` and
            `refusal_message`, whatever the request is.
        archived_rate: Share of look-ups of one order answered -2026, whatever the order's age.
        headers: These replace the answer's headers; an empty value removes the header.
        fields: These replace the fields of an order, or of an answer that is no order.
        without_fields: Fields that are removed from an order, or from an answer that is no order.
        delisted_symbols: These symbols no longer exist, nor do their orders.
        empty_list_rate: Share of lists that are empty.
        cut_rate: Share of answers that end halfway.
        html_rate: Share of answers that are a page of HTML with HTTP 200.
        wrong_type_rate: Share of answers whose numbers are text.
        vanished_rate: Share of orders that do not exist.
        unknown_status_rate: Share of orders with an unknown status.
        shrunk_rate: Share of orders that show half of what the platform's row has seen executed.
        contradiction_rate: Share of orders that are filled with nothing executed.
        stale_seconds: Orders are shown as they were this long ago.
        clock_offset_ms: The exchange's clock is ahead by this, or behind if below zero.
        account_uid: The account shows this `uid`.
    """

    outage: bool = False
    latency_ms: Milliseconds = 0
    latency_jitter_ms: Milliseconds = 0
    disconnect_rate: Share = 0
    rate_limit_rate: Share = 0
    retry_after_seconds: Seconds = 30
    ban_rate: Share = 0
    ban_seconds: Seconds = 120
    error_rate: Share = 0
    maintenance_rate: Share = 0
    bad_key_rate: Share = 0
    firewall_rate: Share = 0
    refusal_rate: Share = 0
    refusal_status: HttpStatus = 400
    refusal_code: int = -1000
    refusal_message: str = "An unknown error occurred while processing the request."
    archived_rate: Share = 0
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    without_fields: tuple[str, ...] = ()
    delisted_symbols: tuple[str, ...] = ()
    empty_list_rate: Share = 0
    cut_rate: Share = 0
    html_rate: Share = 0
    wrong_type_rate: Share = 0
    vanished_rate: Share = 0
    unknown_status_rate: Share = 0
    shrunk_rate: Share = 0
    contradiction_rate: Share = 0
    stale_seconds: Seconds = 0
    clock_offset_ms: int = 0
    account_uid: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTarget:
    """The parts of a request by which a rule selects it.

    Attributes:
        route: The route's name.
        symbol: The exchange's own, whatever the dialect's spelling, or what the client sent if that
            is no symbol.
        order_ids: The numbers of the orders that it asks about.
        query: The query string, or the form in its body, as it was sent.
    """

    route: str
    symbol: str | None = None
    order_ids: tuple[int, ...] = ()
    query: str = ""


class FaultRule(Faults, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults, and the requests and orders that they are limited to.

    Attributes:
        name: A rule replaces another of the same name and route.
        route: One route of the dialect, by its name, or every one.
        only_symbols: Only requests for and orders of these symbols. Empty means all.
        only_order_ids: Only requests for and orders with these ids. Empty means all.
        only_queries_with: Only requests with one of these words in their query, in upper or lower
            case. Empty means all.
        for_seconds: The rule ends after this. None means when it is replaced or cleared.
        for_requests: The rule ends after it has affected this number of requests.
    """

    name: str = ""
    route: str = EVERY_ROUTE
    only_symbols: tuple[str, ...] = ()
    only_order_ids: tuple[int, ...] = ()
    only_queries_with: tuple[str, ...] = ()
    for_seconds: Seconds | None = None
    for_requests: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def matches(self, target: RequestTarget) -> bool:
        """Return True if the rule affects this request to the rule's route."""
        return (
            _is_among(target.symbol, self.only_symbols)
            and _has_any(target.order_ids, self.only_order_ids)
            and _holds_word(target.query, self.only_queries_with)
        )

    def matches_order(self, symbol: str, order_id: int) -> bool:
        """Return True if the rule affects this order."""
        return _is_among(symbol, self.only_symbols) and _is_among(order_id, self.only_order_ids)


class TimelineStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a timeline: faults that begin `at_seconds` after its start."""

    at_seconds: Seconds
    faults: FaultRule = FaultRule()


def _is_among(value: object, chosen: Sequence[object]) -> bool:
    return not chosen or value in chosen


def _has_any(values: Sequence[object], chosen: Sequence[object]) -> bool:
    return not chosen or any(value in chosen for value in values)


def _holds_word(query: str, words: Sequence[str]) -> bool:
    """Return True if a query contains one of `words`, percent-encoded or not."""
    if not words:
        return True
    decoded = unquote_plus(query).casefold()
    return any(word.casefold() in decoded for word in words)
