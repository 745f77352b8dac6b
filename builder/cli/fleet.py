"""`envbuild build --all`: every project and environment below a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.deliver import Delivered, Delivery, built_as_json, check, deliver
from builder.cli.output import Output, print_json, show_error_of, size_text
from builder.cli.target import Target, open_target
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.bundle.fleet import Row, Summary
    from builder.image.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Fleet:
    """What was built, and where it is."""

    summary: Summary
    delivered: Mapping[Path, Delivered]
    """By spec."""


def build_all(
    folder: Path, platforms: tuple[str, ...], workshop: Workshop, output: Output, delivery: Delivery
) -> Fleet:
    """Build and deliver everything below `folder`; what fails does not stop the others.

    Raises: EnvbuildError, if there is nothing to build, or nothing can be delivered to where it was asked for.
    """
    from builder.bundle.fleet import Candidate, Member, build_fleet, summarise
    from builder.lock.locking import find_environments

    def candidate(file: Path) -> Candidate:
        target = open_target(file, platforms)
        check(_own(delivery, target.name), target.platforms)
        target.ensure_wheels(workshop, output)
        _claim(names, target.name, file, delivery)
        return Candidate(file, target.plans, lambda: finished(file, target))

    def finished(file: Path, target: Target) -> Built:
        built = target.build(workshop, output)
        delivered[file] = deliver(built, workshop, output, _own(delivery, target.name))
        return built

    names: dict[str, Path] = {}
    delivered: dict[Path, Delivered] = {}
    before = frozenset(workshop.store.blobs())
    candidates, failed = [], []
    files = find_environments(folder)
    _check_place(delivery)
    for file in files:
        try:
            candidates.append(candidate(file))
        except EnvbuildError as error:
            failed.append(Member(file, error=error))
    members = [*build_fleet(candidates, workshop), *failed]
    return Fleet(summarise(sorted(members, key=lambda member: member.file), before), delivered)


def print_fleet(fleet: Fleet, as_json: bool, output: Output) -> int:
    """A line for each, then the errors of those that failed; the exit code."""
    summary = fleet.summary
    if as_json:
        print_json({str(row.member.file.parent): _as_json(row, fleet) for row in summary.rows})
    else:
        for line in _table(fleet):
            click.echo(line)
    for member in summary.failed:
        if member.error:
            show_error_of(member.file.parent, member.error)
    output.say(_total(summary))
    return max((int(member.error.exit_code) for member in summary.failed if member.error), default=0)


def _check_place(delivery: Delivery) -> None:
    """Make the folder, and refuse what would fail for each of them alike. Raises: EnvbuildError."""
    if delivery.load:
        from builder.cli.engines import choose_loader

        choose_loader(delivery.engine)
    if delivery.target:
        try:
            delivery.target.mkdir(exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise EnvbuildError(f"`{delivery.target}` cannot be a folder of bundles", why, "Name another") from error


def _own(delivery: Delivery, name: str) -> Delivery:
    """Where one of many goes: into the folder, or below the repository, that was named, under its own name."""
    own = replace(delivery, target=delivery.target / f"{name}.tar") if delivery.target else delivery
    return replace(own, push=own.push.below(name)) if own.push else own


def _claim(names: dict[str, Path], name: str, file: Path, delivery: Delivery) -> None:
    """Refuse a second one of a name, where the name says where it goes."""
    other = names.setdefault(name, file)
    if other != file and delivery != Delivery():
        raise EnvbuildError(
            f"another image is called `{name}` too",
            f"it is made of `{other}`",
            "Rename one of the folders, or deliver them one by one",
        )


def _table(fleet: Fleet) -> Iterator[str]:
    rows = fleet.summary.rows
    width = max(len(str(row.member.file.parent)) for row in rows)
    for row in rows:
        yield f"{row.member.file.parent!s:{width}}  {row.result:6}  {_facts(row, fleet)}".rstrip()


def _facts(row: Row, fleet: Fleet) -> str:
    if row.member.built is None:
        return ""
    reference = fleet.delivered[row.member.file].reference(row.member.built.reference)
    return f"{size_text(row.size):>9}  {size_text(row.shared):>9} shared  {row.made:>3} layers made  {reference}"


def _as_json(row: Row, fleet: Fleet) -> dict[str, Any]:
    built, error = row.member.built, row.member.error
    if error or not built:
        return {"result": row.result, "error": error.to_dict() if error else None}
    sizes = {"layers-made": row.made, "bytes": row.size, "bytes-shared": row.shared}
    return {"result": row.result, **built_as_json(built), **sizes, **fleet.delivered[row.member.file].to_dict()}


def _total(summary: Summary) -> str:
    results = [row.result for row in summary.rows]
    parts = [f"{results.count(word)} {word}" for word in ("built", "cached", "failed") if word in results]
    return f"{', '.join(parts)}; {size_text(summary.size)} of images in {size_text(summary.distinct)} of layers"
