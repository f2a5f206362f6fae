"""Select a status in the user's words, also from a column that ignores case.

In a `citext`, or under a collation that ignores case, a row with `NEW` is found as `new`. Words
that are equal to the database are the same word to us, and we spell it as the file does.
"""

from collections.abc import Iterable

from reconciler.store.user_table import literal


def status_as_text(column: str, *, is_exact: bool, words: Iterable[str]) -> str:
    """Return the SQL for a status as text; `words`, at least one, are those of the file."""
    as_text = f"CAST({column} AS text)"
    if is_exact:
        return as_text
    # Literals without a type: compared with a `text`, a `citext` would be one too.
    known = map(literal, words)
    cases = " ".join(f"WHEN {column} = {word} THEN {word}" for word in known)
    return f"CASE {cases} ELSE {as_text} END"
