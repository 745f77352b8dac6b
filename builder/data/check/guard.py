"""Which queries of a contract's author are asked: one that reads, and nothing else."""

from __future__ import annotations


def refusal(query: str) -> str:
    """Why a query is not asked; empty if it is."""
    import duckdb

    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    if len(statements) != 1:
        return f"it has {len(statements)} statements, not one"
    if statements[0].type != duckdb.StatementType.SELECT:
        return "only a query that reads (SELECT) is asked"
    return ""
