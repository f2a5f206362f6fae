"""What is false in an answer on purpose: orders shown otherwise than they are, and broken bodies.

Pure. Each way to show an order falsely is one function in `DISTORTIONS`, under the setting that
says how many orders it strikes. Which ones is drawn from their names, so that an order stays struck
from request to request and on every route.
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
from reconciler.paper.lifecycle import BinanceStatus, OrderState
from reconciler.paper.order_store import Distortion
from reconciler.paper.orders import Order, as_of

UNKNOWN_STATUS = "UNDER_REVIEW"
ERROR_PAGE = (
    b"<html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"
)
"""What a proxy in front of an exchange answers while the exchange cannot."""


def _vanish(_order: Order) -> Order | None:
    return None


def _set_unknown_status(order: Order) -> Order:
    return _with_state(order, msgspec.structs.replace(order.state, binance_status=UNKNOWN_STATUS))


def _shrink_execution(order: Order) -> Order:
    """Show half of what the row has seen; what nobody has seen cannot be missed."""
    seen = order.seen_state
    if seen.executed_e8 == 0:
        return order
    less = OrderState(
        binance_status=order.state.binance_status,
        executed_e8=seen.executed_e8 // 2,
        quote_e8=seen.quote_e8 // 2,
    )
    return _with_state(order, less)


def _fill_without_execution(order: Order) -> Order:
    return _with_state(
        order, OrderState(binance_status=BinanceStatus.FILLED, executed_e8=0, quote_e8=0)
    )


DISTORTIONS: Mapping[str, Callable[[Order], Order | None]] = MappingProxyType(
    {
        "unknown_status_rate": _set_unknown_status,
        "shrunk_rate": _shrink_execution,
        "contradiction_rate": _fill_without_execution,
        "vanished_rate": _vanish,
    }
)
"""In the order in which they are applied."""


def distortion_of(rules: Iterable[FaultRule], *, seed: int, now_ms: int) -> Distortion | None:
    """Return how orders are shown under `rules`; None: as they are."""
    false = [rule for rule in rules if rule.stale_seconds or _affected_shares(rule)]
    return partial(_distort_by_all, rules=false, seed=seed, now_ms=now_ms) if false else None


def replace_fields(body: bytes, rules: Iterable[FaultRule], target: RequestTarget) -> bytes:
    """Put the fields that `rules` name into the orders of an answer, or into one that is no order.

    By way of the standard library's JSON: its numbers may have any number of digits.
    """
    altering = [rule for rule in rules if rule.fields or rule.without_fields]
    if not altering:
        return body
    told = json.loads(body)
    for part in told if isinstance(told, list) else [told]:
        _replace_fields(part, altering, target)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def replace_headers(
    true: Mapping[str, str], rules: Iterable[FaultRule], target: RequestTarget
) -> Mapping[str, str]:
    """Put the headers that `rules` name in place of the true ones; without those that are empty."""
    headers = dict(true)
    for rule in rules:
        if rule.matches(target):
            names = {name.lower() for name in rule.headers}
            headers = {name: told for name, told in headers.items() if name.lower() not in names}
            headers.update({name: told for name, told in rule.headers.items() if told})
    return headers


def _replace_fields(
    part: dict[str, Any], rules: Sequence[FaultRule], target: RequestTarget
) -> None:
    order = (part["symbol"], part["orderId"]) if "orderId" in part else None
    for rule in rules:
        if rule.matches(target) if order is None else rule.matches_order(*order):
            part.update(rule.fields)
            for name in rule.without_fields:
                part.pop(name, None)


def corrupt_body(body: bytes, how: Corruption) -> bytes:
    """Break the body of an answer."""
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
    order: Order, *, rules: Iterable[FaultRule], seed: int, now_ms: int
) -> Order | None:
    shown: Order | None = order
    for rule in rules:
        if shown is not None and rule.matches_order(order.symbol, order.order_id):
            shown = _distort_by(shown, rule, seed=seed, now_ms=now_ms)
    return shown


def _distort_by(order: Order, rule: FaultRule, *, seed: int, now_ms: int) -> Order | None:
    shown = as_of(order, now_ms - round(rule.stale_seconds * 1000)) if rule.stale_seconds else order
    for setting, share in _affected_shares(rule).items():
        if shown is not None and _is_affected(shown, setting, share, seed):
            shown = DISTORTIONS[setting](shown)
    return shown


def _is_affected(order: Order, setting: str, share: float, seed: int) -> bool:
    drawn = blake2b(f"{seed}:{setting}:{order.symbol}:{order.order_id}".encode(), digest_size=8)
    return int.from_bytes(drawn.digest()) < share * 2**64


def _with_state(order: Order, state: OrderState) -> Order:
    """Return the order as if it had come to `state`."""
    states = (*order.states[: order.now], state, *order.states[order.now + 1 :])
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
