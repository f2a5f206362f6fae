"""What `[orders]` says is read in every style; what it cannot say is refused with line and hint."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config_file.key_lines import KeyPath
from reconciler.config_file.orders import (
    Columns,
    JoinedColumns,
    NamedColumn,
    OrdersConfig,
    QuantityColumn,
    TimeColumn,
    TimeUnit,
)

from .contents import CONFIG, DOCUMENT, read
from .toml_styles import styled

Written = tuple[dict[str, Any], str, dict[KeyPath, int]]


@settings(max_examples=60)
@given(styled(st.just(DOCUMENT)))
def test_a_valid_file_says_the_same_in_every_style(written: Written) -> None:
    _, text, _ = written

    config, problems = read(text)

    assert problems == []
    assert config is not None
    by_name = sorted(config.also_write, key=lambda column: column.name, reverse=True)
    assert replace(config, also_write=tuple(by_name)) == CONFIG


WRONG: dict[KeyPath, object] = {
    ("orders", "tabel"): "x",
    ("orders", "where"): "a; b",
    ("orders", "columns", "id"): 5,
    ("orders", "columns", "symbol", "query"): "SELECT 1",
    ("orders", "columns", "executed_qty", "scale"): "3",
    ("orders", "columns", "created_at", "unit"): "naive",
    ("orders", "statuses", "ABORTED"): "canceld",
    ("orders", "statuses", "write", "fild"): "DONE",
    ("orders", "also_write", "is_open", "ended"): 1.5,
    ("orders", "symbols", "strip_suffix", 1): "",
    ("orders", "symbols", "rename", "XBT/USD"): "",
}


def with_values(document: Any, changes: Mapping[KeyPath, object]) -> Any:
    """Return a copy of a document with other values at these paths."""
    if isinstance(document, dict):
        items = {**document, **{path[0]: document.get(path[0], {}) for path in changes}}
    elif isinstance(document, list):
        items = dict(enumerate(document))
    else:
        return document
    changed = {}
    for key, value in items.items():
        inner = {path[1:]: new for path, new in changes.items() if path[0] == key}
        changed[key] = inner[()] if () in inner else with_values(value, inner)
    return list(changed.values()) if isinstance(document, list) else changed


@settings(max_examples=60)
@given(styled(st.just(with_values(DOCUMENT, WRONG))))
def test_every_problem_is_found_at_once_at_its_line_in_every_style(written: Written) -> None:
    _, text, lines = written

    config, problems = read(text)

    found = {problem.what.split(": ")[0] for problem in problems}
    assert config is None
    assert found == {f"reconciler.toml, line {lines[path]}" for path in WRONG}
    assert len(problems) == len(WRONG)


def test_what_is_left_out_has_our_own_names() -> None:
    assert read("[orders]\n") == (OrdersConfig(), [])


COLUMNS = {
    "a name": ('id = "order"', Columns(id=NamedColumn(name="order"))),
    "two columns": (
        'symbol = { join = ["base", "quote"] }',
        Columns(symbol=JoinedColumns(names=("base", "quote"))),
    ),
    "a whole number as scale": (
        'qty = { column = "lots", scale = 100 }',
        Columns(qty=QuantityColumn(name="lots", scale=100 * QuantityColumn(name="").scale)),
    ),
    "naive UTC": (
        'created_at = { column = "made", unit = "naive-utc" }',
        Columns(created_at=TimeColumn(name="made", unit=TimeUnit.NAIVE, zone="UTC")),
    ),
    "an id that is also the client's": (
        'id = "key"\nclient_order_id = "key"',
        Columns(id=NamedColumn(name="key"), client_order_id=NamedColumn(name="key")),
    ),
    "a column of ours with another purpose is not used as ours": (
        'created_at = "updated_at"',
        Columns(created_at=TimeColumn(name="updated_at"), updated_at=None),
    ),
}


@pytest.mark.parametrize(("entry", "columns"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_can_be_given_in_several_forms(entry: str, columns: Columns) -> None:
    config, problems = read(f"[orders.columns]\n{entry}\n")

    assert problems == []
    assert config is not None
    assert replace(config.columns, named=frozenset()) == columns


PROBLEMS = [
    ("orders = 5", "orders is 5, but must be a table", "write it as [orders]"),
    ("[[orders]]", "orders is a list, but must be a table", "write it as [orders]"),
    ("[orders]\ntable = ''", "orders.table is empty", "table ="),
    ("[orders]\ntable = 'a b'", "which is no name of a table", 'oms."Trade Orders"'),
    ("[orders]\ntable = 'a.b.c'", "which is no name of a table", "at most a schema"),
    ("[orders]\nwhere = ' '", "orders.where is empty", "remove it"),
    ("[orders]\nwhere = 'a = 1 -- x'", "has a comment", "in TOML"),
    ("[orders]\nwhere = 'a = $1'", "has a parameter", "account_id = 7"),
    ("[orders]\nwhere = 'a) OR (b'", "brackets that do not match", "close each"),
    ('[orders]\nwhere = "a = \'x"', "a quote that does not close", "twice"),
    ("[orders]\nscope = 'a b'", "no name for a scope", "letters, digits"),
    ("[orders.columns]\nstatuss = 'x'", "no key orders.columns.statuss", "rename it to status"),
    ('[orders.columns]\nid = "a\\u0000"', "has a zero byte", "id ="),
    (f"[orders.columns]\nid = '{'é' * 32}'", "more than 63 bytes", "as the database stores"),
    ("[orders.columns]\nsymbol = { join = ['a'] }", "fewer than two columns", "base"),
    ("[orders.columns]\nsymbol = { join = ['a', 'a'] }", "names a column twice", "base"),
    ("[orders.columns]\nsymbol = { column = 'a' }", "has no query", "query = ..., column = ..."),
    (
        "[orders.columns]\nsymbol = { column = 'a', query = 'DELETE FROM x WHERE id = :value' }",
        "symbol.query is no SELECT",
        "SELECT name FROM pairs",
    ),
    ("[orders.columns]\nexecuted_qty = { remaining = 'a' }", "has no of", "of = ..."),
    ("[orders.columns]\nqty = { column = 'a', of = 'b' }", "no key", "there are: column"),
    ("[orders.columns]\nqty = { column = 'a', scale = 1e-6 }", "is not exact", '"1e-6"'),
    ("[orders.columns]\nqty = { column = 'a', scale = '0' }", "no power of ten", '"1e-6"'),
    ("[orders.columns]\nqty = { column = 'a', scale = '-10' }", "is no number", '"1e-6"'),
    ("[orders.columns]\nqty = { column = 'a', scale = '1e31' }", "no power of ten", '"1e-6"'),
    ("[orders.columns]\nqty = { column = 'a', scale = 'NaN' }", "is no number", '"1e-6"'),
    ("[orders.columns]\ncreated_at = { column = 'a', unit = 'naive' }", "zone", "naive-utc"),
    (
        "[orders.columns]\ncreated_at = { column = 'a', unit = 'naive:Berlin' }",
        'names the zone "Berlin", which does not exist',
        '"naive:Europe/Berlin"',
    ),
    ("[orders.columns]\ncreated_at = { column = 'a', unit = 'epochms' }", "no unit", "epoch-ms"),
    ("[orders.columns]\nexchange = { constnt = 'a' }", "no key", "rename it to constant"),
    (
        "[orders.columns]\nstatus = 'x'\navg_price = 'x'",
        'avg_price is the column "x", which is also status',
        "another column",
    ),
    (
        "[orders.columns]\nexecuted_qty = { remaining = 'qty', of = 'qty' }",
        'executed_qty.of is the column "qty", which is also executed_qty',
        "another column",
    ),
    (
        "[orders.columns]\nid = 'x'\n[orders.also_write]\nx = { ended = 1 }",
        'also_write.x is the column "x", which is also id',
        "another column",
    ),
    (
        "[orders.statuses]\nOPEN = 'open'\nA = 'filled'\nB = 'filled'",
        'statuses.B means filled, as "A" does: which one is to be written for filled is not said',
        '[orders.statuses.write]: filled = "A"',
    ),
    ("[orders.symbols]\nignored = ''", "no key orders.symbols.ignored", "rename it to ignore"),
    (
        "[orders.statuses]\nA = 'open'\nB = 'open'",
        'statuses.B means open, as "A" does: which one is to be written for partial is not said',
        '[orders.statuses.write]: partial = "A"',
    ),
    ("[orders.statuses]\nA = 'filled'", "no word for an open order", 'OPEN = "open"'),
    ("[orders.statuses]\nA = 'open'\nB = 5", "is 5, which is none of our statuses", "new"),
    (
        "[orders.statuses]\nA = 'open'\nB = 'filled'\n[orders.statuses.write]\ncanceled = 'A'",
        'canceled is "A", which is read as open: the order would be corrected again and again',
        "choose a word that means canceled or another end",
    ),
    (
        "[orders.statuses]\nA = 'new'\n[orders.statuses.write]\npartial = 'A'",
        'partial is "A", which is read as new',
        '"A" = "open"',
    ),
    (
        "[orders.statuses]\nA='open'\nB='filled'\nC='canceled'\n[orders.statuses.write]\nfilled='C'",
        "which is read as canceled, though filled has a word",
        'filled = "B"',
    ),
    (
        "[orders.statuses]\nDONE = 'open'\n[orders.statuses.write]\nfilled = 'DON'",
        "none of your words",
        'filled = "DONE"',
    ),
    (
        "[orders.statuses]\nA = 'open'\n[orders.statuses.write]\nfilled = ['A']",
        "must be one word",
        "is to be written",
    ),
    ("[orders.also_write]\nx = true", "must be a table", "[orders.also_write.x]"),
    ("[orders.also_write]\nx = {}", "no value for open or ended", "x = { open = true"),
    ("[orders.also_write]\nx = { open = 1, ended = 'a' }", "values of two kinds", "x = {"),
    ("[orders.symbols]\nignore = ['/']", "must be a text", 'ignore = "/-_: "'),
    ("[orders.symbols]\nstrip_suffix = 'a'", "must be a list", '[".BINANCE"]'),
    ("[orders.symbols]\nrename = { 'A' = ' ' }", "rename.A is empty", "BTCUSDT"),
    ("[orders.symbols]\nrename = { ' A' = 'B' }", "blanks around it", "XBT/USD"),
]


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [pytest.param(*case, id=case[1]) for case in PROBLEMS],
)
def test_what_cannot_be_is_one_problem_with_a_hint(text: str, what: str, hint: str) -> None:
    config, (problem,) = read(text)

    assert config is None
    assert what in problem.what
    assert hint in problem.hint
    assert problem.what.startswith("reconciler.toml, line ")


@pytest.mark.parametrize(
    ("exchange", "where"),
    [
        ("paper", "active"),
        ("binance", "(active) AND lower(btrim(CAST(\"Venue\" AS text))) = 'binance'"),
        ("ccxt:Kraken", "(active) AND lower(btrim(CAST(\"Venue\" AS text))) = 'kraken'"),
    ],
)
def test_rows_of_another_exchange_are_not_followed(exchange: str, where: str) -> None:
    config = OrdersConfig(where="active", columns=Columns(exchange=NamedColumn(name="Venue")))

    assert config.of_exchange(exchange).where == where
