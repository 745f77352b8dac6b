"""`envbuild reproduce`: a bundle built again from what is inside, its run repeated, both compared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder import __version__
from builder.cli.audit_trail import record_event
from builder.cli.machine import current_lock, host_platform, make_workshop
from builder.cli.opened_bundle import bundle_argument, named_place, opened_bundle
from builder.cli.options import Existing, Size, json_option, offline_option, platform_option, workers_option
from builder.cli.output import Output, print_json, printable
from builder.cli.running import check_gpus, engine_option, gpus_option, parse_gpus, parse_pairs
from builder.cli.trusted import require, signature_option
from builder.cli.wheels import ensure_built_wheels
from builder.errors import EnvbuildError
from builder.oci.documents import Platform

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.bundle.inside.recreate import Recreated
    from builder.bundle.reading.reader import Bundle
    from builder.image.workshop import Workshop
    from builder.run.reproduce.check import Check
    from builder.run.reproduce.rebuild import Rebuilt
    from builder.run.reproduce.report import Report


@click.command("reproduce", short_help="Build a bundle again, run its training again, and say what is the same.")
@bundle_argument
@click.option(
    "--against",
    "against",
    multiple=True,
    type=Existing(),
    metavar="RUN.json",
    help="The record of a run to repeat, `out/run.json` [default: the one in the bundle]; may be repeated.",
)
@click.option("--command", "commands", multiple=True, metavar="NAME", help="Repeat runs of this command alone.")
@click.option("--no-run", is_flag=True, help="Compare digests alone, and run nothing.")
@engine_option
@click.option("--data", multiple=True, metavar="NAME=PATH", help="Use this file as data NAME, if its bytes are right.")
@click.option(
    "--network",
    type=click.Choice(["default", "none", "host"]),
    default="none",
    show_default=True,
    help="What the command can reach: what the engine gives, nothing, or all that this machine can.",
)
@gpus_option
@signature_option
@click.option("--shm-size", type=Size(), help="Size of /dev/shm.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the report: Markdown to FILE.md, else JSON; may be repeated.",
)
@click.option("--attach", "to_attach", is_flag=True, help="Attach the report to the bundle.")
@platform_option
@workers_option
@offline_option
@json_option
@click.pass_obj
def command(output: Output, /, target: str, **options: Any) -> int:
    """Say whether BUNDLE, a file, a folder, or `oci://HOST/NAME:TAG`, can be made again: the image and the model.

    The images are built from the lock, the code, the model and the data inside, in an empty store, and their digests
    compared. Then the run that made the model is repeated in the image that was built, without network, with the
    recorded parameters, seed, arguments and data; its metrics must be within the tolerances of the spec, and its
    outputs have the same bytes where the spec says `deterministic`.

    Exits 5 if a digest differs, 3 if metrics or outputs do, 6 if something could not be measured.
    """
    for path in options["reports"]:
        folder = path.absolute().parent
        if path.is_dir() or not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise EnvbuildError(f"no report can be written to `{path}`", hint="Name a file in a folder that is there")
    workshop = make_workshop(output, options["workers"], offline=options["offline"])
    with opened_bundle(target, workshop) as bundle:
        if required := options["require_signature"]:
            require(bundle, required, workshop, output)
        report = _Reproduction(bundle, workshop, output, options).report()
    _write(report, options["reports"])
    if options["to_attach"]:
        from builder.bundle.attached.attach import attach

        attach(named_place(target, workshop), bundle.top, [report.to_attachment()])
        output.say(f"attached the report to {target}")
    digest = f"sha256:{report.digest}"
    record_event("reproduced", report.name, digest, {"exit-code": int(report.exit_code), "engine": report.engine})
    _answer(report, output, options["as_json"])
    return report.exit_code


@dataclass(frozen=True, slots=True)
class _Reproduction:
    """One reproduction of a bundle."""

    bundle: Bundle
    workshop: Workshop
    output: Output
    options: dict[str, Any]

    def report(self) -> Report:
        """What came of it."""
        from builder.bundle.reading.reader import read_document
        from builder.image.rebuild import empty_workshop
        from builder.run.prepare import declared_command
        from builder.run.reproduce.rebuild import Tools, rebuild
        from builder.run.reproduce.report import Report

        platforms = self._platforms()
        document = read_document(self.bundle.layout, self.bundle.image(platforms[0]))
        if not document:
            raise EnvbuildError(f"`{self.bundle.name}` is an image, not a bundle", hint="`envbuild verify` checks it")
        for name in self.options["commands"]:
            declared_command(name, document)
        records = [_read_record(path) for path in self.options["against"]]
        self.output.say(f"building {self.bundle.name} again from what is inside, in an empty store")
        with empty_workshop(self.workshop) as scratch, scratch.store.scratch() as folder:
            rebuilt = rebuild(self.bundle, document, platforms, folder, Tools(scratch, self._build))
            checks = list(rebuilt.checks)
            runs = _Runs(self, document, scratch, folder)
            if not self.options["no_run"]:
                checks += runs.checks(rebuilt, records)
        return Report(
            self.bundle.name,
            self.bundle.top.digest.hex,
            tuple(checks),
            __version__,
            runs.engine,
            host_platform().architecture if runs.engine else None,
            document.get("lock"),
        )

    def _platforms(self) -> list[Platform]:
        """Those that are asked for, or all of the bundle; the one of this machine first."""
        named = {Platform.parse(name) for name in self.options["platforms"]} or set(self.bundle.images)
        for platform in named:
            self.bundle.image(platform)
        return sorted(named)

    def _build(self, recreated: Recreated, platforms: Sequence[Platform], workshop: Workshop) -> Built:
        from builder.bundle.build import Choice, build_project
        from builder.bundle.inside.promises import Checking
        from builder.bundle.model_pack import form_in, with_model

        lock = current_lock(recreated.project.environment)
        known = [
            platform if platform in lock.document.platforms else replace(platform, variant=None)
            for platform in platforms
        ]
        ensure_built_wheels(lock, known, workshop, self.output, here_only=True)
        choice = Choice(recreated.recipe.packing, Checking(recreated.recipe.no_check, frozenset()))
        built = build_project(recreated.project, lock, known, workshop, choice)
        return with_model(built, recreated.project, workshop, form_in(self.bundle))


class _Runs:
    """The runs of one reproduction that are repeated."""

    def __init__(self, of: _Reproduction, document: dict[str, Any], scratch: Workshop, folder: Path) -> None:
        self._of = of
        self._document = document
        self._scratch = scratch
        self._folder = folder
        self.engine: str | None = None
        """What ran something."""

    def checks(self, rebuilt: Rebuilt, records: list[dict[str, Any]]) -> list[Check]:
        """What came of repeating `records`, or else the run that is recorded inside."""
        from builder.bundle.inside.recorded import parse_record
        from builder.run.reproduce.chosen import chosen_runs, not_repeated

        if not records and rebuilt.run is not None:
            records = [parse_record(rebuilt.run, "the record of a run inside")]
        chosen, checks = chosen_runs(records, self._of.options["commands"])
        if not chosen:
            return checks
        if rebuilt.built is None:
            return [*checks, *not_repeated(chosen, "no image")]
        return checks + self._repeated(rebuilt.built, chosen)

    def _repeated(self, built: Built, records: Sequence[Mapping[str, Any]]) -> list[Check]:
        from builder.cli.engines import choose_engine
        from builder.run.interface import LocalImage
        from builder.run.reproduce.chosen import not_repeated
        from builder.run.reproduce.rerun import Rerunner

        of, here = self._of, host_platform()
        image = next((one for one in built.images if replace(one.config.platform, variant=None) == here), None)
        try:
            if image is None:
                raise EnvbuildError(f"no image for {here} was built")
            engine = choose_engine(of.options["engine"], of.output)
            local = LocalImage.of(image, built.name, self._scratch)
            gpus = parse_gpus(of.options["gpus"])
            check_gpus(engine, local, gpus, of.output)
        except EnvbuildError as error:
            return not_repeated(records, ": ".join((error.what, *error.why)))
        self.engine = engine.name
        rerunner = Rerunner(engine, local, self._document, of.workshop.fetcher, self._conditions())
        checks: list[Check] = []
        for number, record in enumerate(records):
            of.output.say(f"running `{record['command']}` again on the {engine.name} engine")
            checks += rerunner.checks(record, self._folder / f"out-{number}")
        return checks

    def _conditions(self) -> Any:
        from builder.run.reproduce.rerun import Conditions

        options = self._of.options
        data = {key: Path(value) for key, value in parse_pairs("--data", options["data"]).items()}
        return Conditions(options["network"], data, Path(), parse_gpus(options["gpus"]), options["shm_size"])


def _read_record(path: Path) -> dict[str, Any]:
    from builder.bundle.inside.recorded import parse_record
    from builder.history.layout import RECORD_LIMIT

    with open(path, "rb") as file:
        return parse_record(file.read(RECORD_LIMIT + 1), f"`{path}`")


def _write(report: Report, files: Sequence[Path]) -> None:
    from builder.oci.canonical import readable_json
    from builder.oci.layout import write_atomically

    for path in files:
        is_markdown = path.suffix.lower() in (".md", ".markdown")
        write_atomically(path, report.to_markdown().encode() if is_markdown else readable_json(report.to_statement()))


def _answer(report: Report, output: Output, as_json: bool) -> None:
    from builder.run.reproduce.report import verdict

    if as_json:
        print_json(report.to_statement())
    else:
        for line in check_lines(report.checks):
            click.echo(printable(line).replace("\n", " "))
    output.say(f"{report.name}: {verdict(report.checks)}")


def check_lines(checks: Sequence[Check]) -> Iterator[str]:
    """A line for each thing that was compared."""
    from builder.run.reproduce.report import short

    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        outcome = check.outcome if check.required or check.outcome == "same" else f"{check.outcome} (not promised)"
        values = [short(check.recorded)] if check.outcome == "same" else [short(check.recorded), short(check.found)]
        known = check.recorded is not None or check.found is not None
        line = f"{check.name:<{width}}  {outcome:<12}" + (f"  {', now '.join(values)}" if known else "")
        yield line + (f"  ({check.reason})" if check.reason else "")
