"""Our status for what an exchange says and what ccxt makes of it."""

from decimal import Decimal

import pytest

from reconciler.domain.status import Status
from reconciler.exchanges.ccxt.statuses import CCXT_WORDS, WORDS, plain, status_of

ONE = Decimal(1)


@pytest.mark.parametrize(
    ("raw", "theirs", "expected"),
    [
        pytest.param("EXPIRED", "canceled", Status.EXPIRED, id="Coinbase's expired"),
        pytest.param("FAILED", "canceled", Status.REJECTED, id="Coinbase's failed"),
        pytest.param("PartiallyFilledCanceled", "closed", Status.CANCELED, id="Bybit's"),
        pytest.param("PENDING_NEW", "PENDING_NEW", Status.PENDING, id="Binance's, passed through"),
        pytest.param("EXPIRED_IN_MATCH", "expired", Status.EXPIRED, id="Binance's"),
        pytest.param("mmp_canceled", "canceled", Status.CANCELED, id="OKX's"),
        pytest.param("live", "open", Status.NEW, id="OKX's live"),
        pytest.param("filled", "closed", Status.FILLED, id="filled"),
        pytest.param("ORDER_STATUS_FILLED", "closed", Status.FILLED, id="with a prefix"),
        pytest.param("filled", "open", None, id="filled, and ccxt says open"),
        pytest.param("filled", "canceled", None, id="filled, and ccxt says canceled"),
        pytest.param("open", "closed", None, id="open, and ccxt says closed"),
        pytest.param("canceled", "open", None, id="canceled, and ccxt says open"),
        pytest.param(None, "open", Status.NEW, id="no word, open"),
        pytest.param("7", "canceled", Status.CANCELED, id="a code that ccxt knows"),
        pytest.param("7", "rejected", Status.REJECTED, id="a code, rejected"),
        pytest.param("HALTED", "HALTED", None, id="a word that nobody knows"),
        pytest.param(None, None, None, id="nothing"),
    ],
)
def test_the_exchanges_own_word_decides_where_it_is_known(
    raw: str | None, theirs: str | None, expected: Status | None
) -> None:
    assert status_of("gate", raw, theirs, ONE, ONE) is expected


@pytest.mark.parametrize(
    ("filled", "amount", "expected"),
    [
        ("1", "1", Status.FILLED),
        ("0.5", "1", None),
        ("0", "1", None),
        ("1", None, None),
        (None, "1", None),
        ("0", "0", None),
    ],
)
def test_closed_by_a_word_of_ccxt_alone_is_filled_only_if_all_is_executed(
    filled: str | None, amount: str | None, expected: Status | None
) -> None:
    numbers = [None if text is None else Decimal(text) for text in (filled, amount)]

    assert status_of("gate", "closed", "closed", *numbers) is expected


def test_every_word_is_written_as_it_is_compared() -> None:
    assert [plain(word) for word in WORDS] == list(WORDS)


def test_every_status_of_ours_has_a_word() -> None:
    assert set(WORDS.values()) == set(Status)
    assert set(CCXT_WORDS.values()) < set(Status)
