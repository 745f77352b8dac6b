"""Files of rows (CSV, JSON lines, Parquet, Arrow) as tables that can be asked in SQL, within bounds."""

from builder.data.tables.database import Database, Limits, QueryError, quoted, unread
from builder.data.tables.files import Column, ColumnReading, Format, Table, TableFile, format_of

__all__ = [
    "Column",
    "ColumnReading",
    "Database",
    "Format",
    "Limits",
    "QueryError",
    "Table",
    "TableFile",
    "format_of",
    "quoted",
    "unread",
]
