"""`envbuild scan`: secrets, unsafe pickles and personal data in a project, in files, in a bundle or an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder import __version__
from builder.cli.audit_trail import record_event
from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import named_place, opened_bundle
from builder.cli.options import json_option
from builder.cli.output import Output, count, print_json, printable, size_text
from builder.cli.target import is_image
from builder.cli.verify_target import opened_image, reference_of
from builder.errors import EnvbuildError
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.image.workshop import Workshop
    from builder.oci.registry import Reference
    from builder.records.scan.report import Report


@click.command("scan", short_help="Look for secrets, unsafe pickles and personal data.")
@click.argument("target", default=".")
@click.option("--all-layers", is_flag=True, help="Of an image: look at the layers of its environment and base too.")
@click.option(
    "--attach", "attaches", is_flag=True, help="Attach what was found to the bundle, as an in-toto test result."
)
@click.option("--sarif", type=click.Path(path_type=Path), metavar="FILE", help="Write it as SARIF 2.1.0 too.")
@json_option
@click.pass_obj
def command(output: Output, target: str, all_layers: bool, attaches: bool, sarif: Path | None, as_json: bool) -> None:
    """Scan TARGET: a project, any file or folder, a bundle or another image in a file or folder, or HOST/NAME:TAG.

    Looks for secrets, for pickles that run code when they are loaded, and for data about people in samples. Nothing is
    loaded or run, and what was found is told by rule and place alone. Of an image, the layers are looked at that a
    project put on its environment, also what a higher layer deletes again.

    Exits 3 if a finding of the level high or medium is not allowed in the spec, with a reason.
    """
    workshop = make_workshop(output)
    reference = reference_of(target)
    of_image = reference is not None or _is_image(Path(target))
    if attaches and not of_image:
        raise EnvbuildError(f"`{target}` is no bundle", hint="Pack it first; `--attach` is for bundles and images")
    if of_image:
        digest, report = _of_image(target, reference, workshop, output, all_layers=all_layers)
        if attaches:
            _attach(target, digest, report, workshop, output)
    else:
        report = _of_files(Path(target), workshop)
    _answer(target, report, output, sarif, as_json=as_json)


def _is_image(path: Path) -> bool:
    return is_image(path) and (path.is_dir() or path.suffix == ".tar")


def _of_files(path: Path, workshop: Workshop) -> Report:
    from builder.bundle.inside.scan import scan_folder, scan_project
    from builder.spec.load import load_project

    is_project = path.name == PROJECT_FILE or (path / PROJECT_FILE).is_file()
    return scan_project(load_project(path), workshop.store) if is_project else scan_folder(path, workshop.store)


def _of_image(
    target: str, reference: Reference | None, workshop: Workshop, output: Output, *, all_layers: bool
) -> tuple[str, Report]:
    """The digest of what was scanned, and what came of it."""
    from builder.bundle.checking.scan_layers import scan_image
    from builder.records.scan.report import joined

    with opened_image(target, reference, output, workshop) as subject:
        layout = subject.layout
        reports = [scan_image(layout, image, workshop.store, all_layers=all_layers) for image in subject.images()]
    report = joined(reports)
    digest = str(subject.tops[0].digest)
    record_event("scanned", subject.name, digest, {"findings": len(report.found)})
    return digest, report


def _attach(target: str, digest: str, report: Report, workshop: Workshop, output: Output) -> None:
    from builder.bundle.attached.attach import attach
    from builder.records.scan.statement import scan_attachment

    with opened_bundle(target, workshop) as bundle:
        subjects = {bundle.name: bundle.top.digest}
        subjects |= {f"{bundle.name} {platform}": image.descriptor.digest for platform, image in bundle.images.items()}
        top = bundle.top
    if str(top.digest) != digest:
        raise EnvbuildError(f"`{target}` was replaced while it was scanned", hint="Scan it again")
    attach(named_place(target, workshop), top, [scan_attachment(report, subjects)])
    output.say(f"attached to {top.digest}")


def _answer(target: str, report: Report, output: Output, sarif: Path | None, *, as_json: bool) -> None:
    if sarif:
        from builder.oci.layout import write_atomically
        from builder.records.scan.statement import sarif as as_sarif

        write_atomically(sarif, as_sarif(report, __version__))
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report, output)
    report.check(f"`{target}` has something in it that must not change hands", most=0)


def _show(report: Report, output: Output) -> None:
    for found in report.found:
        allowed = f" [allowed: {found.reason}]" if found.reason else ""
        finding = found.finding
        click.echo(printable(f"{finding.level:6} {finding.rule}  {finding.where}: {finding.message}{allowed}"))
    for path, reason in report.not_measured:
        output.detail(f"not looked at: {path}: {reason}")
    files, size = (sum(each) for each in zip(*report.scanned.values(), (0, 0), strict=False))
    output.say(f"{count(files, 'file')} ({size_text(size)}) looked at, {count(len(report.found), 'finding')}")
    if report.not_measured and not output.verbose:
        output.say(f"{count(len(report.not_measured), 'file')} NOT looked at in full, shown with `--verbose`")
    for one in report.unused:
        output.say(f"`scan.allow`: nothing of `{one.rule}` was found in `{one.path}`")
