"""Propose the columns that follow the status, such as `is_open`: pure. The rows have to agree."""

from collections.abc import Mapping

from reconciler.adoption.draft import Draft
from reconciler.config_file.orders import FollowingColumn
from reconciler.config_file.statuses import Statuses
from reconciler.config_file.toml_values import key_text
from reconciler.domain.status import TERMINAL
from reconciler.store.discovery import Description
from reconciler.store.sampling import Values
from reconciler.store.similar_columns import split_name

_OPEN = frozenset(
    """
    is_open open is_active active is_working working is_live live in_stack in_book on_book
    is_on_book is_pending
    """.split()  # noqa: SIM905 - a list of strings in quotes reads worse
)
_ENDED = frozenset(
    """
    is_closed closed is_done done is_finished finished is_completed completed is_complete is_ended
    ended executed is_executed is_final
    """.split()  # noqa: SIM905 - as above
)
_CERTAIN = frozenset({"is_open", "is_closed"})
"""What these say is their name. Of the others only the end is written: a row may differ before."""

MAX_FLAGS = 3


def flag_columns(description: Description) -> list[str]:
    """Return the boolean columns whose names say that an order is open, or has ended."""
    return [
        name
        for name, column in description.columns.items()
        if column.type == "boolean" and _plain(name) in _OPEN | _ENDED
    ][:MAX_FLAGS]


def _plain(name: str) -> str:
    parts = split_name(name)
    return "_".join(parts[1:] if parts[:1] == ["ft"] else parts)


def propose_flags(
    draft: Draft, flags: list[str], statuses: Statuses, counted: Values | None
) -> tuple[FollowingColumn, ...]:
    """Propose those with which all rows agree. `counted` has the rows by status and flags."""
    found = []
    for place, name in enumerate(flags):
        is_open_flag = _plain(name) in _OPEN
        agreeing, against = _compare(place, statuses, counted, is_open_flag=is_open_flag)
        line = f"{key_text(name)} = {{ ended = {str(not is_open_flag).lower()} }}"
        is_certain = _plain(name) in _CERTAIN
        if not against and (all(agreeing.values()) or is_certain):
            rows = sum(agreeing.values())
            draft.reasons["also_write", name] = (
                f"so it is in all {rows:,} rows with a known status" if rows else "by its name"
            )
            found.append(
                FollowingColumn(
                    name=name, open=is_open_flag if is_certain else None, ended=not is_open_flag
                )
            )
        elif against:
            draft.note(
                "also_write",
                f"{line}   not written: {against:,} of {against + sum(agreeing.values()):,} rows"
                " contradict it",
            )
        else:
            draft.note("also_write", f"{line}   not written: the rows do not show that it follows")
    return tuple(found)


def _compare(
    place: int, statuses: Statuses, counted: Values | None, *, is_open_flag: bool
) -> tuple[Mapping[bool, int], int]:
    """Return the rows that agree, of open and of ended orders, and those that do not."""
    agreeing, against = {True: 0, False: 0}, 0
    for (word, *flags), rows in (counted.counts if counted else {}).items():
        meaning = statuses.meanings.get(word) if word is not None else None
        if meaning is None or flags[place] is None:
            continue
        is_open = meaning not in TERMINAL
        if (flags[place] in {"true", "t"}) is (is_open is is_open_flag):
            agreeing[is_open] += rows
        else:
            against += rows
    return agreeing, against
