"""A type of PostgreSQL's by its name, for SQLAlchemy to render as it is."""

from typing import Any

from sqlalchemy.types import UserDefinedType


class NamedType(UserDefinedType[Any]):
    """A type by its name in the catalog: `xid`, `character varying(12)`, `"OrderStatus"`."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        """Return the name."""
        return self.name
