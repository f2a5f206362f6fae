"""Propose where times are and what they count: pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from reconciler.adoption.columns import Names, is_text, is_time
from reconciler.adoption.draft import Draft, Question
from reconciler.config_file.columns_section import SIDE_TABLE_WORD
from reconciler.config_file.orders import EPOCH_PLACES, SideTable, TimeColumn, TimeUnit
from reconciler.config_file.orders import UTC as UTC_ZONE
from reconciler.config_file.time_zones import is_zone
from reconciler.config_file.toml_values import value_text
from reconciler.store.column_types import NAIVE_TIMESTAMP, TIMESTAMPTZ
from reconciler.store.discovery import Description
from reconciler.store.sampling import Sample

_FROM, _TO = 946_684_800, 4_102_444_800
"""The years 2000 and 2100 in seconds: a count of milliseconds is a thousand times as large."""

_TOLERANCE = timedelta(minutes=2)
_RECENT = timedelta(hours=1)
_FURTHEST_ZONE = timedelta(hours=14)
_UTC_ZONES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Universal", "Zulu", "UCT", "Etc/UCT"})
_CLOCKS = ("now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "clock_timestamp()")


def time_columns(description: Description, names: Names, key: str) -> list[str]:
    """Return the columns that may be one of our times."""
    return [name for name in names.ranked(key) if is_time(description.columns[name])]


def propose_times(draft: Draft, description: Description, names: Names, sample: Sample) -> None:
    """Propose `created_at`, `updated_at` and `last_synced_at`."""
    for key in ("created_at", "updated_at"):
        for name in draft.unused(time_columns(description, names, key)):
            if _use(draft, description, key, name, sample):
                break
    _use_sync_time(draft, description, names, sample)


def _use_sync_time(draft: Draft, description: Description, names: Names, sample: Sample) -> None:
    for name in draft.unused(time_columns(description, names, "last_synced_at")):
        if _use(draft, description, "last_synced_at", name, sample):
            return
    draft.use(
        "last_synced_at",
        SideTable(),
        f"no column has this time: {SIDE_TABLE_WORD} puts it into a table of ours",
    )


def _use(draft: Draft, description: Description, key: str, name: str, sample: Sample) -> bool:
    """Use a column if its unit is known, or was asked for; return False to try another."""
    column = description.columns[name]
    if column.type == TIMESTAMPTZ:
        draft.use(key, TimeColumn(name=name), "timestamptz")
        return True
    if column.type == NAIVE_TIMESTAMP:
        _use_naive(draft, description, key, name, sample)
        return True
    unit = _unit_of(sample.column(name))
    if unit is not None:
        kind = "text" if is_text(column) else column.type
        draft.use(key, TimeColumn(name=name, unit=unit), f"{kind}; by the size of its numbers")
        return True
    if name == key:
        _ask_for_unit(draft, key, name, "its values do not show what they count")
        return True
    return False


def _unit_of(values: Sequence[str]) -> TimeUnit | None:
    """Return what a column counts if all its values say the same."""
    found = {_unit_of_number(value) for value in values}
    return found.pop() if len(found) == 1 else None


def _unit_of_number(text: str) -> TimeUnit | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    return next(
        (unit for unit, places in EPOCH_PLACES.items() if _FROM <= number.scaleb(-places) < _TO),
        None,
    )


def _use_naive(draft: Draft, description: Description, key: str, name: str, sample: Sample) -> None:
    place = ("columns", key, "unit")
    zone = _answered_zone(draft.answers.get(place))
    if zone is not None:
        unit = "naive-utc" if zone == UTC_ZONE else f"naive:{zone}"
        column = TimeColumn(name=name, unit=TimeUnit.NAIVE, zone=zone)
        draft.use(key, column, f"{unit}, as you said")
        return
    against = _against_utc(description.defaults.get(name, ""), name, sample)
    if against:
        _ask_for_unit(draft, key, name, against)
        return
    draft.use(key, TimeColumn(name=name, unit=TimeUnit.NAIVE, zone=UTC_ZONE), "")
    draft.assume(
        ("columns", key),
        f"{name} has no time zone; UTC is assumed: {_evidence(name, sample)}",
    )


def _answered_zone(answer: str | None) -> str | None:
    if answer is None:
        return None
    if answer in {"naive-utc", *_UTC_ZONES}:
        return UTC_ZONE
    zone = answer.removeprefix("naive:")
    return zone if is_zone(zone) else None


def _newest(name: str, sample: Sample) -> datetime | None:
    try:
        return datetime.fromisoformat(sample.newest[name]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None


def _against_utc(default: str, name: str, sample: Sample) -> str:
    """Return why a column's times are likely not in UTC; empty if nothing says so."""
    newest = _newest(name, sample)
    if newest is not None and _TOLERANCE < newest - sample.now < _FURTHEST_ZONE + _TOLERANCE:
        ahead = (newest - sample.now) / timedelta(hours=1)
        return f"its newest time would be {ahead:.1f} h in the future if it were in UTC"
    uses_zone = any(default.startswith(clock) for clock in _CLOCKS)
    if uses_zone and sample.zone not in _UTC_ZONES:
        return f"its default is {default}, and the time zone of this session is {sample.zone}"
    return ""


def _evidence(name: str, sample: Sample) -> str:
    newest = _newest(name, sample)
    if newest is None:
        return "no row says anything else"
    age = sample.now - newest
    if age < _RECENT:
        return f"then the newest is {age / timedelta(minutes=1):.0f} min old, which fits"
    return (
        f"then the newest ({newest:%Y-%m-%d %H:%M}) is {_in_words(age)} old; if there are newer"
        " ones, it is another zone"
    )


def _in_words(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004 - two days


def _ask_for_unit(draft: Draft, key: str, name: str, why: str) -> None:
    place = ("columns", key, "unit")
    answer = draft.answers.get(place)
    if answer in set(TimeUnit) - {TimeUnit.NAIVE}:
        draft.use(key, TimeColumn(name=name, unit=TimeUnit(answer)), "as you said")
        return
    draft.ask(
        Question(
            place=place,
            what=f"what are the times in {name}? {why}. naive-utc, naive:Europe/Berlin, epoch-s,"
            " epoch-ms, epoch-us or epoch-ns",
            comment=f"{name}: {why}. Write naive-utc, naive:Europe/Berlin, epoch-ms or the like",
            blank=f'{key} = {{ column = {value_text(name)}, unit = "" }}',
        )
    )
