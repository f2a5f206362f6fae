"""Propose the columns that identify an order, here and at the exchange: pure."""

import re

from reconciler.adoption.columns import Names, is_id, is_text
from reconciler.adoption.draft import Draft, Question
from reconciler.config_file.orders import NamedColumn
from reconciler.store.columns import ColumnInfo
from reconciler.store.discovery import Description
from reconciler.store.sampling import Sample
from reconciler.store.similar_columns import rank_as, split_name

_SAYS_ORDER = frozenset({"order_id", "orderid", "ord_id", "oid", "order_no", "order_number"})
_VAGUE = _SAYS_ORDER | {"exchange_id", "venue_id", "broker_id"}
"""May also be a key to a list of exchanges, or an id of the application's own."""

_EXCHANGES_ID = re.compile(
    "(binance|bybit|okx|okex|kraken|coinbase|kucoin|bitget|gate|mexc|htx|huobi|bitmex|deribit|bitfinex"
    "|alpaca|ib|ccxt|cex|ex|exch|exchange|venue|broker|external|remote)_(order_|ord_)?"
    "(id|oid|ref|no|number)"
)
_DISTINCT = 0.9


def own_ids(description: Description, names: Names) -> list[str]:
    """Return the columns that may be `id`: the primary key first."""
    columns, key = description.columns, description.primary_key
    if len(key) == 1 and is_id(columns[key[0]]):
        return [key[0]]
    ranked = [name for name in names.ranked("id") if is_id(columns[name])]
    in_key = [name for name in ranked if name in key]
    unique = [name for name in ranked if name in description.unique]
    return list(dict.fromkeys([*in_key, *unique, *ranked]))


def exchange_ids(description: Description, names: Names) -> list[str]:
    """Return the columns that may be `external_order_id`, the likeliest first."""
    own = own_ids(description, names)[:1]
    ranked = names.ranked("external_order_id")
    others = [
        name
        for name in description.columns
        if _words(name) in _SAYS_ORDER or _EXCHANGES_ID.fullmatch(_words(name))
    ]
    return [
        name
        for name in dict.fromkeys([*ranked, *others])
        if name not in own
        and name not in description.references
        and _can_be_exchange_id(description.columns[name])
    ]


def _can_be_exchange_id(column: ColumnInfo) -> bool:
    return is_text(column) or column.type == "bigint"


def _words(name: str) -> str:
    return "_".join(split_name(name))


def propose_ids(draft: Draft, description: Description, names: Names, sample: Sample) -> None:
    """Propose `id`, `external_order_id` and `client_order_id`."""
    _propose_own_id(draft, description, names)
    _propose_exchange_id(draft, description, names, sample)
    may_be_client = draft.unused(names.ranked("client_order_id"))
    client = next((name for name in may_be_client if is_text(description.columns[name])), None)
    if client is not None:
        draft.use(
            "client_order_id",
            NamedColumn(name=client),
            "only read, to tell one order from another",
        )


def _propose_own_id(draft: Draft, description: Description, names: Names) -> None:
    own = own_ids(description, names)
    name = draft.answers.get(("columns", "id")) or next(iter(own), None)
    if name is None or name not in description.columns:
        choices = tuple(name for name, column in description.columns.items() if is_id(column))
        draft.ask(
            Question(
                place=("columns", "id"),
                what="which column identifies a row?",
                choices=choices,
                blank='id = ""',
            )
        )
        return
    kind = description.columns[name].full_type
    if description.primary_key == (name,) or name in description.unique:
        draft.use("id", NamedColumn(name=name), f"the primary key, {kind}")
        return
    draft.use("id", NamedColumn(name=name), "")
    draft.assume(
        ("columns", "id"),
        f"{name} ({kind}) is by itself neither the primary key nor unique: CHECK that no two rows"
        " have the same",
    )


def _propose_exchange_id(
    draft: Draft, description: Description, names: Names, sample: Sample
) -> None:
    place = ("columns", "external_order_id")
    answer = draft.answers.get(place)
    if answer is not None and answer in description.columns:
        draft.use("external_order_id", NamedColumn(name=answer), "as you said")
        return
    for name in exchange_ids(description, names):
        if rank_as("external_order_id", name) is not None and _words(name) not in _VAGUE:
            kind = description.columns[name].full_type
            draft.use("external_order_id", NamedColumn(name=name), f"by its name; {kind}")
            return
        if _identifies(name, description, sample):
            draft.use("external_order_id", NamedColumn(name=name), "")
            draft.assume(
                place,
                f"{name} is taken for the exchange's id of an order: no other column has it",
            )
            return
    draft.ask(
        Question(
            place=place,
            what="which column has the exchange's id of an order? Without one no order can be asked"
            " for",
            choices=tuple(
                name for name, column in description.columns.items() if _can_be_exchange_id(column)
            ),
            comment="The column with the exchange's own id of an order: without one no order can be"
            " asked for.",
            blank='external_order_id = ""',
        )
    )


def _identifies(name: str, description: Description, sample: Sample) -> bool:
    """Return True if hardly two rows have the same value."""
    values = sample.column(name)
    if not values:
        return is_text(description.columns[name])
    return len(set(values)) >= _DISTINCT * len(values)
