"""`envbuild data check`: data held to their contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.data.kept import keep_inputs
from builder.cli.data.opened import Opened, TableFileType, is_project, opened_loose, opened_project
from builder.cli.options import Existing, json_option, offline_option
from builder.cli.output import Output, print_json, printable
from builder.errors import EnvbuildError, ExitCode

if TYPE_CHECKING:
    from builder.data.check import CheckReport
    from builder.oci.digest import Digest

_FORMATS = ("table", "json", "junit", "markdown")


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A time as ISO 8601 has it; without an offset, of UTC."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` is no time like 2026-11-24T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command("check", short_help="Hold data to their contract.")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--contract", type=Existing(file_okay=True), metavar="FILE", help="The contract of loose files.")
@click.option(
    "--data", multiple=True, type=TableFileType(), metavar="TABLE=FILE",
    help="With `--contract`: the file of a table, a folder, or a pattern; may be repeated.",
)  # fmt: skip
@click.option("--now", type=Moment(), help="The time that how fresh data are is told by [default: now].")
@click.option(
    "--samples", type=click.IntRange(0, 1000), default=10, show_default=True,
    help="Rows that are shown of each violated rule.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default=_FORMATS[0], show_default=True, help="Of the report."
)
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the report to it."
)
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    path: Path | None,
    contract: Path | None,
    data: tuple[tuple[str, Path], ...],
    now: datetime | None,
    samples: int,
    form: str,
    target: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Hold the data of a project to their contracts, or with `--contract` loose files.

    PATH is a project, by default that of this folder; or with `--contract` a file whose table is that of its name, or
    the only one. Each rule passes, is violated, or is not evaluated, with the reason; one that cannot be evaluated
    harms no other. Of violated rules the first rows are shown, of confidential columns without values. Rules of the
    severity `warning` or `info` are told and do not decide.

    Exits 3 if a rule is violated, else 6 if one could not be evaluated, which is never a pass.
    """
    from builder.data.check import Wishes, check_contract

    form = "json" if as_json else form
    moment = now or datetime.now(UTC)
    with ExitStack() as stack:
        asked = _asked(path, contract, data, output, stack, offline=offline)
        keep_inputs([file for one in asked for files in one.files.values() for file in files], target)
        keep_inputs([one.loaded.file for one in asked], target)
        digest_of = _digests() if form == "json" else None
        reports = []
        for one in asked:
            with output.working(f"holding {', '.join(one.files)} to {one.loaded.file}"):
                wishes = Wishes(samples, one.absent, digest_of)
                reports.append(check_contract(one.loaded, one.files, moment, None, wishes))
    if contract is None:
        _leave_reading(path or Path())
    _show(reports, output, form, target)
    _fail(reports, told=form == "table" and target is None)


def _leave_reading(path: Path) -> None:
    """Leave in the project's audit trail, if it has one, which locked data were read. Raises: EnvbuildError."""
    from builder.cli.audit_trail import record_event, trail_of
    from builder.lock.data.locking import entries
    from builder.spec import load_project

    loaded = load_project(path)
    if trail_of(loaded.folder) is None:
        return
    locked = {}
    with suppress(EnvbuildError):  # what is not locked has no digest
        locked = dict(entries(loaded).data)
    promised = [name for name, reference in loaded.project.data.items() if reference.contract and name in locked]
    told = {"command": "data check", "data": {name: f"sha256:{locked[name].digest.hex}" for name in promised}}
    record_event("read", loaded.name, None, told, loaded.folder)


def _asked(
    path: Path | None,
    contract: Path | None,
    data: tuple[tuple[str, Path], ...],
    output: Output,
    stack: ExitStack,
    *,
    offline: bool,
) -> list[Opened]:
    if contract is not None:
        return [opened_loose(contract, path, data)]
    if data:
        raise click.UsageError("`--data` belongs to `--contract`.")
    path = path or Path()
    if path.is_file() and not is_project(path):
        raise EnvbuildError(f"nothing is promised of `{path}`", hint="Name its contract: `--contract FILE`")
    from builder.cli.machine import make_fetcher, open_store
    from builder.spec import load_project

    loaded = load_project(path)
    store = open_store()
    folder = stack.enter_context(store.scratch())
    return opened_project(loaded, make_fetcher(store, output, offline=offline), folder)


def _digests() -> Callable[[Path], Digest]:
    """What hashes a file, and remembers it."""
    import os
    import time

    from builder.cli.machine import open_store
    from builder.lock.data.hashing import Found, Hasher
    from builder.oci.sourced import identity_of

    hasher = Hasher(open_store(), time.time_ns)

    def digest_of(path: Path) -> Digest:
        ((file,), _) = hasher.hash(path, [Found("", identity_of(os.stat(path)))], str(path))
        return file.digest

    return digest_of


def _show(reports: Sequence[CheckReport], output: Output, form: str, target: Path | None) -> None:
    from builder.data.check.render import rendered
    from builder.data.check.render.json import as_document
    from builder.data.check.render.table import as_table

    if target is None and form == "json":
        print_json(as_document(reports))
        return
    text = as_table(reports, passed=output.verbose) if form == "table" else rendered(reports, form)
    if target is None:
        click.echo(printable(text), nl=False)
        return
    from builder.oci.layout import write_atomically

    write_atomically(target, text.encode())
    click.echo(printable(str(target)))


def _fail(reports: Sequence[CheckReport], *, told: bool) -> None:
    """Raises: CheckFailedError, NotMeasuredError; without what has been told."""
    from builder.data.check.outcome import worst

    code = worst(reports)
    for report in reports:
        if code != ExitCode.OK and report.exit_code == code:
            failure = report.failure(code)
            raise type(failure)(failure.what) if told else failure
