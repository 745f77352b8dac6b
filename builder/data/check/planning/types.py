"""Which types of a file a logical type takes, and which values do not fit it. Pure."""

from __future__ import annotations

from builder.data.tables.files import Column

_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "BIGNUM")
_WHOLE = (*_SIGNED, "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_BROKEN = ("FLOAT", "DOUBLE", "DECIMAL")
_INSTANTS = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
_STORED: dict[str, tuple[str, ...]] = {
    "string": ("VARCHAR", "UUID", "ENUM", "JSON"),
    "integer": (*_WHOLE, *_BROKEN),
    "number": (*_WHOLE, *_BROKEN),
    "boolean": ("BOOLEAN",),
    "date": ("DATE", *_INSTANTS),
    "timestamp": (*_INSTANTS, "DATE"),
    "time": ("TIME", "TIME_NS", "TIME WITH TIME ZONE"),
    "object": ("STRUCT", "MAP", "JSON"),
    "map": ("MAP", "STRUCT", "JSON"),
    "array": ("LIST",),
    "vector": ("LIST",),
}
"""DuckDB's types, without what is in brackets, that hold values of a logical one."""


def family(stored: str) -> str:
    """A type of DuckDB without its parameters: `DECIMAL` of `DECIMAL(10,2)`, `LIST` of `BIGINT[]`."""
    return "LIST" if stored.endswith("]") else stored.partition("(")[0].strip()


def is_float(type_: str) -> bool:
    """Whether there are values that are no number (NaN) or no end (infinities) among those of a type."""
    return type_ in ("FLOAT", "DOUBLE")


def is_number(type_: str) -> bool:
    """Whether values of a type of DuckDB are numbers."""
    return family(type_) in (*_WHOLE, *_BROKEN)


def is_instant(type_: str) -> bool:
    """Whether values of a type of DuckDB are days or times."""
    return family(type_) in (*_STORED["date"], *_STORED["time"])


def stored_problem(promised: str, stored: str) -> str | None:
    """Why no value of a column of a file that has types can be of a logical type; None if it can."""
    fits = family(stored) in _STORED[promised] or stored.strip('"') == "NULL"
    return None if fits else f"the file has {stored}"


def misfit(value: str, original: str, column: Column) -> str | None:
    """The condition on a row whose value does not fit its type; None where all values do, by the type of the file.

    `value` is SQL for it as it is read, NULL if it cannot be; `original` for it as the file has it.
    """
    if value == original or column.stored == column.type:
        return None
    return f"{original} IS NOT NULL AND {value} IS NULL"
