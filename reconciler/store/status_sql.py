"""Select a status in our own words, also from a column that ignores case.

In a `citext`, or under a collation that ignores case, a row with `NEW` is found as `new`. Words
that are equal to the database are the same word to us.
"""

from reconciler.domain.status import Status


def status_as_text(column: str, *, is_exact: bool) -> str:
    """Return the SQL for a status as text."""
    as_text = f"CAST({column} AS text)"
    if is_exact:
        return as_text
    # Literals without a type: compared with a `text`, a `citext` would be one too.
    words = " ".join(f"WHEN {column} = '{status.value}' THEN '{status.value}'" for status in Status)
    return f"CASE {words} ELSE {as_text} END"
