"""Make a statement fail, so that nothing of it stays: plain SQL cannot raise an error."""

from typing import Any

from sqlalchemy import ColumnElement, Integer, cast


def fail_with(message: ColumnElement[Any]) -> ColumnElement[int]:
    """Return an expression that makes its statement fail with `message`; null if that is null.

    PostgreSQL has to read the message, which is no number, as one. It must not be a constant:
    PostgreSQL would read that beforehand.

    Raises:
        psycopg.errors.InvalidTextRepresentation: when the statement is run; its text has `message`.
    """
    return cast(message, Integer)
