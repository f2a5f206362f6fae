"""The sections `[orders.statuses]`, with `write`, and `[orders.also_write]`."""

from collections.abc import Collection, Iterator

from reconciler.config_file.document import nearest_name, shown
from reconciler.config_file.orders import ColumnValue, FollowingColumn
from reconciler.config_file.section import Section
from reconciler.config_file.statuses import OPEN_MEANING, Meaning, Statuses, is_open
from reconciler.domain.status import BY_VALUE, Status

WRITE = "write"
_MEANINGS = (*BY_VALUE, OPEN_MEANING)
_COLUMN_KEYS = ("open", "ended")


def read_statuses(section: Section | None) -> Statuses:
    """Read the section. Without it the words are our own."""
    if section is None:
        return Statuses()
    meanings = {
        word: meaning
        for word, value in section.values.items()
        if not (word == WRITE and isinstance(value, dict))
        and (meaning := _read_meaning(section, word, value)) is not None
    }
    write = section.values.get(WRITE)
    chosen: dict[Status, str] = {}
    if isinstance(write, dict):
        inner = Section(section.findings, (*section.path, WRITE), write)
        words = section.values.keys() - {WRITE}
        chosen = dict(_read_chosen(inner, words, meanings))
    statuses = Statuses(meanings=meanings, chosen=chosen)
    if not any(map(is_open, meanings.values())):
        section.findings.add(
            section.path,
            "has no word for an open order, so none would be followed",
            'add the words of orders that have not ended, such as OPEN = "open"',
        )
    _refuse_undecided(section, statuses)
    return statuses


def _read_meaning(section: Section, word: str, value: object) -> Meaning | None:
    if "\0" in word:
        section.add(word, "has a zero byte", "write the word as it stands in the table")
    elif value == OPEN_MEANING:
        return OPEN_MEANING
    elif isinstance(value, str) and value in BY_VALUE:
        return BY_VALUE[value]
    else:
        section.add(
            word,
            f"is {shown(value)}, which is none of our statuses",
            _status_hint(shown(word), value, _MEANINGS),
        )
    return None


def _status_hint(key: str, value: object, known: tuple[str, ...]) -> str:
    nearest = nearest_name(value, known) if isinstance(value, str) else None
    return f'write {key} = "{nearest}"' if nearest else f"write one of: {', '.join(known)}"


def _read_chosen(
    write: Section, words: Collection[str], meanings: dict[str, Meaning]
) -> Iterator[tuple[Status, str]]:
    """Return the word to write for each status that has one in the section.

    Args:
        write: The section.
        words: Their words, also those whose meaning is wrong.
        meanings: What each of the others means.
    """
    write.refuse_others(tuple(BY_VALUE), kind="status")
    statuses = Statuses(meanings=meanings)
    exact = {status: statuses.words_for(status) for status in Status}
    for ours, value in write.values.items():
        status = BY_VALUE.get(ours)
        if status is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            write.add(
                ours,
                f"is {shown(value)}, but must be one word",
                f'write the word of the table that is to be written: {ours} = "..."',
            )
            continue
        word = str(value)
        if word not in words:
            nearest = nearest_name(word, words)
            write.add(
                ours,
                f"is {shown(word)}, which is none of your words in [orders.statuses]",
                f"write {ours} = {shown(nearest)}"
                if nearest
                else f"add the word to [orders.statuses]: {shown(word)} = {shown(ours)}",
            )
        elif word not in meanings:
            continue  # What it means is already reported.
        elif status.is_terminal and exact[status] and word not in exact[status]:
            write.add(
                ours,
                f"is {shown(word)}, which is read as {meanings[word]}, though {ours} has a word",
                f"write {ours} = {shown(exact[status][0])}",
            )
        elif not statuses.reads_back(status, word):
            write.add(
                ours,
                f"is {shown(word)}, which is read as {meanings[word]}: the order would be corrected"
                " again and again",
                _read_back_hint(status, word),
            )
        else:
            yield status, word


def _read_back_hint(status: Status, word: str) -> str:
    if status in {Status.NEW, Status.PARTIAL}:
        return f"let it mean both in [orders.statuses]: {shown(word)} = {shown(OPEN_MEANING)}"
    return f"choose a word that means {status}" + (" or another end" if status.is_terminal else "")


def _refuse_undecided(section: Section, statuses: Statuses) -> None:
    for status in statuses.undecided:
        words = statuses.words_for(status)
        section.add(
            words[-1],
            f"means {statuses.meanings[words[-1]]}, as {_listed(words[:-1])} does: which one is to"
            f" be written for {status} is not said",
            f"say it in [orders.statuses.write]: {status} = {shown(words[0])}",
        )


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(shown(word) for word in words)


def read_also_write(section: Section | None) -> tuple[FollowingColumn, ...]:
    """Read the columns that follow the status."""
    if section is None:
        return ()
    columns = []
    for name in section.values:
        section.checked_column(name, name)
        inner = section.table(name)
        if inner is not None:
            columns.append(_read_following(section, inner, name))
    return tuple(columns)


def _read_following(section: Section, inner: Section, name: str) -> FollowingColumn:
    inner.refuse_others(_COLUMN_KEYS)
    hint = f"write {name} = {{ open = true, ended = false }}"
    if not name.strip() or "\0" in name:
        section.add(name, "is no name of a column", hint)
    values: dict[str, ColumnValue] = {}
    for key in _COLUMN_KEYS:
        match inner.values.get(key):
            case None:
                continue
            case bool() | int() | str() as value if not (isinstance(value, str) and "\0" in value):
                values[key] = value
            case value:
                inner.add(key, f"is {shown(value)}, but must be a text, integer or boolean", hint)
    if not any(key in inner.values for key in _COLUMN_KEYS):
        section.add(name, "has no value for open or ended orders", hint)
    elif len({type(value) for value in values.values()}) > 1:
        section.add(name, "has values of two kinds", hint)
    return FollowingColumn(name=name, open=values.get("open"), ended=values.get("ended"))
