"""The section `[orders.columns]`: our names, and where each value is in the user's table."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from reconciler.config_file.document import nearest_name, shown
from reconciler.config_file.orders import (
    COLUMN_KEYS,
    UTC,
    Columns,
    Constant,
    JoinedColumns,
    NamedColumn,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    SideTable,
    TimeColumn,
    TimeUnit,
)
from reconciler.config_file.section import Section
from reconciler.config_file.sql_text import query_flaws
from reconciler.config_file.time_zones import is_zone, nearest_zone

SIDE_TABLE_WORD = "side-table"

MAX_EXPONENT = 30
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")

_UNITS = (
    *(unit.value for unit in TimeUnit if unit is not TimeUnit.NAIVE),
    "naive-utc",
    "naive:Europe/Berlin",
)


def read_columns(section: Section | None) -> Columns:
    """Read the section. Where it has problems, the columns are not complete."""
    if section is None:
        return Columns()
    section.refuse_others(COLUMN_KEYS)
    found: dict[str, Any] = {key: _read_column(section, key) for key in COLUMN_KEYS}
    given = {key: column for key, column in found.items() if column is not None}
    named = frozenset(given)
    executed = given.get("executed_qty")
    if isinstance(executed, RemainingColumn):
        given["qty"] = _read_whole(section, executed, given.get("qty"))
    return Columns(**given, named=named)


def _read_whole(
    section: Section, executed: RemainingColumn, qty: QuantityColumn | None
) -> QuantityColumn:
    """Return the quantity ordered: what `executed_qty` remains of is nothing else."""
    whole = QuantityColumn(name=executed.of, scale=executed.scale)
    if qty is not None and (qty.name, qty.scale) not in {
        (whole.name, whole.scale),
        (whole.name, Decimal(1)),
    }:
        section.add(
            "qty",
            f"is another column than executed_qty remains of, {shown(executed.of)}",
            "remove qty: what remains, remains of the quantity ordered",
        )
    return whole


def _read_column(section: Section, key: str) -> object | None:
    match key:
        case "symbol":
            return _read_symbol(section)
        case "executed_qty" | "avg_price" | "qty":
            return _read_quantity(section, key)
        case "created_at" | "updated_at" | "last_synced_at":
            return _read_time(section, key)
        case "exchange" | "account":
            return _read_column_or_constant(section, key)
        case _:
            name = section.column(key)
            return None if name is None else NamedColumn(name=name)


def _inner(section: Section, key: str, forms: Iterable[str]) -> Section | None:
    """Return the inline table of a column, or None if it is a plain name or missing."""
    value = section.values.get(key)
    if isinstance(value, dict):
        return section.table(key)
    if value is not None and not isinstance(value, str):
        section.add(
            key, f"is {shown(value)}, but must name a column", f"write {key} = {' or '.join(forms)}"
        )
    return None


def _read_symbol(section: Section) -> NamedColumn | JoinedColumns | QueriedColumn | None:
    forms = (
        '"market"',
        '{ join = ["base", "quote"] }',
        '{ query = "SELECT name FROM pairs WHERE id = :value", column = "pair_id" }',
    )
    inner = _inner(section, "symbol", forms)
    if inner is None:
        name = _plain_name(section, "symbol")
        return None if name is None else NamedColumn(name=name)
    if "join" in inner.values:
        inner.refuse_others(("join",))
        return _read_join(inner)
    inner.refuse_others(("join", "query", "column"))
    if not inner.needs(("query", "column")):
        return None
    query, column = inner.text("query", example=forms[2]), inner.column("column")
    if query is not None:
        for flaw in query_flaws(query):
            inner.add("query", flaw.what, flaw.hint)
    return None if query is None or column is None else QueriedColumn(name=column, query=query)


def _read_join(inner: Section) -> JoinedColumns | None:
    example = '["base", "quote"]'
    names = [
        name
        for place, name in inner.texts_in("join", example=example)
        if _is_column_in_list(inner, place, name)
    ]
    value = inner.values["join"]
    if isinstance(value, list) and len(value) < len(("base", "quote")):
        inner.add("join", "has fewer than two columns", f"name both: join = {example}")
    elif len(set(names)) < len(names):
        inner.add("join", "names a column twice", f"name each once: join = {example}")
    return JoinedColumns(names=tuple(names))


def _is_column_in_list(inner: Section, place: int, name: str) -> bool:
    listed = Section(inner.findings, (*inner.path, "join"), {})
    return listed.checked_column(place, name) is not None


def _plain_name(section: Section, key: str) -> str | None:
    return section.column(key) if isinstance(section.values.get(key), str) else None


def _read_quantity(section: Section, key: str) -> QuantityColumn | RemainingColumn | None:
    forms = ['"filled"', '{ column = "filled_e6", scale = "1e-6" }']
    can_remain = key == "executed_qty"
    if can_remain:
        forms.append('{ remaining = "left", of = "quantity" }')
    inner = _inner(section, key, forms)
    if inner is None:
        name = _plain_name(section, key)
        return None if name is None else QuantityColumn(name=name)
    if can_remain and ("remaining" in inner.values or "of" in inner.values):
        inner.refuse_others(("remaining", "of", "scale"))
        if not inner.needs(("remaining", "of")):
            return None
        remaining, of = inner.column("remaining"), inner.column("of")
        scale = _read_scale(inner)
        if remaining is None or of is None:
            return None
        return RemainingColumn(name=remaining, of=of, scale=scale)
    inner.refuse_others(("column", "scale", *(("remaining", "of") if can_remain else ())))
    if not inner.needs(("column",)):
        return None
    name, scale = inner.column("column"), _read_scale(inner)
    return None if name is None else QuantityColumn(name=name, scale=scale)


def _read_scale(inner: Section) -> Decimal:
    """Return what a column's value is multiplied by; 1 if that is not given, or wrong."""
    value = inner.values.get("scale")
    hint = (
        'write a power of ten in quotes: scale = "1e-6" if the column has millionths, or'
        ' scale = "0.000001"'
    )
    match value:
        case None:
            return Decimal(1)
        case bool() | float():
            inner.add("scale", f"is {shown(value)}, which is not exact", hint)
        case int() | str() if isinstance(value, int) or _DECIMAL.fullmatch(value):
            scale = Decimal(value)
            if _is_power_of_ten(scale):
                return scale
            inner.add("scale", f"is {shown(value)}, which is no power of ten", hint)
        case _:
            inner.add("scale", f"is {shown(value)}, which is no number", hint)
    return Decimal(1)


def _is_power_of_ten(scale: Decimal) -> bool:
    _, digits, exponent = scale.normalize().as_tuple()
    return (
        scale > 0 and digits == (1,) and isinstance(exponent, int) and abs(exponent) <= MAX_EXPONENT
    )


def _read_time(section: Section, key: str) -> TimeColumn | SideTable | None:
    is_sync_time = key == "last_synced_at"
    forms = ['"name"', '{ column = "created_ms", unit = "epoch-ms" }']
    if is_sync_time:
        forms.append(f'"{SIDE_TABLE_WORD}"')
    inner = _inner(section, key, forms)
    if inner is None:
        name = _plain_name(section, key)
        if name == SIDE_TABLE_WORD and is_sync_time:
            return SideTable()
        return None if name is None else TimeColumn(name=name)
    inner.refuse_others(("column", "unit"))
    if not inner.needs(("column",)):
        return None
    name, unit = inner.column("column"), inner.text("unit", example='"epoch-ms"')
    if name is None:
        return None
    if unit is None:
        return TimeColumn(name=name)
    kind, zone = _read_unit(inner, unit)
    return TimeColumn(name=name, unit=kind, zone=zone)


def _read_unit(inner: Section, unit: str) -> tuple[TimeUnit, str | None]:
    kind, colon, zone = unit.partition(":")
    if kind == TimeUnit.NAIVE and not zone:
        inner.add(
            "unit",
            f"is {shown(unit)}, which does not say of which zone the times are",
            'write unit = "naive-utc", or with the zone: unit = "naive:Europe/Berlin"',
        )
        return TimeUnit.NAIVE, UTC
    if kind == TimeUnit.NAIVE:
        if not is_zone(zone):
            known_zone = nearest_zone(zone) or "Europe/Berlin"
            inner.add(
                "unit",
                f"names the zone {shown(zone)}, which does not exist",
                f'write it as in the tz database: unit = "naive:{known_zone}"',
            )
        return TimeUnit.NAIVE, zone
    if unit == "naive-utc":
        return TimeUnit.NAIVE, UTC
    if colon or unit not in set(TimeUnit):
        nearest = nearest_name(unit, _UNITS)
        inner.add(
            "unit",
            f"is {shown(unit)}, which is no unit of time",
            f'write unit = "{nearest}"' if nearest else f"write one of: {', '.join(_UNITS)}",
        )
        return TimeUnit.TIMESTAMPTZ, None
    return TimeUnit(unit), None


def _read_column_or_constant(section: Section, key: str) -> NamedColumn | Constant | None:
    inner = _inner(section, key, ('"column"', '{ constant = "value" }'))
    if inner is None:
        name = _plain_name(section, key)
        return None if name is None else NamedColumn(name=name)
    inner.refuse_others(("constant",))
    if not inner.needs(("constant",)):
        return None
    value = inner.text("constant", example='"binance"')
    return None if value is None else Constant(value=value)
