"""Every documented status of the exchanges that are used most, and every word that ccxt folds."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest

from reconciler.domain.status import Status
from reconciler.errors import ConfigurationError, UnreadableRow
from reconciler.exchanges.ccxt.modules import exchange_ids
from reconciler.exchanges.ccxt.statuses import status_of
from reconciler.exchanges.registry import venue
from tests.exchanges.ccxt_bridge.raw_orders import EXCHANGES, raw_order, report

NONE, PART, ALL = "0", "0.5", "2.0"
"""What is executed of 2."""

DOCUMENTED: dict[str, dict[str, tuple[str, Status | None]]] = {
    "binance": {
        "NEW": (NONE, Status.NEW),
        "PENDING_NEW": (NONE, Status.PENDING),
        "PARTIALLY_FILLED": (PART, Status.PARTIAL),
        "FILLED": (ALL, Status.FILLED),
        "CANCELED": (PART, Status.CANCELED),
        "PENDING_CANCEL": (PART, Status.NEW),
        "REJECTED": (NONE, Status.REJECTED),
        "EXPIRED": (PART, Status.EXPIRED),
        "EXPIRED_IN_MATCH": (PART, Status.EXPIRED),
    },
    "bybit": {
        "New": (NONE, Status.NEW),
        "PartiallyFilled": (PART, Status.PARTIAL),
        "Untriggered": (NONE, Status.PENDING),
        "Triggered": (NONE, Status.NEW),
        "Filled": (ALL, Status.FILLED),
        "Cancelled": (NONE, Status.CANCELED),
        "PartiallyFilledCanceled": (PART, Status.CANCELED),
        "Deactivated": (NONE, Status.CANCELED),
        "Rejected": (NONE, Status.REJECTED),
    },
    "okx": {
        "live": (NONE, Status.NEW),
        "partially_filled": (PART, Status.PARTIAL),
        "filled": (ALL, Status.FILLED),
        "canceled": (PART, Status.CANCELED),
        "mmp_canceled": (NONE, Status.CANCELED),
        "order_failed": (NONE, Status.REJECTED),
    },
    "kraken": {
        "pending": (NONE, Status.PENDING),
        "open": (PART, Status.NEW),
        "closed": (ALL, Status.FILLED),
        "canceled": (PART, Status.CANCELED),
        "expired": (PART, Status.EXPIRED),
    },
    "coinbase": {
        "PENDING": (NONE, Status.PENDING),
        "QUEUED": (NONE, Status.PENDING),
        "OPEN": (PART, Status.NEW),
        "CANCEL_QUEUED": (PART, Status.NEW),
        "EDIT_QUEUED": (PART, Status.NEW),
        "FILLED": (ALL, Status.FILLED),
        "CANCELLED": (PART, Status.CANCELED),
        "EXPIRED": (PART, Status.EXPIRED),
        "FAILED": (NONE, Status.REJECTED),
        "UNKNOWN_ORDER_STATUS": (NONE, None),
    },
    "gate": {
        "open": (PART, Status.NEW),
        "filled": (ALL, Status.FILLED),
        **dict.fromkeys(
            (
                *("cancelled", "ioc", "stp", "poc", "fok", "small", "trader_not_enough"),
                *("depth_not_enough", "liquidate_cancelled"),
            ),
            (PART, Status.CANCELED),
        ),
        "unknown": (ALL, None),
        "-": (ALL, None),
    },
    # It has flags instead of a word.
    "kucoin": {
        "active": (PART, Status.NEW),
        "canceled": (PART, Status.CANCELED),
        "done": (ALL, Status.FILLED),
    },
    "bitget": {
        "live": (NONE, Status.NEW),
        "partially_filled": (PART, Status.PARTIAL),
        "filled": (ALL, Status.FILLED),
        "cancelled": (PART, Status.CANCELED),
    },
    "htx": {
        "created": (NONE, Status.PENDING),
        "submitted": (NONE, Status.NEW),
        "partial-filled": (PART, Status.PARTIAL),
        "filled": (ALL, Status.FILLED),
        "partial-canceled": (PART, Status.CANCELED),
        "canceling": (PART, Status.NEW),
        "canceled": (NONE, Status.CANCELED),
        "rejected": (NONE, Status.REJECTED),
    },
    "mexc": {
        "NEW": (NONE, Status.NEW),
        "PARTIALLY_FILLED": (PART, Status.PARTIAL),
        "FILLED": (ALL, Status.FILLED),
        "CANCELED": (NONE, Status.CANCELED),
        "PARTIALLY_CANCELED": (PART, Status.CANCELED),
    },
    "bitfinex": {
        "ACTIVE": (NONE, Status.NEW),
        "PARTIALLY FILLED @ 99.0(-0.5)": (PART, Status.PARTIAL),
        "EXECUTED @ 99.0(-2.0)": (ALL, Status.FILLED),
        "CANCELED": (NONE, Status.CANCELED),
        "CANCELED was: PARTIALLY FILLED @ 99.0(-0.5)": (PART, Status.CANCELED),
        "INSUFFICIENT BALANCE (U1)": (NONE, Status.CANCELED),
        "INSUFFICIENT MARGIN was: PARTIALLY FILLED @ 99.0(-0.5)": (PART, Status.CANCELED),
        "POSTONLY CANCELED": (NONE, Status.CANCELED),
        "IOC CANCELED was: PARTIALLY FILLED @ 99.0(-0.5)": (PART, Status.CANCELED),
        "FILLORKILL CANCELED": (NONE, Status.CANCELED),
        "RSN_DUST": (NONE, Status.REJECTED),
        "RSN_PAUSE": (NONE, Status.REJECTED),
    },
}


@pytest.mark.parametrize(
    ("exchange_id", "word"),
    [(exchange_id, word) for exchange_id, words in DOCUMENTED.items() for word in words],
)
def test_documented_status_is_reported_as_it_is(exchange_id: str, word: str) -> None:
    executed, status = DOCUMENTED[exchange_id][word]

    found = report(exchange_id, raw_order(exchange_id, word, executed))

    assert found.status is status
    assert found.executed_qty == Decimal(executed)
    assert found.avg_price == (None if executed == NONE else 99)
    assert found.quantity == 2
    assert not found.is_quote_sized


@pytest.mark.parametrize("exchange_id", sorted(DOCUMENTED))
def test_word_that_nobody_knows_is_named_and_has_no_status(exchange_id: str) -> None:
    row = raw_order(exchange_id, "FROZEN_IN_2027", ALL)
    if exchange_id == "kucoin":
        row["cancelledSize"] = "0.5"

    found = report(exchange_id, row)

    assert found.status in ({Status.FILLED} if exchange_id == "kucoin" else {None})
    assert found.word == ("closed" if exchange_id == "kucoin" else "FROZEN_IN_2027")


def test_market_order_of_kucoin_of_which_something_was_canceled_is_not_filled() -> None:
    row = raw_order("kucoin", "done", PART, type="market", cancelledFunds="0.01")

    assert report("kucoin", row).status is None


@pytest.mark.parametrize("word", ["Open", "Finished", "Canceled"])
def test_order_of_bitstamp_is_held_because_it_does_not_state_what_was_executed(word: str) -> None:
    with pytest.raises(UnreadableRow):
        report("bitstamp", raw_order("bitstamp", word, ALL))


def test_every_exchange_with_a_row_has_its_documented_statuses() -> None:
    assert {*DOCUMENTED, "bitstamp"} == set(EXCHANGES)


# What ccxt folds, at every exchange


SIGNED_WITH_A_WALLET = ("lighter", "polymarket")
"""Whose words are of no concern: the bridge refuses them."""

_TABLE = r"def parse_order_status\(.*?statuses(?:: \w+)? = (\{[^{}]*\})"


def folded_words() -> Iterator[tuple[str, str, str]]:
    """Yield each exchange with a word of its own and ccxt's word for it, from ccxt's source."""
    spec = find_spec("ccxt.async_support")
    assert spec is not None
    assert spec.origin is not None
    for exchange_id in sorted(exchange_ids() - set(SIGNED_WITH_A_WALLET)):
        source = Path(spec.origin).with_name(f"{exchange_id}.py").read_text()
        found = re.search(_TABLE, source, re.DOTALL)
        if found is None:
            continue
        table = ast.literal_eval(found[1])
        yield from (
            (exchange_id, word, theirs) for word, theirs in table.items() if theirs is not None
        )


FOLDED = list(folded_words())


def outcomes(exchange_id: str, word: str, theirs: str) -> set[Status | None]:
    """Return what an order with the word becomes, with a part and with all of it executed."""
    return {
        status_of(exchange_id, word, theirs, Decimal(executed), Decimal(2))
        for executed in (NONE, PART, ALL)
    }


def test_words_are_read_from_the_source_of_most_exchanges() -> None:
    assert len({exchange_id for exchange_id, _, _ in FOLDED}) > len(exchange_ids()) / 2
    assert ("coinbase", "EXPIRED", "canceled") in FOLDED
    assert ("bybit", "PartiallyFilledCanceled", "closed") in FOLDED


@pytest.mark.parametrize("exchange_id", SIGNED_WITH_A_WALLET)
def test_exchange_whose_words_are_left_out_is_refused(exchange_id: str) -> None:
    with pytest.raises(ConfigurationError):
        venue(f"ccxt:{exchange_id}")


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (r"expire", {Status.EXPIRED, None}),
        (r"reject|fail|denied", {Status.REJECTED, None}),
        (r"(?=.*cancel)(?=.*(pending|ing$|sent|effort))", {Status.NEW, Status.PENDING, None}),
        (r"^(?!best_effort).*cancell?ed", {Status.CANCELED, None}),
        (r"^(new|open|live|active|created|untriggered|queued)$", {Status.NEW, Status.PENDING}),
    ],
)
def test_end_that_a_word_says_is_never_another(words: str, allowed: set[Status | None]) -> None:
    said = [one for one in FOLDED if re.search(words, one[1].lower())]

    wrong = [(*one, outcomes(*one)) for one in said if not outcomes(*one) <= allowed]

    assert said
    assert wrong == []


def test_closed_is_filled_only_by_a_known_word_or_with_everything_executed() -> None:
    closed = [one for one in FOLDED if one[2] == "closed"]

    filled = {
        word
        for exchange_id, word, theirs in closed
        if status_of(exchange_id, word, theirs, Decimal(PART), Decimal(2)) is Status.FILLED
    }

    assert all(re.search(r"fill|execut|match|^closed$", word.lower()) for word in filled), filled
    assert len(closed) > len(filled)
