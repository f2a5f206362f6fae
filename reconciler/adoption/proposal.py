"""Propose the whole of `[orders]` for a table, from its description and a sample of rows: pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.adoption.columns import Names, is_status, is_text
from reconciler.adoption.draft import Draft, Place, Proposal, Question
from reconciler.adoption.filters import account_columns, exchange_columns, propose_filter
from reconciler.adoption.flags import flag_columns, propose_flags
from reconciler.adoption.ids import exchange_ids, propose_ids
from reconciler.adoption.quantities import (
    propose_quantities,
    quantity_columns,
    remaining_columns,
)
from reconciler.adoption.status_words import Codes, codes_for
from reconciler.adoption.statuses import Words, propose_statuses
from reconciler.adoption.symbols import propose_symbols, symbol_sources
from reconciler.adoption.times import propose_times, time_columns
from reconciler.config_file.orders import NamedColumn
from reconciler.config_file.statuses import Statuses
from reconciler.domain.status import BY_VALUE
from reconciler.store.discovery import Description
from reconciler.store.sampling import Sample, Values

_TIMES = ("created_at", "updated_at", "last_synced_at")
_OUR_NAMES = {"id", "symbol", "external_order_id", "status", "executed_qty"}
"""A table with all of these was made for us: its words are ours, unless it has others."""

_SIDES = frozenset({"buy", "sell"})


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """What to read of a table for a proposal: the arguments of `take_sample`."""

    columns: Sequence[str]
    counted: Sequence[tuple[str, ...]]
    times: Sequence[str]
    lookups: Sequence[str]


def status_columns(description: Description, names: Names) -> list[str]:
    """Return the columns that may be `status`."""
    return [name for name in names.ranked("status") if is_status(description.columns[name])]


def plan_sample(
    description: Description, answers: Mapping[Place, str] | None = None
) -> SamplingPlan:
    """Return what to read of a table, with the columns that a person has named."""
    named = {place[1]: name for place, name in (answers or {}).items() if place[0] == "columns"}
    names = Names.of(description.columns)
    flags = flag_columns(description)
    sources = symbol_sources(description, names)
    times = [name for key in _TIMES for name in time_columns(description, names, key)]
    read = [
        *exchange_ids(description, names),
        *remaining_columns(description),
        *times,
        *(
            name
            for key in ("executed_qty", "avg_price", "qty")
            for name in quantity_columns(description, names, key)
        ),
    ]
    others = [
        *exchange_columns(description, symbol=None),
        *account_columns(description)[:1],
        *names.ranked("side"),
    ]
    counted: list[tuple[str | None, ...]] = [
        *((name, *flags) for name in [*status_columns(description, names), named.get("status")]),
        (named.get("symbol"),),
        *(source.counted for source in sources if source.counted),
        *((name,) for name in others),
    ]
    return SamplingPlan(
        columns=_readable(description, read),
        counted=[
            readable
            for together in dict.fromkeys(counted)
            if len(readable := tuple(_readable(description, together))) == len(together)
        ],
        times=[
            name
            for name in _readable(description, times)
            if description.columns[name].type.startswith("timestamp")
        ],
        lookups=list(dict.fromkeys(source.lookup for source in sources if source.lookup)),
    )


def _readable(description: Description, names: Sequence[str | None]) -> list[str]:
    columns = description.columns
    known = [name for name in dict.fromkeys(names) if name is not None and name in columns]
    return [name for name in known if columns[name].is_readable]


def propose(
    description: Description,
    sample: Sample,
    *,
    exchange: str,
    answers: Mapping[Place, str] | None = None,
) -> Proposal:
    """Propose what the configuration file says of a table.

    Args:
        description: The table.
        sample: What its rows say, read as `plan_sample` has it.
        exchange: The exchange that the settings name.
        answers: What a person has said, by the places of the questions.
    """
    names = Names.of(description.columns)
    draft = Draft(answers=answers or {})
    propose_ids(draft, description, names, sample)
    symbols = propose_symbols(
        draft, symbol_sources(description, names), sample, _unresolved_keys(description, names)
    )
    column, words, counted = _best_status(draft, description, names, sample)
    statuses = Statuses(meanings={})
    if column is not None:
        draft.use("status", NamedColumn(name=column), description.columns[column].full_type)
        statuses = propose_statuses(draft, words)
    propose_quantities(draft, description, names, sample)
    propose_times(draft, description, names, sample)
    _propose_side(draft, description, names, sample)
    propose_filter(draft, description, sample, exchange)
    if description.relation.is_view:
        draft.assumptions.append(
            "this is a view: reconciler check tries whether its rows can be locked and written"
        )
    return Proposal(
        table=description.relation.table,
        where=" AND ".join(draft.conditions) or None,
        columns=draft.columns,
        statuses=statuses,
        also_write=propose_flags(draft, flag_columns(description), statuses, counted),
        symbols=symbols,
        reasons=draft.reasons,
        notes=draft.notes,
        assumptions=draft.assumptions,
        questions=draft.questions,
    )


def _unresolved_keys(description: Description, names: Names) -> list[str]:
    return [name for name in names.ranked("symbol") if not is_text(description.columns[name])]


def _best_status(
    draft: Draft, description: Description, names: Names, sample: Sample
) -> tuple[str | None, Words, Values | None]:
    """Return the column whose words are known for most rows, with its words."""
    candidates = status_columns(description, names)
    has_our_names = description.columns.keys() >= _OUR_NAMES
    answer = draft.answers.get(("columns", "status"))
    if answer is not None and answer in description.columns:
        candidates = [answer]
    flags = flag_columns(description)
    found = []
    for name in candidates:
        counted = sample.values.get((name, *flags))
        words = _words_of(description, name, counted)
        if has_our_names and words.rows.keys() <= BY_VALUE.keys():
            words = replace(words, rows={**dict.fromkeys(BY_VALUE, 0), **words.rows})
        found.append((name, words, counted))
    if not found:
        draft.ask(
            Question(
                place=("columns", "status"),
                what="which column has the status?",
                choices=tuple(
                    name for name, column in description.columns.items() if is_status(column)
                ),
                blank='status = ""',
            )
        )
        return None, Words(rows={}), None
    return max(found, key=lambda one: (one[1].known_rows, _known_words(one[1])))


def _known_words(words: Words) -> int:
    return sum(words.sense(word) is not None for word in words.rows)


def _words_of(description: Description, name: str, counted: Values | None) -> Words:
    column = description.columns[name]
    rows: Counter[str | None] = Counter()
    for parts, count in (counted.counts if counted else {}).items():
        rows[parts[0]] += count
    defined = column.enum.labels if column.enum is not None else description.allowed.get(name, ())
    for word in defined:
        rows.setdefault(word, 0)
    codes: Codes | None = codes_for(name, description.columns)
    return Words(
        rows={word: count for word, count in rows.items() if word is not None},
        without=rows.get(None, 0),
        codes=codes,
        is_estimate=counted.is_estimate if counted else False,
    )


def _propose_side(draft: Draft, description: Description, names: Names, sample: Sample) -> None:
    """Use a column with the words buy and sell, in any case."""
    for name in draft.unused(names.ranked("side")):
        column = description.columns[name]
        found = sample.values.get((name,))
        labels = column.enum.labels if column.enum is not None else ()
        seen = {parts[0] for parts in found.counts} if found is not None else set()
        words = {word.casefold() for word in [*labels, *seen] if word is not None} or _SIDES
        if (is_text(column) or labels) and words <= _SIDES:
            draft.use("side", NamedColumn(name=name), "only read, to tell one order from another")
            return
