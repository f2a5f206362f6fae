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

from reconciler.paper.faults.effects import Spoiling
from reconciler.paper.faults.rules import FaultRule, Question
from reconciler.paper.lifecycle import BinanceStatus, Stage
from reconciler.paper.order_store import Show
from reconciler.paper.orders import Order, as_of

UNKNOWN_WORD = "UNDER_REVIEW"
PAGE = b"<html><head><title>Sorry</title></head><body><h1>We will be back soon</h1></body></html>"
"""What a proxy in front of an exchange answers while the exchange cannot."""


def _vanish(_order: Order) -> Order | None:
    return None


def _reword(order: Order) -> Order:
    return _at(order, msgspec.structs.replace(order.stage, word=UNKNOWN_WORD))


def _shrink(order: Order) -> Order:
    """Show half of what the row has seen; what nobody has seen cannot be missed."""
    seen = order.seen_stage
    if seen.executed_e8 == 0:
        return order
    less = Stage(
        word=order.stage.word,
        executed_e8=seen.executed_e8 // 2,
        quote_e8=seen.quote_e8 // 2,
    )
    return _at(order, less)


def _contradict(order: Order) -> Order:
    return _at(order, Stage(word=BinanceStatus.FILLED, executed_e8=0, quote_e8=0))


DISTORTIONS: Mapping[str, Callable[[Order], Order | None]] = MappingProxyType(
    {
        "unknown_status_rate": _reword,
        "shrunk_rate": _shrink,
        "contradiction_rate": _contradict,
        "vanished_rate": _vanish,
    }
)
"""In the order in which they are applied."""


def shown_under(rules: Iterable[FaultRule], *, seed: int, now_ms: int) -> Show | None:
    """Return how orders are shown under `rules`; None: as they are."""
    false = [rule for rule in rules if rule.stale_seconds or _struck_shares(rule)]
    return partial(_show, rules=false, seed=seed, now_ms=now_ms) if false else None


def altered(body: bytes, rules: Iterable[FaultRule], question: Question) -> bytes:
    """Put the fields that `rules` name into the orders of an answer, or into one that is no order.

    By way of the standard library's JSON: its numbers may have any number of digits.
    """
    altering = [rule for rule in rules if rule.fields or rule.without_fields]
    if not altering:
        return body
    told = json.loads(body)
    for part in told if isinstance(told, list) else [told]:
        _alter(part, altering, question)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def with_headers(
    true: Mapping[str, str], rules: Iterable[FaultRule], question: Question
) -> Mapping[str, str]:
    """Put the headers that `rules` name in place of the true ones; without those that are empty."""
    headers = dict(true)
    for rule in rules:
        if rule.covers(question):
            names = {name.lower() for name in rule.headers}
            headers = {name: told for name, told in headers.items() if name.lower() not in names}
            headers.update({name: told for name, told in rule.headers.items() if told})
    return headers


def _alter(part: dict[str, Any], rules: Sequence[FaultRule], question: Question) -> None:
    order = (part["symbol"], part["orderId"]) if "orderId" in part else None
    for rule in rules:
        if rule.covers(question) if order is None else rule.covers_order(*order):
            part.update(rule.fields)
            for name in rule.without_fields:
                part.pop(name, None)


def spoiled(body: bytes, how: Spoiling) -> bytes:
    """Break the body of an answer."""
    match how:
        case Spoiling.CUT:
            return body[: len(body) // 2]
        case Spoiling.HTML:
            return PAGE
        case Spoiling.WRONG_TYPE:
            return msgspec.json.encode(_mistyped(msgspec.json.decode(body)))
        case _:
            assert_never(how)


def _struck_shares(rule: FaultRule) -> Mapping[str, float]:
    return {setting: share for setting in DISTORTIONS if (share := getattr(rule, setting)) > 0}


def _show(order: Order, *, rules: Iterable[FaultRule], seed: int, now_ms: int) -> Order | None:
    shown: Order | None = order
    for rule in rules:
        if shown is not None and rule.covers_order(order.symbol, order.order_id):
            shown = _distorted(shown, rule, seed=seed, now_ms=now_ms)
    return shown


def _distorted(order: Order, rule: FaultRule, *, seed: int, now_ms: int) -> Order | None:
    shown = as_of(order, now_ms - round(rule.stale_seconds * 1000)) if rule.stale_seconds else order
    for setting, share in _struck_shares(rule).items():
        if shown is not None and _is_struck(shown, setting, share, seed):
            shown = DISTORTIONS[setting](shown)
    return shown


def _is_struck(order: Order, setting: str, share: float, seed: int) -> bool:
    drawn = blake2b(f"{seed}:{setting}:{order.symbol}:{order.order_id}".encode(), digest_size=8)
    return int.from_bytes(drawn.digest()) < share * 2**64


def _at(order: Order, stage: Stage) -> Order:
    """Return the order as if it had come to `stage`."""
    life = (*order.life[: order.now], stage, *order.life[order.now + 1 :])
    return msgspec.structs.replace(order, life=life)


def _mistyped(value: Any) -> Any:
    """Return the value with its numbers as text."""
    match value:
        case bool():
            return value
        case int() | float():
            return str(value)
        case list():
            return [_mistyped(element) for element in value]
        case dict():
            return {name: _mistyped(element) for name, element in value.items()}
        case _:
            return value
