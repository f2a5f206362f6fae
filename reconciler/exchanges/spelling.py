"""Orders as an exchange spells their symbols and ids, and as the caller does.

    asked = request_refs(refs, request_symbol, request_id)
    ...                                             search for asked.requested
    return as_called(found, asked.spellings)

Two rows may spell one order differently ("BTC/USDT" and "btcusdt"): it is requested once, and both
get its answer. Where an id alone names an order, `request_symbol` may return the same text for
every symbol.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.domain.report import Answer
from reconciler.domain.value import replace
from reconciler.exchanges.base import LookupResult, OrderRef

Spell = Callable[[str], str]
"""Returns a symbol, or an id, as the exchange writes it: the very text if it is so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRefs:
    """Orders as the exchange writes them, and as the caller does.

    Attributes:
        requested: Every order as the exchange writes it, once.
        spellings: The caller's spellings, by order, if they are not the exchange's alone.
    """

    requested: Collection[OrderRef]
    spellings: Mapping[OrderRef, Sequence[OrderRef]]


def request_refs(
    refs: Iterable[OrderRef], request_symbol: Spell, request_id: Spell = str
) -> RequestRefs:
    """Return the orders `refs` as the exchange writes them."""
    requested: dict[OrderRef, None] = {}
    spellings: dict[OrderRef, list[OrderRef]] = {}
    for ref in refs:
        as_requested = _request_ref(ref, request_symbol, request_id)
        if as_requested is ref:
            requested[ref] = None
        else:
            spellings.setdefault(as_requested, []).append(ref)
    for as_requested, called in spellings.items():
        if as_requested in requested:
            called.append(as_requested)
        requested[as_requested] = None
    return RequestRefs(requested=requested.keys(), spellings=spellings)


def as_called(
    found: LookupResult, spellings: Mapping[OrderRef, Sequence[OrderRef]]
) -> LookupResult:
    """Return the result with every order's symbol and id spelled as in the caller's `refs`."""
    for requested, called in spellings.items():
        if requested in found.answers:
            answer = found.answers.pop(requested)
            found.answers |= {ref: _renamed(answer, ref) for ref in called}
        else:
            failure = found.failures.pop(requested)
            found.failures |= dict.fromkeys(called, failure)
    return found


def _request_ref(ref: OrderRef, request_symbol: Spell, request_id: Spell) -> OrderRef:
    """Return `ref` with symbol and id as the exchange writes them: itself if they are."""
    symbol, external_order_id = request_symbol(ref.symbol), request_id(ref.external_order_id)
    if symbol == ref.symbol and external_order_id == ref.external_order_id:
        return ref
    return OrderRef(symbol=symbol, external_order_id=external_order_id)


def _renamed(answer: Answer, ref: OrderRef) -> Answer:
    return replace(answer, symbol=ref.symbol, external_order_id=ref.external_order_id)
