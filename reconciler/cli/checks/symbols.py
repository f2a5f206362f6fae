"""Check of the symbols: the exchange must list what the open orders are of."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.cli.checks.symbol_fixes import Listing, find_rules, rename_hint, rules_hint
from reconciler.config_file.document import shown
from reconciler.config_file.symbols import Symbols
from reconciler.errors import (
    ConfigurationError,
    ExchangeError,
    Problem,
    ReconcilerError,
    StatementFailed,
)
from reconciler.store.database import Database
from reconciler.store.open_symbols import OpenSymbol, OpenSymbols, read_open_symbols
from reconciler.store.orders_table import read_orders_table
from reconciler.store.user_table import UserTable

CHECK = "symbols"
MAX_NAMED = 5


def check_symbols(
    database: Database, table: UserTable, read_listing: Callable[[], Listing]
) -> CheckResult:
    """Compare the symbols of the open orders with those that the exchange lists.

    The exchange is asked only if there are open orders.
    """
    try:
        with database.transaction() as connection:
            found = read_open_symbols(connection, read_orders_table(connection, table))
    except StatementFailed:
        found = None
    except ReconcilerError as error:
        return failed(CHECK, error)
    if found is None:
        return skipped(CHECK, "the open orders can be counted: it took too long")
    if not found.symbols:
        return passed(CHECK, "no order is open")
    try:
        listing = read_listing()
    except ExchangeError as error:
        return skipped(CHECK, f"the exchange lists its symbols: {error}")
    if not listing.symbols:
        return skipped(CHECK, "the exchange lists a symbol")
    return symbols_result(found, table.config.symbols, listing)


def symbols_result(found: OpenSymbols, symbols: Symbols, listing: Listing) -> CheckResult:
    """Return a warning for what is not listed, or a problem if nothing is; `found` has some."""
    nameless = [one for one in found.symbols if not one.name]
    unlisted = [one for one in found.symbols if one.name and not listing.has(one.name)]
    among = "the first " if found.is_partial else ""
    orders = f"{among}{_number(found.orders, 'open order')}"
    of_all = f"{_number(len(found.symbols), 'symbol')} of {orders}"
    problems = [*_unlisted_problems(unlisted, symbols, listing), *_nameless_problems(nameless)]
    missing = len(nameless) + len(unlisted)
    if not missing:
        return passed(CHECK, f"the exchange lists the {of_all}")
    if missing == len(found.symbols) and not found.is_partial:
        none = failed(CHECK, ConfigurationError(problems))
        return replace(none, detail=f"the exchange lists none of the {of_all}")
    return warning(CHECK, f"the exchange does not list {missing:,} of the {of_all}", problems)


def _unlisted_problems(
    unlisted: Sequence[OpenSymbol], symbols: Symbols, listing: Listing
) -> list[Problem]:
    """Return a problem for those that rules would fix, and one for those that need exceptions."""
    rules = {one: find_rules(one.texts[0], symbols, listing) for one in unlisted}
    by_rule = [one for one in unlisted if rules[one] is not None]
    others = [one for one in unlisted if rules[one] is None]
    problems = []
    if by_rule:
        hint = rules_hint([rule for rule in rules.values() if rule is not None], symbols)
        problems.append(_unlisted_problem(by_rule, hint))
    if others:
        texts = [one.texts[0] for one in others[:MAX_NAMED]]
        problems.append(_unlisted_problem(others, rename_hint(texts, symbols, listing)))
    return problems


def _unlisted_problem(symbols: Sequence[OpenSymbol], hint: str) -> Problem:
    named = [f"{one.name[:40]} ({_place(one)}, {_orders(one)})" for one in symbols[:MAX_NAMED]]
    count = _number(len(symbols), "symbol")
    return Problem(what=f"the exchange does not list {count}: {_listed(named, symbols)}", hint=hint)


def _nameless_problems(nameless: Sequence[OpenSymbol]) -> list[Problem]:
    if not nameless:
        return []
    named = [_describe_nameless(one) for one in nameless[:MAX_NAMED]]
    hint = (
        "write the exchange's symbol into these rows"
        if all(one.key is None for one in nameless)
        else "have the query of symbol in [orders.columns] give one name for each key"
    )
    return [
        Problem(
            what=f"the exchange cannot be asked for {_number(len(nameless), 'symbol')}:"
            f" {_listed(named, nameless)}",
            hint=f"{hint}, or leave the rows out with [orders] where",
        )
    ]


def _describe_nameless(symbol: OpenSymbol) -> str:
    if symbol.key is None or symbol.stored is None:
        return f"an empty one ({_place(symbol)}, {_orders(symbol)})"
    count = len(symbol.texts)
    names = "no name" if count <= 1 else f"{count:,} names"
    return f"{symbol.key} {symbol.stored[:40]} has {names} ({_orders(symbol)})"


def _place(symbol: OpenSymbol) -> str:
    """Return what stands in the table."""
    if symbol.stored is None:
        return "in the table NULL"
    if symbol.key is not None:
        return f"{symbol.key} {symbol.stored[:40]}"
    return f"in the table {shown(symbol.stored)}"


def _listed(named: Sequence[str], of: Sequence[OpenSymbol]) -> str:
    left = len(of) - len(named)
    return ", ".join([*named, f"and {left:,} more"] if left else named)


def _orders(symbol: OpenSymbol) -> str:
    return _number(symbol.orders, "open order")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
