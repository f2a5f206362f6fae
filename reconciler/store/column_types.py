"""The kinds of types, by PostgreSQL's names, which `ColumnInfo.type` has."""

from reconciler.domain.binary_float import BinaryFloat

INTEGERS = frozenset({"smallint", "integer", "bigint"})
FLOATS = frozenset(kind.value for kind in BinaryFloat)
NUMBERS = INTEGERS | FLOATS | {"numeric"}
TEXTS = frozenset({"text", "character varying", "character", "citext"})
"""Not `name` and `"char"`, which the catalog uses for itself."""

UUID = "uuid"
TIMESTAMPTZ = "timestamp with time zone"
NAIVE_TIMESTAMP = "timestamp without time zone"
