"""Propose which rows are followed: those of one exchange, not deleted, and no simulations. Pure."""

from collections import Counter

from reconciler.adoption.columns import is_text
from reconciler.adoption.draft import Draft, Question
from reconciler.adoption.status_words import plain
from reconciler.config_file.orders import NamedColumn
from reconciler.config_file.toml_values import comment_text, key_text, value_text
from reconciler.store.discovery import Description
from reconciler.store.sampling import Sample
from reconciler.store.similar_columns import split_name
from reconciler.store.user_table import literal, quoted

_EXCHANGES = """
    exchange exchange_name exchange_code venue venue_name connector_name connector broker
    broker_name market
    """.split()  # noqa: SIM905 - a list of strings in quotes reads worse
_ACCOUNTS = """
    account account_name account_id sub_account subaccount user_id member_id customer_id client_id
    follower_id trader_id owner_id portfolio_id api_key_id
    """.split()  # noqa: SIM905 - as above
_DELETED = frozenset({"is_deleted", "deleted"})
_SIMULATED = frozenset(
    """
    is_paper paper paper_trade is_paper_trade is_simulated simulated is_simulation is_test
    is_dry_run dry_run is_backtest backtest is_demo is_sandbox sandbox
    """.split()  # noqa: SIM905 - as above
)
_PAPER = "paper"


def exchange_columns(description: Description, *, symbol: str | None) -> list[str]:
    """Return the columns that name an exchange. `market` is one if the symbol is elsewhere."""
    by_name = {
        "_".join(split_name(name)): name
        for name, column in description.columns.items()
        if (is_text(column) or column.enum is not None) and name != symbol
    }
    return [by_name[name] for name in _EXCHANGES if name in by_name]


def account_columns(description: Description) -> list[str]:
    """Return the columns that say whose an order is."""
    by_name = {"_".join(split_name(name)): name for name in description.columns}
    return [by_name[name] for name in _ACCOUNTS if name in by_name]


def propose_filter(draft: Draft, description: Description, sample: Sample, exchange: str) -> None:
    """Add conditions. `exchange` is the one that the settings name."""
    symbol = draft.columns.get("symbol")
    named = exchange_columns(description, symbol=getattr(symbol, "name", None))
    if named:
        _filter_by_exchange(draft, sample, named[0], exchange)
    for name in account_columns(description)[:1]:
        _mention_account(draft, sample, name)
    for name, column in description.columns.items():
        words = "_".join(split_name(name))
        if words == "deleted_at" and column.type.startswith("timestamp"):
            draft.conditions.append(f"{quoted(name)} IS NULL")
        elif words in _DELETED and column.type == "boolean":
            draft.conditions.append(f"{quoted(name)} IS NOT TRUE")
        elif words in _SIMULATED and column.type == "boolean":
            draft.conditions.append(f"{quoted(name)} IS NOT TRUE")
            draft.assumptions.append(f"rows with {name} are simulations: they are not followed")


def _single_counts(sample: Sample, name: str) -> Counter[str]:
    found = sample.values.get((name,))
    counts = found.counts if found is not None else {}
    return Counter({parts[0]: rows for parts, rows in counts.items() if parts[0] is not None})


def _filter_by_exchange(draft: Draft, sample: Sample, name: str, exchange: str) -> None:
    counts = _single_counts(sample, name)
    listed = ", ".join(
        f"{comment_text(value) or '(empty)'} {rows:,}" for value, rows in counts.most_common(8)
    )
    column = key_text(name)
    if counts and all(_is_named(value, exchange) for value in counts):
        draft.use("exchange", NamedColumn(name=name), "rows of another exchange are left alone")
        return
    if len(counts) <= 1:
        said = f": {listed} rows" if counts else ""
        line = f"exchange = {value_text(name)}"
        draft.note("columns", f"{line}   not needed for one exchange{said}")
        if counts and exchange != _PAPER and plain(exchange) not in plain(next(iter(counts))):
            draft.assumptions.append(
                f"the rows are of {comment_text(next(iter(counts)))}, and EXCHANGE_NAME is"
                f" {exchange}: one of them is wrong"
            )
        return
    fitting = [value for value in counts if _is_named(value, exchange)]
    place = ("where",)
    answer = draft.answers.get(place)
    if answer is None and len(fitting) == 1:
        answer = fitting[0]
    if answer is None or answer not in counts:
        example = f"{quoted(name)} = {literal(counts.most_common(1)[0][0])}"
        draft.ask(
            Question(
                place=place,
                what=f"{column} has several exchanges ({listed}): which one is to be followed?",
                choices=tuple(value for value, _ in counts.most_common()),
                comment=f"{column} has several exchanges: {listed}. One program follows one of"
                f" them, such as where = {value_text(example)}",
                blank='where = ""',
            )
        )
        return
    draft.conditions.insert(0, f"{quoted(name)} = {literal(answer)}")
    draft.assume(
        place,
        f"{column} has several exchanges: {listed}. Only {comment_text(answer)} is followed here; a"
        " second program, with another file, where and scope, can follow another",
    )


def _is_named(value: str, exchange: str) -> bool:
    """Return True if a row with this value is followed by a program for the exchange."""
    return value.strip().lower() == exchange.lower().rpartition(":")[2]


def _mention_account(draft: Draft, sample: Sample, name: str) -> None:
    counts = _single_counts(sample, name)
    line = f"account = {value_text(name)}"
    if len(counts) <= 1:
        draft.note("columns", f"{line}   not needed for one account")
        return
    draft.note("columns", f"{line}   {len(counts):,} different values were seen")
    draft.assumptions.append(
        f"{name} has {len(counts):,} different values: if they are different accounts of the"
        " exchange, follow one of them, with where and scope: a key sees its own orders only"
    )
