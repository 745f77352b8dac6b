"""The steps of cleaning as SQL: sentinels, type, invalid, outliers, missing, duplicates, fill. Pure.

Columns go by their number, so that no name in a file is in the way. Of column 3 there are c3, the value as the file has
it; t3, as it is read; m3, v3, o3 and a3, whether it is missing, invalid, an outlier, and absent after all these; n3,
what it becomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.data.clean.conditions import invalid, outliers
from builder.data.clean.rules import ColumnRules, TableRules
from builder.data.tables.files import ColumnReading, Table
from builder.data.tables.reading import cast, is_missing
from builder.data.tables.sql import literal, quoted

ROW = quoted("\x01row")
"""A row's number in the file, from 1."""
_DROPPED = quoted("\x01dropped")
_REASON = quoted("\x01reason")
_DUPLICATES = quoted("\x01duplicates")
"""A table beside it: the rows whose key an earlier one has, and which that is."""
_FIRST = quoted("\x01first")
_MISSING, _INVALID, _OUTLIER, _ABSENT = "m", "v", "o", "a"
_WORDS = {_ABSENT: "is missing", _INVALID: "is not valid", _OUTLIER: "is outside of its range"}


def named(kind: str, number: int) -> str:
    """The name of something about a column."""
    return quoted(f"\x01{kind}{number}")


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps for a table."""

    rules: TableRules
    table: Table
    fills: Mapping[int, str]
    """By the column's number, the text that takes the place of what is missing."""

    @property
    def ruled(self) -> Iterator[tuple[int, ColumnRules]]:
        """Each column with rules, and its number in the file."""
        names = [column.name for column in self.table.columns]
        for each in self.rules.columns:
            yield names.index(each.column.column), each

    @property
    def _key(self) -> list[int]:
        """The columns of the key, if equal ones are looked for."""
        names = [column.name for column in self.table.columns]
        key = self.rules.table.primary_key if self.rules.duplicates != "keep" else ()
        return [names.index(each.column) for each in key]

    def read(self) -> str:
        """The rows as the file has them; of ruled columns, as they are read too, and whether they are missing."""
        parts = [f"row_number() OVER () AS {ROW}"]
        parts += [f"{quoted(each.name)} AS {named('c', number)}" for number, each in enumerate(self.table.columns)]
        for number in sorted({*(number for number, _ in self.ruled), *self._key}):
            column = self.table.columns[number]
            reading = self.table.file.readings.get(column.name, ColumnReading(column.type))
            absent = is_missing(column.name, column.stored, reading) or "false"
            parts.append(f"({quoted(column.name)} IS NULL OR coalesce({absent}, false)) AS {named(_MISSING, number)}")
            parts.append(f"{cast(column.name, column.stored, reading)} AS {named('t', number)}")
        return f"SELECT {', '.join(parts)} FROM raw.{quoted(self.table.name)}"

    def judged(self) -> str:
        """The rows with what each ruled value is, and what becomes of the row but for duplicates."""
        query = self.read()
        for step in (self._invalid(), self._outliers(), self._absent()):
            query = f"SELECT {', '.join(['*', *step])} FROM ({query})"
        dropped = " OR ".join(["false", *(flag for _, flag, _ in self._asked("drop"))])
        reasons = [f"CASE WHEN {flag} THEN {literal(text)} END" for _, flag, text in self._asked("quarantine")]
        reason = f"concat_ws('; ', {', '.join(reasons)})" if reasons else "''"
        return f"SELECT *, ({dropped}) AS {_DROPPED}, {reason} AS {_REASON} FROM ({query})"

    def _invalid(self) -> Iterator[str]:
        """There, and not of its type, or not what the contract lets it be."""
        for number, each in self.ruled:
            value, type_ = f"\x01t{number}", self.table.columns[number].type
            parts = " OR ".join([f"{quoted(value)} IS NULL", *invalid(each, value, type_)])
            yield f"NOT {named(_MISSING, number)} AND coalesce({parts}, false) AS {named(_INVALID, number)}"

    def _outliers(self) -> Iterator[str]:
        for number, each in self.ruled:
            parts = " OR ".join(["false", *outliers(each, f"\x01t{number}", self.table.columns[number].type)])
            there = f"NOT {named(_MISSING, number)} AND NOT {named(_INVALID, number)}"
            yield f"{there} AND coalesce({parts}, false) AS {named(_OUTLIER, number)}"

    def _absent(self) -> Iterator[str]:
        for number, each in self.ruled:
            kinds = [_MISSING]
            kinds += [_INVALID] if each.invalid == "missing" else []
            kinds += [_OUTLIER] if each.outliers == "missing" else []
            yield f"({' OR '.join(named(kind, number) for kind in kinds)}) AS {named(_ABSENT, number)}"

    def _asked(self, fate: str) -> Iterator[tuple[int, str, str]]:
        """What asks for a fate of the row: the column's number, the condition, and in words why."""
        for number, each in self.ruled:
            for kind, chosen in ((_INVALID, each.invalid), (_OUTLIER, each.outliers), (_ABSENT, each.when_missing)):
                if chosen == fate:
                    yield number, named(kind, number), f"`{each.column.column}` {_WORDS[kind]}"

    def duplicates(self) -> str | None:
        """The statement that makes the table of duplicates; None if none are looked for."""
        if self.rules.duplicates == "keep":
            return None
        key = [named("t", number) for number in self._key]
        whole = " AND ".join(f"{each} IS NOT NULL" for each in key)
        rows = f"SELECT {ROW}, {', '.join(key)} FROM ({self.judged()}) WHERE {_is_in()} AND {whole}"
        first = f"SELECT {', '.join(key)}, min({ROW}) AS {_FIRST} FROM ({rows}) GROUP BY ALL HAVING count(*) > 1"
        same = f"SELECT {ROW}, {_FIRST} FROM ({rows}) JOIN ({first}) USING ({', '.join(key)}) WHERE {ROW} <> {_FIRST}"
        return f"CREATE OR REPLACE TABLE {_DUPLICATES} AS {same}"

    def decided(self) -> str:
        """The rows in order, with what becomes of each."""
        if self.rules.duplicates == "keep":
            return self.judged()
        query = f"SELECT * FROM ({self.judged()}) LEFT JOIN {_DUPLICATES} USING ({ROW})"
        found = f"{_FIRST} IS NOT NULL"
        if self.rules.duplicates == "drop":
            changed = f"({_DROPPED} OR {found}) AS {_DROPPED}"
        else:
            text = f"'its key is that of row ' || {_FIRST}"
            changed = f"CASE WHEN {found} THEN {text} ELSE {_REASON} END AS {_REASON}"
        return f"SELECT * REPLACE ({changed}) FROM ({query}) ORDER BY {ROW}"

    def kept(self) -> str:
        """The rows that stay, in order, with what each ruled value becomes."""
        query = f"SELECT * FROM ({self.decided()}) WHERE {_is_in()}"
        values = [f"{self._before_fill(number, each)} AS {named('n', number)}" for number, each in self.ruled]
        query = f"SELECT {', '.join(['*', *values])} FROM ({query})"
        filled = [f"{value} AS {named('n', number)}" for number, value in self._filled()]
        return f"SELECT * REPLACE ({', '.join(filled)}) FROM ({query})" if filled else query

    def _before_fill(self, number: int, rules: ColumnRules) -> str:
        stored, cell = self.table.columns[number].stored, named("c", number)
        cases = [f"WHEN {named(_ABSENT, number)} THEN NULL"]
        if rules.outliers == "clip":
            for end, sign in (("minimum", "<"), ("maximum", ">")):
                limit = rules.limit(end)
                if limit is not None:
                    cases.append(f"WHEN {named('t', number)} {sign} {limit!r} THEN {constant(str(limit), stored)}")
        return f"CASE {' '.join(cases)} ELSE {cell} END"

    def _filled(self) -> Iterator[tuple[int, str]]:
        for number, each in self.ruled:
            value = named("n", number)
            if number in self.fills:
                yield number, f"coalesce({value}, {constant(self.fills[number], self.table.columns[number].stored)})"
            elif each.fill and each.fill.statistic == "previous":
                yield number, f"coalesce({value}, arg_max({value}, {ROW}) OVER (ROWS UNBOUNDED PRECEDING))"

    def output(self) -> str:
        """The rows of the cleaned file."""
        ruled = {number for number, _ in self.ruled}
        columns = [
            f"{named('n' if number in ruled else 'c', number)} AS {quoted(each.name)}"
            for number, each in enumerate(self.table.columns)
        ]
        return f"SELECT {', '.join(columns)} FROM ({self.kept()})"

    def quarantine(self) -> str:
        """The rows of the quarantine file: `_row`, `_reason`, and each as it was."""
        columns = [f"{named('c', number)} AS {quoted(each.name)}" for number, each in enumerate(self.table.columns)]
        parts = ", ".join([f"{ROW} AS _row", f"{_REASON} AS _reason", *columns])
        return f"SELECT {parts} FROM ({self.decided()}) WHERE {_REASON} <> ''"

    def counts(self) -> tuple[str, str]:
        """Two queries of one row: over all rows, and over those that stay; as `counted` names their columns."""
        return (
            f"SELECT {', '.join(['count(*)', *_sums(self.of_all())])} FROM ({self.decided()})",
            f"SELECT {', '.join(['count(*)', *_sums(self.of_kept())])} FROM ({self.kept()})",
        )

    def of_all(self) -> Sequence[tuple[int, str, str]]:
        """What is counted of all rows: the column (of the table -1), a name, and a condition."""
        counted = [(-1, "quarantined", f"{_REASON} <> ''"), (-1, "dropped", f"{_DROPPED} AND {_REASON} = ''")]
        if self.rules.duplicates != "keep":
            counted.append((-1, "duplicates", f"{_FIRST} IS NOT NULL"))
        for number, _ in self.ruled:
            missing = named(_MISSING, number)
            counted += [
                (number, "sentinels", f"{missing} AND {named('c', number)} IS NOT NULL"),
                (number, "missing", missing),
                (number, "invalid", named(_INVALID, number)),
                (number, "outliers", named(_OUTLIER, number)),
            ]
            for fate, name in (("drop", "asked-to-drop"), ("quarantine", "asked-to-quarantine")):
                flags = [flag for column, flag, _ in self._asked(fate) if column == number]
                counted.append((number, name, " OR ".join(flags) or "false"))
        return counted

    def of_kept(self) -> Sequence[tuple[int, str, str]]:
        """What is counted of the rows that stay, likewise."""
        counted = []
        for number, each in self.ruled:
            absent, new, cell = named(_ABSENT, number), named("n", number), named("c", number)
            clipped = named(_OUTLIER, number) if each.outliers == "clip" else "false"
            counted += [
                (number, "set-missing", f"{absent} AND {new} IS NULL AND {cell} IS NOT NULL"),
                (number, "clipped", clipped),
                (number, "filled", f"{absent} AND {new} IS NOT NULL"),
            ]
        return counted

    def present(self, number: int, rules: ColumnRules) -> str:
        """The values of a column that are there in the rows that stay, clipped, as `v`; for a statistic."""
        value = named("t", number)
        low, high = rules.limit("minimum"), rules.limit("maximum")
        if rules.outliers == "clip":
            value = f"greatest({value}, {low!r})" if low is not None else value
            value = f"least({value}, {high!r})" if high is not None else value
        rows = f"SELECT {value} AS v FROM ({self.decided()}) WHERE {_is_in()} AND NOT {named(_ABSENT, number)}"
        return f"SELECT v FROM ({rows}) WHERE v IS NOT NULL"


def constant(text: str, stored: str) -> str:
    """A value as a column stores it; NULL if it cannot."""
    if stored == "JSON":
        return f"to_json({literal(text)})"
    return literal(text) if stored == "VARCHAR" else f"TRY_CAST({literal(text)} AS {stored})"


def _is_in() -> str:
    return f"NOT {_DROPPED} AND {_REASON} = ''"


def _sums(counted: Sequence[tuple[int, str, str]]) -> list[str]:
    return [f"count(CASE WHEN {condition} THEN 1 END)" for _, _, condition in counted]
