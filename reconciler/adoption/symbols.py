"""Propose where the symbols are, and how they become the exchange's: pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.adoption.columns import Names, is_text
from reconciler.adoption.draft import Draft, Place, Question
from reconciler.config_file.orders import JoinedColumns, NamedColumn, QueriedColumn
from reconciler.config_file.symbols import BLANKS, Symbols
from reconciler.config_file.toml_values import comment_text, value_text
from reconciler.store.columns import ColumnInfo
from reconciler.store.discovery import Description, Reference
from reconciler.store.sampling import Sample
from reconciler.store.similar_columns import split_name
from reconciler.store.user_table import quoted, quoted_name

_SEPARATORS = "/-_: ."
_QUOTE_ASSETS = re.compile(
    r"(USDT?|USDC|BUSD|FDUSD|TUSD|DAI|BTC|XBT|ETH|BNB|EUR|GBP|JPY|TRY|BRL|AUD|CHF|CAD|KRW|UAH|RUB"
    r"|SOL|TRX|USDE|EURI|PLN|ZAR|MXN|IDR|INR)$"
)
_VENUE = re.compile(r"^[^.]+(\.[A-Za-z][A-Za-z0-9_]*)$")
_SETTLED = re.compile(r"^[A-Za-z0-9]+[/_-]?[A-Za-z0-9]+(:[A-Za-z0-9]+)$")
_ASSETS = ("", "_asset", "_currency", "_symbol", "_ccy", "_coin", "_unit")
_BASES = tuple(f"base{ending}" for ending in _ASSETS)
_QUOTES = tuple(f"quote{ending}" for ending in _ASSETS)
_NAMES = (
    "symbol",
    "exchange_symbol",
    "name",
    "code",
    "ticker",
    "pair",
    "market",
    "raw_symbol",
    "trading_pair",
    "currency_pair",
    "slug",
)
_SYMBOL_WORDS = frozenset({"symbol", "pair", "instrument", "ticker"})
_MOST = 0.8
_KEY_NAME = re.compile(r"(^|_)(id|uuid|key|fk)$")
MAX_SUFFIXES = 10
MAX_LOOKED_UP = 500


@dataclass(frozen=True, kw_only=True)
class SymbolSource:
    """A way to get at the symbols of a table.

    Attributes:
        column: As the configuration file says it.
        counted: The columns whose values show the symbols; empty for a query.
        lookup: The query for all symbols, if a key leads to them.
    """

    column: NamedColumn | JoinedColumns | QueriedColumn
    counted: tuple[str, ...] = ()
    lookup: str = ""
    is_key: bool = False

    def values(self, sample: Sample) -> list[str]:
        """Return the symbols in a sample, as they are stored or looked up."""
        if self.lookup:
            return list(sample.symbols.get(self.lookup, ()))
        found = sample.values.get(self.counted)
        counts = {} if found is None else found.counts
        return [
            "".join(part.strip(BLANKS) for part in parts if part is not None)
            for parts in counts
            if None not in parts
        ]


def symbol_sources(description: Description, names: Names) -> list[SymbolSource]:
    """Return the ways to the symbols, the likeliest first."""
    columns = description.columns
    texts = [
        SymbolSource(
            column=NamedColumn(name=name),
            counted=(name,),
            is_key=_KEY_NAME.search("_".join(split_name(name))) is not None,
        )
        for name in dict.fromkeys([*names.ranked("symbol"), *_like_symbols(columns)])
        if is_text(columns[name]) or columns[name].enum is not None
    ]
    base, quote = _named(_BASES, columns), _named(_QUOTES, columns)
    joined = (
        [SymbolSource(column=JoinedColumns(names=(base, quote)), counted=(base, quote))]
        if base and quote
        else []
    )
    queried = [
        source
        for name in names.ranked("symbol")
        if name in description.references
        and (source := _lookup(name, description.references[name])) is not None
    ]
    plain = [source for source in texts if not source.is_key]
    return [*plain, *joined, *(one for one in texts if one.is_key), *queried]


def _like_symbols(columns: Iterable[str]) -> list[str]:
    """Return the columns whose names have a word for a symbol in them, as `pair_symbol` has."""
    return [name for name in columns if _SYMBOL_WORDS & set(split_name(name))]


def _named(names: Sequence[str], columns: Mapping[str, ColumnInfo]) -> str | None:
    by_name = {"_".join(split_name(name)): name for name in columns if is_text(columns[name])}
    return next((by_name[name] for name in names if name in by_name), None)


def _lookup(column: str, reference: Reference) -> SymbolSource | None:
    """Return the source for a key, if the table that it leads to has a text that says the pair."""
    expression = _expression(reference)
    if expression is None:
        return None
    selected, source = expression
    query = f"SELECT {selected} FROM {source} WHERE p.{quoted(reference.key)} = :value"  # noqa: S608 - quoted
    return SymbolSource(
        column=QueriedColumn(name=column, query=query),
        lookup=f"SELECT {selected} FROM {source} LIMIT {MAX_LOOKED_UP}",  # noqa: S608 - quoted
    )


def _expression(reference: Reference) -> tuple[str, str] | None:
    table = f"{quoted_name(reference.table)} AS p"
    base, quote = _named(_BASES, reference.columns), _named(_QUOTES, reference.columns)
    name = _named(_NAMES, reference.columns)
    if name is not None and not (base and quote and name == "name"):
        return f"p.{quoted(name)}", table
    if base and quote:
        return f"p.{quoted(base)} || p.{quoted(quote)}", table
    return _expression_over_assets(reference, table)


def _expression_over_assets(reference: Reference, table: str) -> tuple[str, str] | None:
    """Return what joins the names of two assets to which a pair's keys lead."""
    keys = {"_".join(split_name(name)).removesuffix("_id"): name for name in reference.references}
    found = []
    for alias, wanted in (("b", _BASES), ("q", _QUOTES)):
        key = next((keys[name] for name in wanted if name in keys), None)
        asset = reference.references[key] if key is not None else None
        text = _named(("code", *_NAMES), asset.columns) if asset is not None else None
        if key is None or asset is None or text is None:
            return None
        found.append((alias, key, asset, text))
    joins = " ".join(
        f"JOIN {quoted_name(asset.table)} AS {alias}"
        f" ON {alias}.{quoted(asset.key)} = p.{quoted(key)}"
        for alias, key, asset, _ in found
    )
    selected = " || ".join(f"{alias}.{quoted(text)}" for alias, _, _, text in found)
    return selected, f"{table} {joins}"


def propose_symbols(
    draft: Draft, sources: Sequence[SymbolSource], sample: Sample, keys: Sequence[str]
) -> Symbols:
    """Propose the column and the rules for its symbols.

    `keys` are columns that may lead to a symbol in a way that is not known.
    """
    place: Place = ("columns", "symbol")
    source = _best(sources, sample)
    if place in draft.answers:
        source = SymbolSource(
            column=NamedColumn(name=draft.answers[place]), counted=(draft.answers[place],)
        )
    if source is None:
        _ask_for_symbol(draft, keys)
        return Symbols()
    values = source.values(sample)
    draft.use("symbol", source.column, _reason(values))
    if not _look_like_symbols(values):
        draft.assumptions.append(f"the symbols ({_reason(values)}) do not look like an exchange's")
    return _rules(draft, values)


def _best(sources: Sequence[SymbolSource], sample: Sample) -> SymbolSource | None:
    """Return the first source whose values look like symbols, or the first that is no key."""
    by_nulls = sorted(sources, key=lambda source: _has_nulls(source, sample))
    for source in by_nulls:
        values = source.values(sample)
        if values and _look_like_symbols(values):
            return source
    return next((source for source in by_nulls if not source.is_key), None)


def _look_like_symbols(values: Sequence[str]) -> bool:
    return sum(map(looks_like_symbol, values)) >= _MOST * len(values)


def _has_nulls(source: SymbolSource, sample: Sample) -> bool:
    found = sample.values.get(source.counted)
    return found is not None and any(None in parts for parts in found.counts)


def looks_like_symbol(text: str) -> bool:
    """Return True if a text ends with an asset that others are quoted in: `btc_usdt`, `XBT/EUR`."""
    symbol = text.strip(BLANKS)
    venue = _VENUE.match(symbol)
    settled = _SETTLED.match(symbol)
    for found in (venue, settled):
        symbol = symbol.removesuffix(found[1]) if found else symbol
    letters = "".join(sign for sign in symbol if sign not in _SEPARATORS).upper()
    return letters.isalnum() and _QUOTE_ASSETS.search(letters) is not None and len(letters) > 4  # noqa: PLR2004 - as A/USD


def _ask_for_symbol(draft: Draft, keys: Sequence[str]) -> None:
    column = value_text(keys[0]) if keys else '""'
    query = '"SELECT name FROM pairs WHERE id = :value"'
    example = f"{{ query = {query}, column = {column} }}"
    draft.ask(
        Question(
            place=("columns", "symbol"),
            what="which column has the symbol?"
            if not keys
            else f"{keys[0]} is a key: which query gives the exchange's symbol for it?",
            is_for_file=bool(keys),
            comment=f"The query that gives the exchange's symbol for the key: {example}"
            if keys
            else "",
            blank=f'symbol = {{ query = "", column = {column} }}' if keys else 'symbol = ""',
        )
    )


def _reason(values: Sequence[str]) -> str:
    if not values:
        return "by its name; there are no rows that could show it"
    examples = ", ".join(comment_text(value) for value in sorted(values)[:3])
    return f"such as {examples}"


def _rules(draft: Draft, values: Sequence[str]) -> Symbols:
    trimmed = [value.strip(BLANKS) for value in values if value.strip(BLANKS)]
    suffixes = _suffixes(trimmed)
    if len(suffixes) > MAX_SUFFIXES:
        suffixes = ()
    bare = [Symbols(strip_suffix=suffixes).normalize(value) for value in trimmed]
    ignored = "".join(
        sign for sign in _SEPARATORS if any(_separates(sign, value) for value in bare)
    )
    rules = Symbols(ignore=ignored, strip_suffix=suffixes)
    if ignored:
        draft.reasons["symbols", "ignore"] = "seen in the symbols"
    if suffixes:
        draft.reasons["symbols", "strip_suffix"] = "every symbol ends with this"
    if any(suffix.startswith(":") for suffix in suffixes):
        draft.assumptions.append(
            "symbols with a settlement asset (:USDT) are of derivatives: check that the exchange"
            " lists them"
        )
    small = sorted({value for value in trimmed if _has_small_letters(rules.normalize(value))})
    return _with_capitals(draft, rules, small)


def _has_small_letters(symbol: str) -> bool:
    return symbol != symbol.upper()


def _suffixes(values: Sequence[str]) -> tuple[str, ...]:
    for pattern in (_VENUE, _SETTLED):
        found = [pattern.match(value) for value in values]
        if values and all(found):
            return tuple(sorted({match[1] for match in found if match is not None}))
    return ()


def _separates(sign: str, value: str) -> bool:
    return any(0 < place < len(value) - 1 for place, found in enumerate(value) if found == sign)


def _with_capitals(draft: Draft, rules: Symbols, small: Sequence[str]) -> Symbols:
    """Turn small letters into capitals, as exchanges list their symbols."""
    if not small:
        return rules
    match draft.columns["symbol"]:
        case NamedColumn(name=name):
            draft.use(
                "symbol",
                QueriedColumn(name=name, query="SELECT upper(:value)"),
                f"such as {comment_text(small[0])}; exchanges list symbols in capitals",
            )
        case QueriedColumn(name=name, query=query):
            selected, _, rest = query.removeprefix("SELECT ").partition(" FROM ")
            draft.columns["symbol"] = QueriedColumn(
                name=name,
                query=f"SELECT upper({selected}) FROM {rest}",  # noqa: S608 - quoted
            )
        case JoinedColumns():
            draft.reasons["symbols", "rename"] = (
                "exchanges list symbols in capitals; add each new one"
            )
            return Symbols(
                ignore=rules.ignore,
                strip_suffix=rules.strip_suffix,
                rename={value: rules.normalize(value).upper() for value in small},
            )
    return rules
