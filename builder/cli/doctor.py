"""`envbuild doctor`: what this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import host_platform, machine_variables, make_fetcher, open_store
from builder.cli.options import json_option
from builder.cli.output import Output, print_json, printable
from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError
from builder.oci.documents import Platform

if TYPE_CHECKING:
    from builder.run.doctor import Needs, Result

_PAGE_LIMIT = 64 << 20


@click.command("doctor", short_help="Check what this machine can do.")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--online", is_flag=True, help="Also ask whether PyPI, Debian and PyTorch can be reached.")
@json_option
@click.pass_obj
def command(output: Output, path: Path | None, online: bool, as_json: bool) -> None:
    """Check what this machine can do, and say what to do about what it cannot; nothing is changed.

    With PATH, a project or an environment, also whether that is all that it needs: an engine for its commands, a driver
    for its CUDA version, emulation of other platforms.

    Exits 3 if something that is needed is not there, 6 if that could not be measured.
    """
    from builder.cli.engines import ENGINES
    from builder.run.doctor import Examined, Needs, examine

    def read(url: str) -> bytes:
        return make_fetcher(open_store(), output).read([url], _PAGE_LIMIT)

    machine = Examined(
        {**os.environ, **machine_variables()},
        open_store,
        ENGINES,
        needs_of(path) if path is not None else Needs(),
        read=read if online else None,
    )
    results = examine(machine)
    if as_json:
        print_json({"ok": _verdict(results, path) is None, "checks": list(map(_to_dict, results))})
    else:
        _show(results)
    error = _verdict(results, path)
    if error is not None:
        raise error


def needs_of(path: Path) -> Needs:
    """What a project or an environment needs of the machine that works with it.

    Raises: SpecError, EnvbuildError.
    """
    from builder.run.doctor import Needs
    from builder.spec.cuda import Cuda
    from builder.spec.load import PROJECT_FILE, find_spec, load_environment, load_project

    is_project = find_spec(path).name == PROJECT_FILE
    environment = load_environment(path).environment
    pypi, base = environment.pypi, environment.base
    return Needs(
        engine=is_project and bool(load_project(path).project.commands),
        cuda=Cuda.of_text(environment.cuda),
        uv=pypi is not None and pypi.resolver == "uv",
        pip_tools=pypi is not None and pypi.resolver == "pip-tools",
        emulated=tuple(platform for platform in environment.targets if environment.compile and platform != _host()),
        suite=(base.suite if base else None) or Needs().suite,
    )


def _host() -> Platform | None:
    try:
        return host_platform()
    except EnvbuildError:
        return None


def _show(results: Sequence[Result]) -> None:
    width = max(len(result.name) for result in results)
    for result in results:
        finding = result.finding
        mark = "*" if result.needed and finding.state != "ok" else " "
        click.echo(f"{finding.state:7} {mark} {result.name:{width}}  {printable(finding.detail)}")
        if finding.hint:
            click.echo(f"{'':{width + 10}}  {printable(finding.hint)}")


def _to_dict(result: Result) -> dict[str, object]:
    finding = result.finding
    return {
        "name": result.name,
        "state": finding.state,
        "needed": result.needed,
        "detail": finding.detail,
        "hint": finding.hint,
    }


def _verdict(results: Sequence[Result], path: Path | None) -> EnvbuildError | None:
    """What is wrong with what is needed, if anything is."""
    what = f"`{path}`" if path is not None else "envbuild"
    for state, kind, text in (("no", CheckFailedError, "lacks"), ("unknown", NotMeasuredError, "may lack")):
        causes = [
            f"{result.name}: {result.finding.detail}"
            for result in results
            if result.needed and result.finding.state == state
        ]
        if causes:
            return kind(
                f"this machine {text} what {what} needs", causes, "What to do stands beside each, marked with *"
            )
    return None
