"""Where ids, quantities, times, symbols and flags are, and what cannot be known of them."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from reconciler.adoption.draft import Place, Proposal
from reconciler.adoption.proposal import plan_sample, propose
from reconciler.config_file.orders import (
    FollowingColumn,
    JoinedColumns,
    NamedColumn,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    SideTable,
    TimeColumn,
    TimeUnit,
)
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.symbols import Symbols
from reconciler.store.discovery import Reference

from .builders import AWARE, COLUMNS, NAIVE, ROWS, a_column, a_sample, a_table, proposal_for


def proposal_with(columns: Mapping[str, str], *rows: Mapping[str, str | None]) -> Proposal:
    """Propose for a table with these columns only."""
    table = a_table(columns)
    return propose(table, a_sample(table, rows or ROWS), exchange="binance")


@pytest.mark.parametrize(
    "columns",
    [
        ("id", "tradingPair", "exchangeOrderId", "orderStatus", "filledQty", "avgFillPrice"),
        ("ord_id", "ord_symbol", "ord_ext_id", "ord_state", "ord_filled", "ord_average"),
        ("OrderID", "Instrument", "VenueOrderID", "State", "CumQty", "AvgPx"),
        ("uuid", "market", "remote_id", "status", "executed_volume", "average"),
        ("id", "pair_symbol", "binance_order_id", "stage", "cum_qty", "vwap"),
    ],
    ids=["camelCase", "with a prefix", "PascalCase", "other words", "words among others"],
)
def test_columns_are_found_under_other_names(columns: tuple[str, ...]) -> None:
    types = ("bigint", "text", "text", "text", "numeric", "numeric")

    proposal = proposal_with(dict(zip(columns, types, strict=True)))

    ours = ("id", "symbol", "external_order_id", "status", "executed_qty", "avg_price")
    found = {key: proposal.columns[key].name for key in ours}
    assert found == dict(zip(ours, columns, strict=True))


def test_without_the_exchanges_id_nothing_is_guessed() -> None:
    columns = {name: type_ for name, type_ in COLUMNS.items() if name != "exchange_order_id"}

    proposal = proposal_with(columns)

    assert [one.place for one in proposal.open_questions] == [("columns", "external_order_id")]


@pytest.mark.parametrize(
    ("values", "is_taken"), [(("a", "b", "c"), True), (("7", "7", "7"), False)]
)
def test_an_exchange_id_is_an_orders_only_if_hardly_two_rows_have_the_same(
    values: str, *, is_taken: bool
) -> None:
    columns = {name: type_ for name, type_ in COLUMNS.items() if name != "exchange_order_id"}
    rows = [{**ROWS[0], "exchange_id": value} for value in values]

    proposal = proposal_with({**columns, "exchange_id": "text"}, *rows)

    assert ("external_order_id" in proposal.columns) is is_taken


@pytest.mark.parametrize(
    ("name", "type_", "column"),
    [
        ("filled_amount", "numeric", QuantityColumn(name="filled_amount")),
        ("filled_e8", "bigint", QuantityColumn(name="filled_e8", scale=Decimal("1e-8"))),
        ("quantity_left", "numeric", RemainingColumn(name="quantity_left", of="quantity")),
        ("leavesQty", "text", RemainingColumn(name="leavesQty", of="quantity")),
        ("filled_amount", "bigint", None),
        ("remaining", "integer", None),
        ("executed", "boolean", None),
    ],
)
def test_the_executed_quantity_is_found_or_asked_for(name: str, type_: str, column: object) -> None:
    columns = {one: kind for one, kind in COLUMNS.items() if one != "filled"}

    proposal = proposal_with({**columns, name: type_})

    assert proposal.columns.get("executed_qty") == column
    assert bool(proposal.open_questions) is (column is None)


def test_an_answer_gives_the_scale_of_all_whole_numbers_of_its_kind() -> None:
    answers: dict[Place, str] = {("columns", "executed_qty", "scale"): "1e-6"}

    proposal = proposal_for({"filled": "bigint", "quantity": "bigint"}, answers=answers)

    assert proposal.columns["executed_qty"].scale == Decimal("1e-6")
    assert proposal.columns["qty"].scale == Decimal("1e-6")
    assert not proposal.open_questions


def test_rows_with_a_negative_quantity_are_not_followed() -> None:
    proposal = proposal_for(None, {**ROWS[0], "quantity": "-2"}, ROWS[1])

    assert proposal.where == "quantity > 0"
    assert any("negative" in one for one in proposal.assumptions)


@pytest.mark.parametrize(
    ("type_", "value", "unit"),
    [
        (AWARE, "2026-11-28 11:00:00+00", TimeUnit.TIMESTAMPTZ),
        (NAIVE, "2026-11-28 11:59:00", TimeUnit.NAIVE),
        ("integer", "1795867200", TimeUnit.EPOCH_S),
        ("bigint", "1795867200000", TimeUnit.EPOCH_MS),
        ("bigint", "1795867200000000", TimeUnit.EPOCH_US),
        ("text", "1795867200000000000", TimeUnit.EPOCH_NS),
    ],
)
@pytest.mark.parametrize("name", ["created_at", "creation_timestamp", "created_ms", "ord_created"])
def test_the_unit_of_a_time_is_known_by_its_type_or_its_size(
    name: str, type_: str, value: str, unit: TimeUnit
) -> None:
    proposal = proposal_for({name: type_}, {**ROWS[0], name: value}, ROWS[1])

    zone = "UTC" if unit is TimeUnit.NAIVE else None
    assert proposal.columns["created_at"] == TimeColumn(name=name, unit=unit, zone=zone)


def test_a_naive_time_in_the_future_is_not_utc_and_is_asked_for() -> None:
    rows = ({**ROWS[0], "created_at": "2026-11-28 13:59:00"}, ROWS[1])
    place = ("columns", "created_at", "unit")

    asked = proposal_for({"created_at": NAIVE}, *rows)
    told = proposal_for({"created_at": NAIVE}, *rows, answers={place: "naive:Europe/Berlin"})

    assert [one.place for one in asked.open_questions] == [place]
    assert "2.0 h in the future" in asked.open_questions[0].what
    assert told.columns["created_at"].zone == "Europe/Berlin"
    assert not told.open_questions


def test_a_default_in_another_zone_than_utc_is_asked_for() -> None:
    table = a_table({**COLUMNS, "created_at": NAIVE}, defaults={"created_at": "now()"})

    berlin = propose(table, a_sample(table, zone="Europe/Berlin"), exchange="binance")
    utc = propose(table, a_sample(table, zone="UTC"), exchange="binance")

    assert [one.place[1] for one in berlin.open_questions] == ["created_at"]
    assert not utc.open_questions


def test_an_epoch_whose_unit_the_rows_do_not_show_is_left_out_or_asked_for() -> None:
    under_another_name = proposal_for({"created": "bigint"})
    under_our_name = proposal_for({"created_at": "bigint"})

    assert "created_at" not in under_another_name.columns
    assert [one.place[1] for one in under_our_name.open_questions] == ["created_at"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "", "x", "1e999999"])
def test_a_text_that_is_no_number_shows_no_unit_and_no_sign(text: str) -> None:
    columns = {"created_at": "text", "filled": "text", "quantity": "text"}

    proposal = proposal_for(columns, {"created_at": text, "filled": text, "quantity": text})

    assert "created_at" in [one.place[1] for one in proposal.open_questions]


def test_without_a_column_for_it_the_time_of_the_last_sync_goes_into_the_side_table() -> None:
    without = proposal_for().columns["last_synced_at"]
    within = proposal_for({"lastSyncedAt": AWARE}).columns["last_synced_at"]

    assert without == SideTable()
    assert within == TimeColumn(name="lastSyncedAt")


@pytest.mark.parametrize(
    ("symbols", "rules"),
    [
        (("BTC/USDT", "ETH-BTC"), Symbols(ignore="/-")),
        (("BTCUSDT.BINANCE", "ETHBTC.BINANCE"), Symbols(strip_suffix=(".BINANCE",))),
        (("BTC/USDT:USDT", "ETH/USDT:USDT"), Symbols(ignore="/", strip_suffix=(":USDT",))),
        (("BTC.USDT",), Symbols(strip_suffix=(".USDT",))),
        ((" BTCUSDT ",), Symbols()),
    ],
)
def test_what_the_exchange_does_not_have_in_its_symbols_is_dropped(
    symbols: tuple[str, ...], rules: Symbols
) -> None:
    proposal = proposal_for(None, *({**ROWS[0], "symbol": symbol} for symbol in symbols))

    assert proposal.symbols == rules


def test_symbols_that_do_not_look_like_an_exchanges_are_said() -> None:
    proposal = proposal_for(None, {**ROWS[0], "symbol": "Bitcoin for euros"})

    assert any("do not look like" in one for one in proposal.assumptions)


def test_symbols_in_small_letters_are_turned_into_capitals() -> None:
    proposal = proposal_for(None, {**ROWS[0], "symbol": "btc_usdt"})

    assert proposal.columns["symbol"] == QueriedColumn(name="symbol", query="SELECT upper(:value)")
    assert proposal.symbols == Symbols(ignore="_")


def test_two_columns_make_one_symbol() -> None:
    columns = {name: type_ for name, type_ in COLUMNS.items() if name != "symbol"}
    row = {**ROWS[0], "baseAsset": "BTC", "quoteAsset": "USDT"}

    proposal = proposal_with({**columns, "baseAsset": "text", "quoteAsset": "text"}, row)

    assert proposal.columns["symbol"] == JoinedColumns(names=("baseAsset", "quoteAsset"))


PAIR_TEXTS = {name: a_column(name, "text") for name in ("base", "quote")}
ASSETS = Reference(
    table=TableName(name="assets"), key="id", columns={"code": a_column("code", "text")}
)
TWO_KEYS = (
    'SELECT b.code || q.code FROM trading."Pair" AS p JOIN assets AS b ON b.id = p.base_id'
    " JOIN assets AS q ON q.id = p.quote_id WHERE p.id = :value"
)


@pytest.mark.parametrize(
    ("columns", "references", "query"),
    [
        (
            {"symbol": a_column("symbol", "text")},
            {},
            'SELECT p.symbol FROM trading."Pair" AS p WHERE p.id = :value',
        ),
        (PAIR_TEXTS, {}, 'SELECT p.base || p.quote FROM trading."Pair" AS p WHERE p.id = :value'),
        ({}, {"base_id": ASSETS, "quote_id": ASSETS}, TWO_KEYS),
    ],
    ids=["a text", "two texts", "two keys"],
)
def test_a_key_is_resolved_by_a_query_over_the_table_that_it_leads_to(
    columns: dict[str, object], references: dict[str, Reference], query: str
) -> None:
    pairs = Reference(
        table=TableName(schema="trading", name="Pair"),
        key="id",
        columns=columns,  # type: ignore[arg-type] # columns, as above
        references=references,
    )
    own = {name: type_ for name, type_ in COLUMNS.items() if name != "symbol"}
    table = a_table({**own, "pair_id": "bigint"}, references={"pair_id": pairs})
    looked_up = dict.fromkeys(plan_sample(table).lookups, ("BTCUSDT", "ETHBTC"))

    proposal = propose(table, a_sample(table, symbols=looked_up), exchange="binance")

    assert proposal.columns["symbol"] == QueriedColumn(name="pair_id", query=query)
    assert not proposal.open_questions


def test_a_key_that_leads_nowhere_is_asked_for() -> None:
    own = {name: type_ for name, type_ in COLUMNS.items() if name != "symbol"}

    proposal = proposal_with({**own, "pair_id": "bigint"})

    assert [one.blank for one in proposal.open_questions] == [
        'symbol = { query = "", column = "pair_id" }'
    ]


def test_a_flag_is_written_only_if_all_rows_agree_with_it() -> None:
    agreeing = [
        {**ROWS[0], "is_open": "true", "in_book": "true", "is_done": "false"},
        {**ROWS[1], "is_open": "false", "in_book": "false", "is_done": "false"},
    ]

    flags = dict.fromkeys(("is_open", "in_book", "is_done"), "boolean")
    proposal = proposal_for(flags, *agreeing)

    assert proposal.also_write == (
        FollowingColumn(name="is_open", open=True, ended=False),
        FollowingColumn(name="in_book", open=None, ended=False),
    )
    assert any("is_done" in note for note in proposal.notes["also_write"])


@pytest.mark.parametrize(
    ("exchange", "where", "questions"),
    [
        ("binance", "exchange = 'Binance'", 0),
        ("bybit", "exchange = 'bybit'", 0),
        ("paper", None, 1),
        ("kraken", None, 1),
    ],
)
def test_of_several_exchanges_one_is_followed_that_the_settings_name(
    exchange: str, where: str | None, questions: int
) -> None:
    rows = ({**ROWS[0], "exchange": "Binance"}, {**ROWS[1], "exchange": "bybit"})

    proposal = proposal_for({"exchange": "text"}, *rows, exchange=exchange)

    assert proposal.where == where
    assert len(proposal.open_questions) == questions


@pytest.mark.parametrize(
    ("exchange", "is_used"), [("binance", True), ("ccxt:binance", True), ("paper", False)]
)
def test_a_column_that_names_the_exchange_of_the_settings_is_used(
    exchange: str, *, is_used: bool
) -> None:
    row = {**ROWS[0], "exchange": "Binance"}

    proposal = proposal_for({"exchange": "text"}, row, exchange=exchange)

    assert ("exchange" in proposal.columns) is is_used
    assert proposal.where is None


def test_another_exchange_in_the_rows_than_in_the_settings_is_said() -> None:
    row = {**ROWS[0], "exchange": "Binance"}

    proposal = proposal_for({"exchange": "text"}, row, exchange="kraken")

    assert any("EXCHANGE_NAME is kraken" in one for one in proposal.assumptions)


def test_deleted_rows_and_simulations_are_not_followed() -> None:
    proposal = proposal_for({"deleted_at": AWARE, "is_paper": "boolean"})

    assert proposal.where == "deleted_at IS NULL AND is_paper IS NOT TRUE"


def test_our_own_names_are_taken_before_others() -> None:
    ours = {"external_order_id": "text", "executed_qty": "numeric", "state": "text"}

    proposal = proposal_for(ours)

    assert proposal.columns["external_order_id"] == NamedColumn(name="external_order_id")
    assert proposal.columns["executed_qty"] == QuantityColumn(name="executed_qty")
    assert proposal.columns["status"] == NamedColumn(name="status")
