"""Propose where quantities and the average price are: pure. A scale is never guessed."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from reconciler.adoption.columns import Names, is_quantity, is_text
from reconciler.adoption.draft import LEAVE_OUT, Draft, Question
from reconciler.config_file.orders import QuantityColumn, RemainingColumn
from reconciler.config_file.toml_values import value_text
from reconciler.store.column_types import INTEGERS
from reconciler.store.columns import ColumnInfo
from reconciler.store.discovery import Description
from reconciler.store.sampling import Sample
from reconciler.store.similar_columns import split_name
from reconciler.store.user_table import quoted

REMAINING = """
    remaining remaining_qty remaining_quantity remaining_amount remaining_size remaining_volume
    quantity_left qty_left amount_left volume_left left left_qty quantity_remaining qty_remaining
    amount_remaining volume_remaining size_remaining leaves_qty leaves_quantity leaves open_qty
    open_quantity unfilled unfilled_qty unfilled_quantity outstanding_qty
    """.split()  # noqa: SIM905 - a list of strings in quotes reads worse
_IN_UNITS = re.compile(r"e([0-9]{1,2})")
_FLOAT_ERROR = Decimal("1e-6")


def remaining_columns(description: Description) -> list[str]:
    """Return the columns that may have what is not executed yet, the best name first."""
    by_name = {
        "_".join(split_name(name)): name
        for name, column in description.columns.items()
        if is_quantity(column)
    }
    found = [by_name[name] for name in REMAINING if name in by_name]
    # peatio and those made from it: `volume` is what is left of `origin_volume`.
    if "volume" in by_name and {"origin_volume", "original_volume"} & by_name.keys():
        found.append(by_name["volume"])
    return found


def quantity_columns(description: Description, names: Names, key: str) -> list[str]:
    """Return the columns that may be `executed_qty`, `avg_price` or `qty`."""
    return [name for name in names.ranked(key) if is_quantity(description.columns[name])]


def propose_quantities(
    draft: Draft, description: Description, names: Names, sample: Sample
) -> None:
    """Propose `executed_qty`, `qty` and `avg_price`."""
    columns = description.columns
    left = draft.unused(remaining_columns(description))
    may_be_ordered = draft.unused(quantity_columns(description, names, "qty"))
    ordered = next((name for name in may_be_ordered if name not in left), None)
    executed = next(
        (
            name
            for name in draft.unused(quantity_columns(description, names, "executed_qty"))
            if _are_numbers(columns[name], name, sample)
        ),
        None,
    )
    answer = draft.answers.get(("columns", "executed_qty"))
    if answer is not None and answer in columns:
        executed = answer
    if executed is not None:
        _use_executed(draft, columns, executed, ordered, sample)
        if left:
            draft.assumptions.append(
                f"{left[0]} is not written: after a correction it is as the application left it"
            )
    elif left and ordered is not None:
        _use_remaining(draft, columns, left[0], ordered, sample)
    else:
        draft.ask(
            Question(
                place=("columns", "executed_qty"),
                what="which column has the executed quantity?",
                choices=tuple(name for name, column in columns.items() if is_quantity(column)),
                blank='executed_qty = ""',
            )
        )
    if ordered is not None:
        _use_ordered(draft, columns, ordered)
    _use_average(draft, description, names, sample)
    _leave_out_negative(draft, executed or (left[0] if left else None), ordered, sample)


def _are_numbers(column: ColumnInfo, name: str, sample: Sample) -> bool:
    return not is_text(column) or all(_number(text) is not None for text in sample.column(name))


def _number(text: str | None) -> Decimal | None:
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _scale_of(columns: Mapping[str, ColumnInfo], name: str) -> Decimal | None:
    """Return the scale of a column; None if it has whole numbers and its name says none."""
    named = _IN_UNITS.fullmatch(split_name(name)[-1])
    if named is not None:
        return Decimal(1).scaleb(-int(named[1]))
    return None if columns[name].type in INTEGERS else Decimal(1)


def _use_executed(
    draft: Draft,
    columns: Mapping[str, ColumnInfo],
    name: str,
    ordered: str | None,
    sample: Sample,
) -> None:
    scale = _scale_of(columns, name)
    if scale is None:
        scale = _ask_for_scale(draft, "executed_qty", name, f"column = {value_text(name)}", sample)
    if scale is not None:
        draft.use(
            "executed_qty",
            QuantityColumn(name=name, scale=scale),
            f"{columns[name].full_type}{_compared(name, ordered, sample)}",
        )


def _compared(executed: str, ordered: str | None, sample: Sample) -> str:
    """Say how many rows have no more executed than ordered."""
    if ordered is None:
        return ""
    pairs = [
        (abs(done), abs(total))
        for row in sample.rows
        if (done := _number(row.get(executed))) is not None
        and (total := _number(row.get(ordered))) is not None
    ]
    if not pairs:
        return ""
    within = sum(done <= total * (1 + _FLOAT_ERROR) for done, total in pairs)
    if within == len(pairs):
        return f"; at most {ordered} in all {within:,} rows that were looked at"
    return (
        f"; to check: more than {ordered} in {len(pairs) - within:,} of {len(pairs):,} rows. Is one"
        " of them in the quote currency?"
    )


def _use_remaining(
    draft: Draft,
    columns: Mapping[str, ColumnInfo],
    left: str,
    ordered: str,
    sample: Sample,
) -> None:
    scale = _scale_of(columns, left)
    if scale is None:
        inner = f"remaining = {value_text(left)}, of = {value_text(ordered)}"
        scale = _ask_for_scale(draft, "executed_qty", left, inner, sample)
    if scale is not None:
        draft.use(
            "executed_qty",
            RemainingColumn(name=left, of=ordered, scale=scale),
            f"{left} is what remains of {ordered}{_compared(left, ordered, sample)}",
        )


def _ask_for_scale(draft: Draft, key: str, name: str, inner: str, sample: Sample) -> Decimal | None:
    examples = ", ".join(dict.fromkeys(sample.column(name)[:20]))[:60] or "no rows"
    answer = draft.ask(
        Question(
            place=("columns", key, "scale"),
            what=f"{name} has whole numbers ({examples}): what is one of them? 1e-6 for millionths",
            comment=f'{name} has whole numbers: write "1e-6" if they are millionths, "1" for units',
            blank=f'{key} = {{ {inner}, scale = "" }}',
        )
    )
    number = _number(answer)
    return number if number is not None and number > 0 else None


def _use_ordered(draft: Draft, columns: Mapping[str, ColumnInfo], name: str) -> None:
    scale = _scale_of(columns, name)
    executed = draft.columns.get("executed_qty")
    if scale is None and isinstance(executed, QuantityColumn | RemainingColumn):
        scale = executed.scale
    if scale is not None:
        draft.use(
            "qty",
            QuantityColumn(name=name, scale=scale),
            f"{columns[name].full_type}; only read, to tell one order from another",
        )


def _use_average(draft: Draft, description: Description, names: Names, sample: Sample) -> None:
    columns = description.columns
    found = draft.unused(quantity_columns(description, names, "avg_price"))
    name = next((one for one in found if _are_numbers(columns[one], one, sample)), None)
    if name is None:
        draft.note("columns", "no column has the average price: it is not written")
        return
    scale = _scale_of(columns, name)
    if scale is None:
        place = ("columns", "avg_price", "scale")
        answer = draft.ask(
            Question(
                place=place,
                what=f"{name} has whole numbers: what is one of them? 1e-6 for millionths",
                default=None if name == "avg_price" else LEAVE_OUT,
                blank=f'avg_price = {{ column = {value_text(name)}, scale = "" }}',
            )
        )
        scale = _number(answer)
        if scale is None or scale <= 0:
            draft.note(
                "columns",
                f'avg_price = {{ column = {value_text(name)}, scale = "..." }}   not written: the'
                " column has whole numbers, of which the scale is not known",
            )
            return
    draft.use("avg_price", QuantityColumn(name=name, scale=scale), columns[name].full_type)


def _leave_out_negative(
    draft: Draft, executed: str | None, ordered: str | None, sample: Sample
) -> None:
    """Follow no row whose quantity has a sign, as where a sale is negative."""
    negative = {
        name: any((_number(text) or 0) < 0 for text in sample.column(name))
        for name in (executed, ordered)
        if name is not None
    }
    if not any(negative.values()):
        return
    signed = ordered if ordered is not None and negative.get(ordered) else executed
    if signed is None:
        return
    draft.conditions.append(f"{quoted(signed)} > 0")
    draft.assumptions.append(
        f"{signed} is negative in some rows, as for a sale: an exchange's quantities have no sign,"
        " so these rows are not followed"
    )
