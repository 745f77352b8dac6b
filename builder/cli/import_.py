"""`envbuild import`: pipelines of other tools as stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json
from builder.errors import EnvbuildError
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.pipeline.imported.result import Imported


@click.command("import", short_help="Write stages from a `dvc.yaml` or an `MLproject`.")
@click.argument("file", type=Existing())
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="The `envbuild.yaml` to write, beside FILE by default.",
)
@click.option("--environment", metavar="FOLDER", help="The folder of the environment that the stages run in.")
@click.option("--dry-run", is_flag=True, help="Print the stages, and write nothing.")
@click.option("--force", is_flag=True, help="Replace an `envbuild.yaml` that is there.")
@json_option
@click.pass_obj
def command(
    output: Output,
    file: Path,
    target: Path | None,
    environment: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the stages of FILE, a `dvc.yaml` or an `MLproject`, into an `envbuild.yaml`.

    One that is there gets them at its end; one that has stages is not touched, and what would be in it is printed. What
    cannot be taken is told on standard error, each with its line and what to do. Prints the files that were written.
    """
    from builder.pipeline.imported.write import SHELL, needs_shell

    target = target or (file if file.is_dir() else file.parent) / PROJECT_FILE
    imported = _read(file, target.parent)
    for note in imported.notes:
        output.say(str(note))
    if needs_shell(imported) and (environment or (target.exists() and not force)):
        output.say(f"note: stages need a shell: their environment must have `debian: [{SHELL}]`, or a base with one")
    written: tuple[Path, ...] = ()
    text = _text(imported, target, environment, force=force)
    if not dry_run and text is not None:
        from builder.pipeline.imported.write import check_project, write_import

        check_project(text, target)
        written = write_import(text, target, imported.files, force=force)
    if as_json:
        print_json(_as_json(imported, written))
    elif dry_run or text is None:
        from builder.pipeline.imported.write import stages_text

        click.echo(stages_text(imported), nl=False)
    for path in written if not as_json else ():
        click.echo(str(path))
    if text is None and not dry_run:
        hint = "Paste what was printed into it, or give `--force` to replace all of it"
        raise EnvbuildError(f"`{target}` has stages already, and was not touched", hint=hint)
    output.say(f"{count(len(imported.stages), 'stage')}, {count(len(imported.notes), 'note')}")


def _read(file: Path, project: Path) -> Imported:
    from builder.pipeline.imported.dvc import import_dvc
    from builder.pipeline.imported.mlproject import import_mlproject

    if file.is_dir():
        file = next((file / name for name in ("dvc.yaml", "MLproject") if (file / name).is_file()), file)
    if file.name == "MLproject":
        return import_mlproject(file, project)
    if file.suffix in (".yaml", ".yml"):
        return import_dvc(file, project)
    raise EnvbuildError(f"`{file}` is neither a `dvc.yaml` nor an `MLproject`")


def _text(imported: Imported, target: Path, environment: str | None, *, force: bool) -> str | None:
    """What the document is then; None, where one with stages is there."""
    from builder.pipeline.imported.write import guessed_environment, project_text, with_shell, with_stages

    if target.exists() and not force:
        try:
            before = target.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise EnvbuildError(f"`{target}` cannot be read", str(error)) from error
        return with_stages(before, imported)
    chosen = environment or imported.environment or guessed_environment(target.parent)
    return project_text(imported, with_shell(chosen, imported))


def _as_json(imported: Imported, written: tuple[Path, ...]) -> dict[str, Any]:
    return {
        "stages": {name: dict(stage) for name, stage in imported.stages.items()},
        "notes": [note.to_dict() for note in imported.notes],
        "written": [str(path) for path in written],
    }
