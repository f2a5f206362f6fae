"""Distort answers: orders shown falsely, replaced headers and fields, corrupted bodies.

Pure. Each way to show an order falsely is one function in `DISTORTIONS`, under the setting with the
share of orders that it affects. An order's symbol and id decide whether it is affected, so that it
is the same in every request and on every route.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, assert_never

import msgspec

from reconciler.paper.faults.effects import Corruption
from reconciler.paper.faults.rules import FaultRule, RequestTarget
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.order_store import Distortion
from reconciler.paper.orders import PaperOrder, as_of

OrderObjects = Callable[[Any], Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]]
"""Yields the orders in a decoded answer: `Dialect.order_objects`."""

UNKNOWN_STATUS = "UNDER_REVIEW"
ERROR_PAGE = (
    b"<html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"
)
"""The page with which a proxy answers while the exchange behind it cannot."""


def _vanish(_order: PaperOrder) -> PaperOrder | None:
    return None


def _set_unknown_status(order: PaperOrder) -> PaperOrder:
    return _with_state(order, msgspec.structs.replace(order.state, exchange_status=UNKNOWN_STATUS))


def _shrink_execution(order: PaperOrder) -> PaperOrder:
    """Show half of the executed quantity that the row has seen. Without any, change nothing."""
    seen = order.seen_state
    if seen.executed_e8 == 0:
        return order
    less = OrderState(
        exchange_status=order.state.exchange_status,
        executed_e8=seen.executed_e8 // 2,
        quote_e8=seen.quote_e8 // 2,
    )
    return _with_state(order, less)


def _fill_without_execution(order: PaperOrder) -> PaperOrder:
    return _with_state(
        order, OrderState(exchange_status=ExchangeStatus.FILLED, executed_e8=0, quote_e8=0)
    )


DISTORTIONS: Mapping[str, Callable[[PaperOrder], PaperOrder | None]] = MappingProxyType(
    {
        "unknown_status_rate": _set_unknown_status,
        "shrunk_rate": _shrink_execution,
        "contradiction_rate": _fill_without_execution,
        "vanished_rate": _vanish,
    }
)
"""Distortions by their setting, in the order in which they are applied."""


def distortion_of(rules: Iterable[FaultRule], *, seed: int, now_ms: int) -> Distortion | None:
    """Return the distortion of orders under `rules`, or None if orders are shown as they are."""
    distorting = [rule for rule in rules if rule.stale_seconds or _affected_shares(rule)]
    if not distorting:
        return None
    return partial(_distort_by_all, rules=distorting, seed=seed, now_ms=now_ms)


def replace_fields(
    body: bytes, rules: Iterable[FaultRule], target: RequestTarget, order_objects: OrderObjects
) -> bytes:
    """Replace fields, as `rules` say, in every order of an answer, or in an answer without orders.

    It uses the standard library's JSON, whose numbers may have any number of digits.
    """
    replacing = [rule for rule in rules if rule.fields or rule.without_fields]
    if not replacing:
        return body
    answer = json.loads(body)
    for order, part in order_objects(answer):
        _replace_part_fields(order, part, replacing, target)
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def replace_headers(
    true: Mapping[str, str], rules: Iterable[FaultRule], target: RequestTarget
) -> Mapping[str, str]:
    """Replace headers as `rules` say. An empty value removes the header."""
    headers = dict(true)
    for rule in rules:
        if rule.matches(target):
            names = {name.lower() for name in rule.headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in names}
            headers.update({name: value for name, value in rule.headers.items() if value})
    return headers


def _replace_part_fields(
    order: tuple[str, int] | None,
    part: dict[str, Any],
    rules: Sequence[FaultRule],
    target: RequestTarget,
) -> None:
    for rule in rules:
        if rule.matches(target) if order is None else rule.matches_order(*order):
            part.update(rule.fields)
            for name in rule.without_fields:
                part.pop(name, None)


def corrupt_body(body: bytes, how: Corruption) -> bytes:
    """Corrupt the body of an answer."""
    match how:
        case Corruption.CUT:
            return body[: len(body) // 2]
        case Corruption.HTML:
            return ERROR_PAGE
        case Corruption.WRONG_TYPE:
            return msgspec.json.encode(_with_wrong_types(msgspec.json.decode(body)))
        case _:
            assert_never(how)


def _affected_shares(rule: FaultRule) -> Mapping[str, float]:
    return {setting: share for setting in DISTORTIONS if (share := getattr(rule, setting)) > 0}


def _distort_by_all(
    order: PaperOrder, *, rules: Iterable[FaultRule], seed: int, now_ms: int
) -> PaperOrder | None:
    shown: PaperOrder | None = order
    for rule in rules:
        if shown is not None and rule.matches_order(order.symbol, order.order_id):
            shown = _distort_by(shown, rule, seed=seed, now_ms=now_ms)
    return shown


def _distort_by(order: PaperOrder, rule: FaultRule, *, seed: int, now_ms: int) -> PaperOrder | None:
    shown = as_of(order, now_ms - round(rule.stale_seconds * 1000)) if rule.stale_seconds else order
    for setting, share in _affected_shares(rule).items():
        if shown is not None and _is_affected(shown, setting, share, seed):
            shown = DISTORTIONS[setting](shown)
    return shown


def _is_affected(order: PaperOrder, setting: str, share: float, seed: int) -> bool:
    drawn = blake2b(f"{seed}:{setting}:{order.symbol}:{order.order_id}".encode(), digest_size=8)
    return int.from_bytes(drawn.digest()) < share * 2**64


def _with_state(order: PaperOrder, state: OrderState) -> PaperOrder:
    """Return the order with `state` in place of its own."""
    states = (*order.states[: order.state_index], state, *order.states[order.state_index + 1 :])
    return msgspec.structs.replace(order, states=states)


def _with_wrong_types(value: Any) -> Any:
    """Return the value with its numbers as text."""
    match value:
        case bool():
            return value
        case int() | float():
            return str(value)
        case list():
            return [_with_wrong_types(element) for element in value]
        case dict():
            return {name: _with_wrong_types(element) for name, element in value.items()}
        case _:
            return value
