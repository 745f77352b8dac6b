"""`envbuild runs reproduce`: what a run ran, once more, from its own record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.machine import host_platform, make_workshop
from builder.cli.options import Size, json_option, offline_option, project_option
from builder.cli.output import Output, print_json, printable
from builder.cli.reproduce import check_lines
from builder.cli.running import check_gpus, engine_option, gpus_option, parse_gpus, parse_pairs
from builder.cli.runs.opened import opened_runs
from builder.cli.runs.reproduce_stage import StageAgain, stage_checks
from builder.cli.stage_bench import Limits
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.cli.target import Target
    from builder.history.folder import KeptRun
    from builder.image.workshop import Workshop
    from builder.run.reproduce.check import Check


@click.command("reproduce", short_help="Run what a run ran once more from its own record, and compare.")
@click.argument("run", metavar="RUN")
@project_option
@engine_option
@click.option("--data", multiple=True, metavar="NAME=PATH", help="Use this file as data NAME, if its bytes are right.")
@click.option(
    "--network",
    type=click.Choice(["default", "none", "host"]),
    default="none",
    show_default=True,
    help="What a command can reach; a stage reaches what it declares.",
)
@gpus_option
@click.option("--shm-size", type=Size(), help="Size of /dev/shm.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave there what it wrote.")
@offline_option
@json_option
@click.pass_obj
def command(output: Output, /, run: str, project: Path, as_json: bool, **options: Any) -> int:
    """Say whether RUN can be made again: by its id, the beginning of it, a tag, or `latest`.

    The commit that it was of is laid out apart, with what differed from it; its lock must be the recorded one; data are
    taken by digest from the working tree or from where they are had. There the command is run with the recorded
    parameters, seed and arguments, without network unless that is declared. A stage is run alone: what it read is taken
    by digest from what is kept. A run outside of git is made again where the working tree still has its code. Metrics
    must be within their tolerances, and outputs have the same bytes where the spec says `deterministic`. The project
    stays as it is, and no run is left.

    Exits 3 if metrics, outputs or what they are made of differ, 5 if data have other bytes, 6 if something could not be
    had.
    """
    from builder.run.reproduce.check import exit_code
    from builder.run.reproduce.report import verdict

    keep: Path | None = options["keep"]
    if keep is not None and (keep.is_file() or (keep.is_dir() and any(keep.iterdir()))):
        raise EnvbuildError(f"`{keep}` is not empty", hint="Name a folder that is not there yet")
    with opened_runs(project, output) as runs:
        kept, root = runs.find(run), runs.root
    _check(kept)
    workshop = make_workshop(output, offline=options["offline"])
    with workshop.store.scratch() as scratch:
        checks = _Again(kept, root, workshop, output, options).checks(scratch)
    code = exit_code(checks)
    if as_json:
        told = {"run": kept.record.id, "verdict": verdict(checks), "exit_code": int(code)}
        print_json({**told, "checks": [check.to_dict() for check in checks]})
    else:
        for line in check_lines(checks):
            click.echo(printable(line).replace("\n", " "))
    output.say(f"{kept.record.id}: {verdict(checks)}")
    return code


def _check(run: KeptRun) -> None:
    if run.changed is not None:
        raise EnvbuildError(f"the record of `{run.record.id}` was changed by hand", run.changed)
    if run.record.outcome != "ok":
        why = f"its outcome is `{run.record.outcome}`"
        raise EnvbuildError(f"the run `{run.record.id}` did not end well", why, "Name one that did")


@dataclass(frozen=True, slots=True)
class _Again:
    """A run that is made again."""

    run: KeptRun
    root: Path
    workshop: Workshop
    output: Output
    options: Mapping[str, Any]

    def checks(self, scratch: Path) -> list[Check]:
        """What came of it. Raises: DigestMismatchError, if data have other bytes."""
        from builder.errors import DigestMismatchError
        from builder.run.reproduce.check import Check

        record = self.run.record
        try:
            if record.platform and record.platform.split("/")[:2] != str(host_platform()).split("/")[:2]:
                raise EnvbuildError(f"it is of {record.platform}, and this machine of {host_platform()}")
            target = self._target(scratch)
            if record.lock is not None and str(target.lock.digest) != record.lock and record.kind == "command":
                why = "the run was of another lock than its commit has"
                return [Check("lock", "different", why, record.lock, str(target.lock.digest))]
            if record.kind == "stage":
                return list(stage_checks(self._stage(target), scratch, self.output))
            return list(self._command(target, scratch))
        except DigestMismatchError:
            raise
        except EnvbuildError as error:
            return [Check(f"run {record.command}", "not measured", ": ".join((error.what, *error.why)))]

    def _target(self, scratch: Path) -> Target:
        """The project as it was. Raises: EnvbuildError."""
        from builder.cli.target import open_target
        from builder.history.checkout import check_out
        from builder.run.reproduce.files import bring_data

        commit = self.run.record.commit
        if commit is None:
            return self._as_it_is()
        project = check_out(self.root, self.run, commit, scratch).project
        target = open_target(project)
        if target.project is None:
            raise EnvbuildError("its commit has no project there")
        missing = bring_data(target.project, self.root, self.workshop.store)
        if missing:
            self.output.say(f"note: no data with the recorded bytes are here: {', '.join(missing)}")
        return target

    def _as_it_is(self) -> Target:
        """The working tree, which must have the code that the run had. Raises: EnvbuildError."""
        from builder.bundle.inside.origin import told_of
        from builder.bundle.inside.since import code_changes
        from builder.cli.model_run import project_now
        from builder.cli.target import open_target

        target = open_target(self.root)
        record = self.run.record
        changed = ["nothing tells which it was"]
        if target.project is not None and (record.code.files or record.code.digest):
            changed = list(code_changes(told_of(record), record.code.files, project_now(target.project, target.lock)))
        if changed:
            why = "the project was in no repository of git then, and the working tree has other code"
            raise EnvbuildError("its code cannot be had", (why, *changed))
        self.output.say("note: the run was of no commit; the working tree has its code")
        return target

    def _stage(self, target: Target) -> StageAgain:
        options = self.options
        data = {key: Path(value) for key, value in parse_pairs("--data", options["data"]).items()}
        limits = Limits(options["engine"], gpus=parse_gpus(options["gpus"]), offline=options["offline"])
        return StageAgain(self.run.record, target, self.root, limits, data, options["keep"])

    def _command(self, target: Target, scratch: Path) -> Iterator[Check]:
        from builder.bundle.inside.origin import told_of
        from builder.bundle.reading.reader import read_document
        from builder.cli.engines import choose_engine
        from builder.run.interface import LocalImage
        from builder.run.reproduce.check import Check
        from builder.run.reproduce.rerun import Conditions, Rerunner

        record, options = self.run.record, self.options
        built = target.build_here(self.workshop, self.output)
        image = LocalImage.of(built.images[0], built.name, self.workshop)
        document = read_document(self.workshop.store, built.images[0])
        engine = choose_engine(options["engine"], self.output)
        gpus = parse_gpus(options["gpus"])
        check_gpus(engine, image, gpus, self.output)
        data = {key: Path(value) for key, value in parse_pairs("--data", options["data"]).items()}
        conditions = Conditions(options["network"], data, target.folder, gpus, options["shm_size"])
        found = str(image.descriptor.digest)
        why = "" if found == record.image else "it held other documents, such as a model that was there then"
        yield Check("image", "same" if not why else "different", why, record.image, found, required=False)
        self.output.say(f"running `{record.command}` again on the {engine.name} engine")
        out = options["keep"] or scratch / "out"
        yield from Rerunner(engine, image, document, self.workshop.fetcher, conditions).checks(told_of(record), out)
