"""The section `[orders]`: the user's table."""

import re

from reconciler.config_file.columns_section import read_columns
from reconciler.config_file.document import Findings, shown
from reconciler.config_file.orders import OrdersConfig
from reconciler.config_file.section import Section
from reconciler.config_file.shared_columns import settle_shared_columns
from reconciler.config_file.sql_text import TableName, condition_flaws, parse_table_name
from reconciler.config_file.statuses_section import read_also_write, read_statuses
from reconciler.config_file.symbols import BLANKS, Symbols

SECTION = "orders"
_KEYS = ("table", "where", "scope", "columns", "statuses", "also_write", "symbols")
_SYMBOL_KEYS = ("ignore", "strip_suffix", "rename")
_SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def read_orders(findings: Findings) -> OrdersConfig | None:
    """Read the section and all sections in it; None if there is none, or it has a problem."""
    top = Section(findings, (), findings.document.values)
    section = top.table(SECTION)
    if section is None:
        return None
    section.refuse_others(_KEYS)
    found_before = len(findings.problems)
    also_write = read_also_write(section.table("also_write"))
    columns = read_columns(section.table("columns"))
    config = OrdersConfig(
        table=_read_table(section),
        where=_read_where(section),
        scope=_read_scope(section),
        columns=settle_shared_columns(findings, columns, also_write),
        statuses=read_statuses(section.table("statuses")),
        also_write=also_write,
        symbols=_read_symbols(section.table("symbols")),
    )
    return config if len(findings.problems) == found_before else None


def _read_table(section: Section) -> TableName:
    text = section.text("table", example='"trading.orders"')
    name = TableName(name="orders") if text is None else parse_table_name(text)
    if name is not None:
        return name
    section.add(
        "table",
        f"is {shown(text)}, which is no name of a table",
        "write it as SQL does, with at most a schema before it; a name with other signs than"
        " letters, digits and _ stands in quotes: table = 'oms.\"Trade Orders\"'",
    )
    return TableName(name="orders")


def _read_where(section: Section) -> str | None:
    text = section.text("where", example='"deleted_at IS NULL"')
    for flaw in condition_flaws(text or ""):
        section.add("where", flaw.what, flaw.hint)
    return text


def _read_scope(section: Section) -> str | None:
    text = section.text("scope", example='"binance-7"')
    if text is not None and not _SCOPE.fullmatch(text):
        section.add(
            "scope",
            f"is {shown(text)}, which is no name for a scope",
            "write up to 40 letters, digits, dots, - and _, a letter or digit first",
        )
    return text


def _read_symbols(section: Section | None) -> Symbols:
    if section is None:
        return Symbols()
    section.refuse_others(_SYMBOL_KEYS)
    ignore = section.values.get("ignore", "")
    if not isinstance(ignore, str) or "\0" in ignore:
        section.add("ignore", f"is {shown(ignore)}, but must be a text", 'write ignore = "/-_: "')
        ignore = ""
    suffixes = section.texts_in("strip_suffix", example='[".BINANCE"]')
    return Symbols(
        ignore=ignore,
        strip_suffix=tuple(suffix for _, suffix in suffixes),
        rename=_read_rename(section.table("rename")),
    )


def _read_rename(section: Section | None) -> dict[str, str]:
    if section is None:
        return {}
    renamed: dict[str, str] = {}
    for theirs in section.values:
        ours = section.text(theirs, example='"BTCUSDT"')
        if theirs != theirs.strip(BLANKS) or not theirs or "\0" in theirs:
            section.add(
                theirs,
                "is no symbol: it is empty or has blanks around it, which never count",
                'write "XBT/USD" = "BTCUSD"',
            )
        elif ours is not None and ours != ours.strip(BLANKS):
            section.add(theirs, f"is {shown(ours)}, with blanks around it", "leave the blanks out")
        elif ours is not None:
            renamed[theirs] = ours
    return renamed
