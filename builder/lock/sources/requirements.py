"""What requirements files ask for: requirements and constraints to resolve, or pins with hashes that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.fetch.project_name import normalised
from builder.lock.interface import FileIndex, Line, Pin, Sources
from builder.lock.sources.options import HONOURED, REFUSED, check_index_url
from builder.lock.sources.references import SHA256, Reference, ReferenceRefusedError
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.requirement import read_requirement
from builder.lock.sources.requirement_files import NESTED, Written

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_MAKE_HASHES = "`pip-compile --generate-hashes` and `uv pip compile --generate-hashes` write them"


def to_resolve(repository: Repository, written: tuple[Written, ...]) -> Sources:
    """The requirements, constraints and indexes; what cannot be taken is reported."""
    requirements, constraints, vcs = list[Line](), list[Line](), list[Line]()
    for each in written:
        found = _read(repository, each)
        if found is None:
            continue
        line = Line(str(found) if isinstance(found, Reference) else _one_line(each), _place(repository, each))
        if each.is_constraint:
            _check_constraint(repository, each, found)
            constraints.append(line)
        elif isinstance(found, Reference) and found.is_vcs:
            vcs.append(line)
        else:
            requirements.append(line)
    indexes = tuple(index for each in written for index in _options(repository, each, is_lock=False))
    return Sources(tuple(requirements), tuple(constraints), vcs=tuple(vcs), indexes=indexes)


def as_lock(repository: Repository, written: tuple[Written, ...]) -> Sources:
    """The pins; what is not pinned by its hash is reported."""
    pins, vcs = dict[tuple[str, str | None], Pin](), list[Line]()
    for each in written:
        found = None if each.is_constraint else _read(repository, each)
        if isinstance(found, Reference) and found.is_vcs:
            vcs.append(Line(str(found), _place(repository, each)))
            continue
        pin = _pin(repository, each, found) if found is not None else None
        if pin is None:
            continue
        before = pins.setdefault((pin.name, pin.marker), pin)
        if (before.version, before.hashes, before.url) != (pin.version, pin.hashes, pin.url):
            _report(repository, each, f"`{pin.name}` was pinned otherwise in `{before.place}`", "leave out one of them")
    indexes = tuple(index for each in written for index in _options(repository, each, is_lock=True))
    return Sources(pins=tuple(pins.values()), vcs=tuple(vcs), indexes=indexes)


def _read(repository: Repository, each: Written) -> Requirement | Reference | None:
    statement = each.statement
    if not statement.text:
        return None
    try:
        return read_requirement(statement.text, statement.hashes)
    except ReferenceRefusedError as error:
        _report(repository, each, f"`{shown_text(statement.text)}`: {error}", error.hint)
        return None


def _check_constraint(repository: Repository, each: Written, found: Requirement | Reference) -> None:
    if isinstance(found, Reference):
        _report(repository, each, "a constraint has no URL", "write it as a requirement, or constrain the version")
    elif found.extras:
        _report(repository, each, "a constraint has no extras", "write the name alone, and extras with requirements")


def _options(repository: Repository, each: Written, is_lock: bool) -> list[FileIndex]:
    """The indexes that a statement names; its other options are looked at too."""
    indexes = list[FileIndex]()
    nested = [name for name, _ in each.statement.options if name in NESTED]
    for name, value in each.statement.options:
        refused = REFUSED.get(name)
        if name in HONOURED or (name == "hash" and each.statement.text):
            continue
        if refused:
            _report(repository, each, f"`--{name}`: {refused[0]}", refused[1])
        elif name == "hash":
            _report(repository, each, "`--hash` belongs to a requirement", "write it behind the requirement")
        elif each.statement.text or len(nested) > 1:
            _report(repository, each, f"`--{name}` stands on a line of its own", "move it to the next line")
        elif name == "constraint" and is_lock:
            _report(repository, each, "a lock is taken as it is, and not constrained", "leave out the `-c`")
        elif name not in NESTED:
            indexes += _index(repository, each, name, value)
    return indexes


def _index(repository: Repository, each: Written, name: str, value: str) -> list[FileIndex]:
    try:
        check_index_url(value)
    except ReferenceRefusedError as error:
        _report(repository, each, f"`--{name}`: {error}", error.hint)
        return []
    return [FileIndex(value, _place(repository, each), is_default=name == "index-url")]


def _pin(repository: Repository, each: Written, found: Requirement | Reference) -> Pin | None:
    hashes = _sha256_of(repository, each, found)
    place = _place(repository, each)
    if isinstance(found, Reference):
        if not found.version:
            _report(
                repository,
                each,
                f"`{found.name}`: its URL does not tell the version",
                f"write `{found.name} @ git+https://…@<commit>`, or the URL of a wheel or sdist",
            )
            return None
        url = found.url + (f"#subdirectory={found.subdirectory}" if found.subdirectory else "")
        return Pin(normalised(found.name), found.version, hashes, found.marker or None, url, place)
    pinned = [specifier for specifier in found.specifier if specifier.operator in ("==", "===")]
    if len(found.specifier) != 1 or not pinned or pinned[0].version.endswith(".*"):
        _report(
            repository, each, f"`{found.name}` is not pinned to a version with `==`", "as pip-compile and uv write it"
        )
        return None
    marker = str(found.marker) if found.marker else None
    return Pin(normalised(found.name), pinned[0].version, hashes, marker, None, place)


def _sha256_of(repository: Repository, each: Written, found: Requirement | Reference) -> frozenset[str]:
    if isinstance(found, Reference):
        return frozenset({found.sha256})
    given = [value.partition(":") for value in each.statement.hashes]
    digests = {digest.lower() for algorithm, _, digest in given if algorithm == "sha256"}
    others = sorted({shown_text(algorithm) for algorithm, _, _ in given} - {"sha256"})
    if not given:
        _report(repository, each, f"`{found.name}` has no hash, where others have", _MAKE_HASHES)
    elif not digests:
        _report(repository, each, f"`{found.name}` has hashes of {', '.join(others)}; sha256 is needed", _MAKE_HASHES)
    elif not all(SHA256.fullmatch(digest) for digest in digests):
        _report(repository, each, f"a hash of `{found.name}` is not 64 hexadecimal digits", _MAKE_HASHES)
    return frozenset(digests)


def _one_line(each: Written) -> str:
    return " ".join(each.statement.text.split())


def _place(repository: Repository, each: Written) -> str:
    return f"{repository.shown(each.file)}:{each.statement.line}"


def _report(repository: Repository, each: Written, message: str, hint: str) -> None:
    repository.report(each.file, each.statement.line, message, hint)
