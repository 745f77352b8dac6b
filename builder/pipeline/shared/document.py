"""A result of a stage as machines hand it to each other: each output with all of its files. Pure.

Whoever may write to where it is shared can say anything in it; it is believed as far as keys go, and no further: no
path leads out, outputs are those of the stage, and each file is what its digest says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content, Row
from builder.history.kept import Result
from builder.history.kept.place import Kept, check_rows
from builder.history.layout import RUN_ID
from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest

DOCUMENT_LIMIT = 64 << 20
"""Bytes: some hundred thousand files."""
_FORMAT = 1
_MOST_METRICS = 10_000


@dataclass(frozen=True, slots=True)
class Document:
    """A result, and what of its outputs its record does not tell."""

    key: str
    result: Result
    executable: Mapping[str, tuple[str, ...]]
    """Which files of an output may be executed, by target."""

    @classmethod
    def of(cls, kept: Kept, key: str, result: Result) -> Document:
        """Of what is kept. Raises: EnvbuildError, if an output is not (any more)."""
        outputs, executable = {}, {}
        for target, content in result.outputs.items():
            rows = kept.rows(content)
            if rows is None or not all(kept.has(Digest(row[1]), row[2]) for row in rows):
                raise EnvbuildError(f"`{target}` is not kept (any more)")
            named = Content.of_folder(rows) if content.kind == "folder" else content
            outputs[target] = named
            executable[target] = tuple(sorted(kept.executable(content)))
        return cls(key, Result(outputs, result.run, result.metrics), executable)

    @property
    def files(self) -> Mapping[Digest, int]:
        """The size of each file, by digest, in the order of digests."""
        found = {Digest(row[1]): row[2] for content in self.result.outputs.values() for row in _rows(content)}
        return {digest: found[digest] for digest in sorted(found)}

    def to_bytes(self) -> bytes:
        """The document."""
        outputs = {
            target: {
                "kind": content.kind, "sha256": content.sha256, "size": content.size,
                "files": [list(row) for row in content.files or ()], "executable": list(self.executable[target]),
            }
            for target, content in self.result.outputs.items()
        }  # fmt: skip
        result = {"run": self.result.run, "metrics": dict(self.result.metrics), "outputs": outputs}
        return canonical_json({"format": _FORMAT, "key": self.key, **result})

    @classmethod
    def from_bytes(cls, data: bytes, key: str, targets: Collection[str]) -> Document:
        """From anywhere. Raises: EnvbuildError, if it is not the result of the stage that has this key and outputs."""
        value = parse_json(data, "a shared result")
        try:
            if value["format"] != _FORMAT or value["key"] != key:
                raise ValueError(f"it is not of the format {_FORMAT} and of this key")
            if set(value["outputs"]) != set(targets):
                raise ValueError("it has other outputs than the stage")
            outputs = {str(target): _content(one) for target, one in value["outputs"].items()}
            executable = {target: _executable(one, outputs[target]) for target, one in value["outputs"].items()}
            result = Result(outputs, _run(value["run"]), _metrics(value["metrics"]))
            _check_sizes(outputs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EnvbuildError("this is no result of a stage", str(error)) from error
        return cls(key, result, executable)

    def note(self, kept: Kept) -> None:
        """Keep what an output's files alone do not tell, once they are kept."""
        for target, content in self.result.outputs.items():
            kept.keep_list(content)
            kept.keep_executable(content, self.executable[target])


def _rows(content: Content) -> tuple[Row, ...]:
    return (content.files or ()) if content.kind == "folder" else (("", content.sha256, content.size),)


def _content(value: Any) -> Content:
    content = Content.from_dict(value)
    if content.files is None:
        raise ValueError("an output is without its files")
    check_rows(content.files)
    if sum(row[2] for row in content.files) != content.size:
        raise ValueError("its files have another size")
    if content.kind == "file" and [row[1:] for row in content.files] != [(content.sha256, content.size)]:
        raise ValueError("a file has another digest than itself")
    return content


def _check_sizes(outputs: Mapping[str, Content]) -> None:
    sizes: dict[str, int] = {}
    for content in outputs.values():
        for _, sha256, size in _rows(content):
            if sizes.setdefault(sha256, size) != size:
                raise ValueError("a file has two sizes")


def _executable(value: Any, content: Content) -> tuple[str, ...]:
    paths = tuple(value["executable"])
    if not set(paths) <= {row[0] for row in _rows(content)}:
        raise ValueError("a file that may be executed is not of the output")
    return paths


def _run(value: Any) -> str | None:
    if value is not None and not RUN_ID.fullmatch(value):
        raise ValueError("its run is none")
    return None if value is None else str(value)


def _metrics(value: Any) -> dict[str, float | str]:
    if len(value) > _MOST_METRICS:
        raise ValueError("it has too many metrics")
    for name, one in value.items():
        if isinstance(one, bool) or not isinstance(one, int | float | str):
            raise TypeError("a metric is no number and no text")
        if not name.isprintable() or len(name) > 200 or not str(one).isprintable() or len(str(one)) > 1000:
            raise ValueError("a metric cannot be printed")
    return dict(value)
