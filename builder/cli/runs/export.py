"""`envbuild runs export`: runs for other tools, in a file or on a server."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import project_option
from builder.cli.output import Output, count
from builder.cli.runs.opened import OpenedRuns, opened_runs
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.history.export.sending import Sender
    from builder.history.folder import KeptRun

_FORMATS = ("csv", "json", "openlineage", "mlflow")
_LINEAGE_PATH = "/api/v1/lineage"


@click.command("export", short_help="Write runs as CSV, JSON or OpenLineage events, or send them to MLflow.")
@click.argument("runs", nargs=-1)
@click.option("--where", metavar="EXPRESSION", help="Those for which this holds, as `runs search` has it.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), required=True, help="What they are written as.")
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="Where to [default: -].")
@click.option("--url", metavar="URL", help="The server that events, or runs, are sent to.")
@click.option("--experiment", metavar="NAME", help="Of MLflow [default: the project's name].")
@project_option
@click.pass_obj
def command(
    output: Output,
    runs: tuple[str, ...],
    where: str | None,
    format_: str,
    file: Path | None,
    url: str | None,
    experiment: str | None,
    project: Path,
) -> None:
    """Write RUNS, or all, or those for which an expression holds, for other tools.

    `csv` and `json` are rows. `openlineage` are events, one a line; with `--url`, or where `OPENLINEAGE_URL` is set
    and there is no FILE, they are sent, with the key in `OPENLINEAGE_API_KEY`. `mlflow` sends runs to the server at
    `--url` or `MLFLOW_TRACKING_URI`, with `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`;
    what is there already is brought up to date.
    """
    if file is not None and (url is not None or format_ == "mlflow"):
        raise click.UsageError("They go into a file, or to a server.")
    if (url is not None and format_ in ("csv", "json")) or (experiment and format_ != "mlflow"):
        raise click.UsageError("`--url` is for `openlineage` and `mlflow`, `--experiment` for `mlflow`.")
    with opened_runs(project, output) as opened:
        kept = _chosen(opened, runs, where)
        opened.tell_broken(output)
    if format_ == "mlflow":
        _to_mlflow(kept, url, experiment, output)
    elif format_ == "openlineage":
        _lineage(kept, file, url or (None if file else os.environ.get("OPENLINEAGE_URL")), output)
    else:
        _write(file, _table(kept, format_))


def _chosen(opened: OpenedRuns, names: Sequence[str], where: str | None) -> list[KeptRun]:
    from builder.history.folder import read_run
    from builder.history.layout import RUNS
    from builder.history.search import parse_search

    if names and where is not None:
        raise click.UsageError("Name runs, or say which with `--where`.")
    if names:
        return [opened.find(name) for name in dict.fromkeys(names)]
    entries = opened.index.entries(parse_search(where) if where is not None else None)
    return [read_run(opened.root / RUNS / entry.id) for entry in entries]


def _table(kept: list[KeptRun], format_: str) -> bytes:
    from builder.history.export.table import csv_bytes, json_bytes
    from builder.history.tags import read_tags

    rows = [(one.record, read_tags(one.folder)) for one in kept]
    return csv_bytes(rows) if format_ == "csv" else json_bytes(rows)


def _lineage(kept: list[KeptRun], file: Path | None, url: str | None, output: Output) -> None:
    from builder.history.export.openlineage import events

    repository = _repository(kept[0].folder) if kept else None
    found = [event for one in reversed(kept) for event in events(one.record, repository=repository)]
    if url is None:
        _write(file, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in found).encode())
        return
    key = os.environ.get("OPENLINEAGE_API_KEY")
    server = _sender(_lineage_url(url), "the URL for OpenLineage", f"Bearer {key}" if key else None)
    for event in found:
        server.expect("", event)
    output.say(f"sent {count(len(found), 'event')} of {count(len(kept), 'run')}")


def _lineage_url(url: str) -> str:
    """With the path that OpenLineage's clients take by default, if it has none."""
    from urllib.parse import urlsplit

    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + _LINEAGE_PATH


def _repository(folder: Path) -> str | None:
    """The URL of the repository's origin, if there is one."""
    from builder.history.export.openlineage import web_url
    from builder.history.repository import Git, GitError

    try:
        return web_url(Git(folder).text("config", "--get", "remote.origin.url").strip())
    except GitError:
        return None


def _to_mlflow(kept: list[KeptRun], url: str | None, experiment: str | None, output: Output) -> None:
    from builder.history.export.mlflow import find_experiment, send_run
    from builder.history.folder import STEPS_FILE
    from builder.history.metrics import read_steps
    from builder.history.tags import read_tags

    url = url or os.environ.get("MLFLOW_TRACKING_URI")
    if not url:
        raise EnvbuildError("no MLflow server is named", hint="Name it with `--url`, or in `MLFLOW_TRACKING_URI`")
    server = _sender(url, "the URL of MLflow", _mlflow_authorization())
    created = 0
    experiments: dict[str, str] = {}
    for one in reversed(kept):
        name = experiment or one.record.project or "envbuild"
        if name not in experiments:
            experiments[name] = find_experiment(server, name)
        steps = read_steps(one.folder / STEPS_FILE) if (one.folder / STEPS_FILE).is_file() else ()
        created += send_run(server, experiments[name], one.record, steps, read_tags(one.folder)).created
    output.say(f"sent {count(len(kept), 'run')}: {created} new, {len(kept) - created} brought up to date")


def _mlflow_authorization() -> str | None:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user is not None and password is not None:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Bearer {token}" if token else None


def _sender(url: str, what: str, authorization: str | None) -> Sender:
    from builder.fetch.access import Access, Login
    from builder.fetch.connections import Connections
    from builder.history.export.sending import Sender, checked_url

    plain = checked_url(url, what)
    login = Login.of_url(url)
    given = login.header if login else authorization
    return Sender(plain, Connections(Access.from_environment(os.environ)), given)


def _write(file: Path | None, data: bytes) -> None:
    from builder.oci.layout import write_atomically

    if file is None or file == Path("-"):
        click.echo(data, nl=False)
        return
    try:
        write_atomically(file, data)
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be written", error.strerror or str(error)) from error
