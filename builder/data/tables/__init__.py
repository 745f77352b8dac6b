"""Files of rows (CSV, JSON lines, Parquet, Arrow) as tables that can be asked in SQL, within bounds."""

from builder.data.tables.database import Database, Limits, QueryError, unread
from builder.data.tables.files import (
    Column,
    ColumnReading,
    Format,
    Table,
    TableError,
    TableFile,
    format_of,
    table_paths,
)
from builder.data.tables.sql import quoted

__all__ = [
    "Column",
    "ColumnReading",
    "Database",
    "Format",
    "Limits",
    "QueryError",
    "Table",
    "TableError",
    "TableFile",
    "format_of",
    "quoted",
    "table_paths",
    "unread",
]
