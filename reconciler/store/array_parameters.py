"""Arrays as the parameters of a statement, one array for each column of many rows."""

from typing import Any

from sqlalchemy import ARRAY, bindparam, func

SEPARATOR = b"\x1e"
"""Between JSON texts that are sent as one and split by PostgreSQL.

In an array of texts every quote of the JSON would be escaped, which took a fifth of the whole step.
JSON never contains a raw control byte.
"""


def unnest(name: str, **columns: Any) -> Any:
    """Return arrays as a table. A column is (parameter, element type), or an expression."""
    arrays = [
        bindparam(column[0], type_=ARRAY(column[1])) if isinstance(column, tuple) else column
        for column in columns.values()
    ]
    return func.unnest(*arrays).table_valued(*columns, name=name).render_derived()
