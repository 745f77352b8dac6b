"""`envbuild audit`: the trail of what was done with bundles, by whom and when."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.audit_trail import FOLDER, VARIABLE, add, find_trail, trail_of
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, count, print_json, printable
from builder.errors import CheckFailedError, DigestMismatchError, EnvbuildError, shortened

if TYPE_CHECKING:
    from builder.records.audit.event import Event
    from builder.records.audit.trail import Finding, Trail

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

path_argument = click.argument("path", type=click.Path(path_type=Path), default=Path())


@click.group("audit", short_help="Show, check or add to the trail of what was done with bundles.")
def command() -> None:
    """The audit trail: one file an event, named by its digest, in a project's folder `audit` or a team's.

    Commands that do something with a bundle leave an event where `audit init` was run in the project, or where
    ENVBUILD_AUDIT names a folder. With ENVBUILD_AUDIT_KEY, an SSH key signs them.
    """


@command.command("init", short_help="Begin a trail in a project.")
@path_argument
@click.pass_obj
def init(output: Output, path: Path) -> None:
    """Make the folder `audit` in the project PATH, or the one that ENVBUILD_AUDIT names. Prints it."""
    from builder.records.audit.folder import is_trail, make_trail

    folder = trail_of(path) or path / FOLDER
    if not is_trail(folder) and folder.is_dir() and any(folder.iterdir()):
        raise EnvbuildError(
            f"`{folder}` is there and holds something else", hint=f"Name another folder in `{VARIABLE}`"
        )
    make_trail(folder)
    output.say("commit it: events are files that git merges without conflicts")
    click.echo(str(folder))


@command.command("log", short_help="Show the events in order.")
@path_argument
@json_option
def log(path: Path, as_json: bool) -> None:
    """Show the events of the trail in PATH (a project, or the trail's folder), each behind those before it.

    What is wrong with the trail is not told here: see `audit verify`.
    """
    from builder.records.audit.folder import read_folder
    from builder.records.audit.trail import event_as_json

    trail = read_folder(find_trail(path))
    if as_json:
        print_json([event_as_json(name, event, name in trail.signatures) for name, event in trail.ordered()])
        return
    for name, event in trail.ordered():
        click.echo(printable(_line(name, event, name in trail.signatures)).replace("\n", " "))


def _line(name: str, event: Event, signed: bool) -> str:
    digest = f" {event.digest[:19]}" if event.digest else ""
    details = ", ".join(f"{key}={value}" for key, value in event.details.items())
    who = f"{event.actor}{', signed' if signed else ''}"
    return f"{name[:12]} {event.time} {event.action:<10} {event.name}{digest} by {who}" + (
        f" ({details})" if details else ""
    )


@command.command("verify", short_help="Check that nothing in the trail was changed or is missing.")
@path_argument
@click.option(
    "--allowed-signers",
    type=Existing(),
    metavar="FILE",
    help="Who may sign with which key (ssh-keygen(1), ALLOWED SIGNERS).",
)
@click.option("--signed", is_flag=True, help="Every event must be signed.")
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="EVENT",
    help="An event that must be in it, such as the last one of yesterday; may be repeated.",
)
@json_option
@click.pass_obj
def verify(
    output: Output, path: Path, allowed_signers: Path | None, signed: bool, expected: tuple[str, ...], as_json: bool
) -> None:
    """Check the whole trail in PATH: digests, events that are missing, signatures. Prints the last events.

    Exits 5 if an event or a signature was changed, 3 if anything else is wrong.
    """
    from builder.records.audit.folder import read_folder

    folder = find_trail(path)
    trail = read_folder(folder)
    findings = _findings(trail, allowed_signers, signed, expected)
    if as_json:
        print_json(
            {
                "events": len(trail.events),
                "signed": len(trail.signatures),
                "heads": list(trail.heads),
                "findings": [finding.to_dict() for finding in findings],
            }
        )
    for finding in findings:
        if finding.kind == "note":
            output.say(f"note: {_text(finding)}")
    wrong = [finding for finding in findings if finding.kind != "note"]
    if wrong:
        is_digest = any(finding.kind in ("digest", "signature") for finding in wrong)
        why = shortened([*map(_text, wrong)], "; `--json` shows all")
        raise (DigestMismatchError if is_digest else CheckFailedError)(f"the audit trail `{folder}` is not whole", why)
    output.say(_summary(trail, allowed_signers))
    if not as_json:
        for head in trail.heads:
            click.echo(head)


def _findings(trail: Trail, allowed_signers: Path | None, signed: bool, expected: tuple[str, ...]) -> list[Finding]:
    import functools

    from builder.records.audit.ssh import verify_event
    from builder.records.audit.trail import Finding, check_signatures, check_trail, unsigned

    found = [*check_trail(trail, expected), *check_signatures(trail, functools.partial(verify_event, allowed_signers))]
    if signed:
        found += [Finding("signature", f"{name}.json", "it is not signed") for name in unsigned(trail)]
    return found


def _text(finding: Finding) -> str:
    return f"`{finding.file}`: {finding.message}" if finding.file else finding.message


def _summary(trail: Trail, allowed_signers: Path | None) -> str:
    whose = "" if allowed_signers or not trail.signatures else "; WHO may sign was not checked (`--allowed-signers`)"
    signed = f"{len(trail.signatures)} of them signed{whose}"
    return f"{count(len(trail.events), 'event')}, {signed}; nothing was changed or is missing between them"


@command.command("add", short_help="Add an event, such as an approval by a person.")
@click.argument("action")
@click.argument("target", metavar="BUNDLE|DIGEST")
@click.option("--note", default="", help="Why, in a sentence.")
@click.option(
    "--audit", "path", type=click.Path(path_type=Path), default=Path(), help="A project, or the trail's folder."
)
@json_option
@click.pass_obj
def add_command(output: Output, action: str, target: str, note: str, path: Path, as_json: bool) -> None:
    """Say that ACTION was done: `audit add approved penguins.tar --note "metrics checked"`.

    What it is about is a bundle's file or folder, `oci://HOST/NAME:TAG`, or a digest. Prints the event's name.
    """
    from builder.records.audit.event import check_action

    check_action(action)
    folder = find_trail(path)
    name, digest = _subject(target, output)
    event = add(folder, action, name, digest, {"note": note} if note else {})
    if as_json:
        print_json({"event": event, "action": action, "subject": {"name": name, "digest": digest}})
    else:
        click.echo(event)


def _subject(target: str, output: Output) -> tuple[str, str]:
    """What a bundle is called, and its digest."""
    if _DIGEST.fullmatch(target):
        return target, target
    from builder.cli.machine import make_workshop
    from builder.cli.opened_bundle import opened_bundle

    with opened_bundle(target, make_workshop(output)) as bundle:
        return bundle.name, str(bundle.top.digest)
