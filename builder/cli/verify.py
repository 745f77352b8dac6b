"""`envbuild verify`: an image against its own digests, the rules of the format, and the lock that it is of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.machine import make_workshop
from builder.cli.options import json_option, platform_option, workers_option
from builder.cli.output import Output, count, print_json
from builder.cli.target import Target, is_image, open_target
from builder.cli.trusted import asked_of, show_outcomes, trust_options
from builder.cli.verify_target import Origin, judged, open_origin, opened_image, rebuilt, reference_of, scans_of
from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.oci.problems import Problem, refusal, told

if TYPE_CHECKING:
    from builder.bundle.checking.check import Verdict
    from builder.bundle.checking.subject import Subject
    from builder.image.workshop import Workshop
    from builder.records.policy.outcome import Outcome


@click.command("verify", short_help="Check an image or a bundle against every digest that it promises.")
@click.argument("target", default=".")
@click.option(
    "--lock",
    "lock_path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="What it must be of: a project, an environment, or the folder of a lock.",
)
@click.option("--rebuild", is_flag=True, help="Build again into an empty store and compare every byte.")
@trust_options
@platform_option
@workers_option
@json_option
@click.pass_obj
def command(
    output: Output,
    target: str,
    lock_path: Path | None,
    rebuild: bool,
    keys: tuple[Path, ...],
    allowed_signers: Path | None,
    policy: Path | None,
    platforms: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> None:
    """Check TARGET: a project or an environment, a bundle or another image in a file or folder, or HOST/NAME:TAG.

    Every digest, size and diff_id is recomputed, every layer is held against the rules of image layers, and what is
    inside is compared with the lock: each package at its version with all of its files, and nothing else.

    The lock is the target's own, the one inside a bundle, or `--lock PATH`; without one, contents are not compared,
    which is said. `--rebuild` proves that the lock gives the same digest again, and names the first byte that differs.

    `--key`, `--allowed-signers` and `--policy` ask more of a bundle: who signed its digest, who built it, what it
    stands on, and what is known of its packages.

    Exits 5 if a digest or a signature is wrong, 4 if a signature is missing, 3 if anything else is not as it must be,
    6 if something could not be measured; of several, what stands first here.
    """
    workshop = make_workshop(output, workers)
    asked = asked_of(keys, allowed_signers, policy)
    reference = reference_of(target)
    if reference is not None or is_image(Path(target)):
        origin = open_origin(lock_path) if lock_path is not None else None
        if rebuild and origin is None:
            raise EnvbuildError(
                "an image cannot be rebuilt from itself", hint="Name the project that it is of: `--lock`"
            )
        with opened_image(target, reference, output, workshop, asked) as subject:
            subject = subject.of_platforms({Platform.parse(name) for name in platforms})
            result = _check(subject, origin, workshop)
            if rebuild and origin:
                result = _rebuild(result, origin, ("in the image", "by the lock"), output)
            if asked:
                result = replace(result, outcomes=judged(subject, result.verdict, asked))
    else:
        if asked:
            raise EnvbuildError("signatures and policies are of bundles", hint="Name a bundle: make one of the project")
        if lock_path is not None:
            raise click.UsageError("`--lock` says what an image is of; a project or an environment has its own lock.")
        result = _of_project(open_target(Path(target), platforms), rebuild, workshop, output)
    _answer(target, result, output, as_json)


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of checking a subject."""

    subject: Subject
    workshop: Workshop
    verdict: Verdict
    digest: str
    rebuilt: bool = False
    outcomes: tuple[Outcome, ...] | None = None
    """What came of the rules that were asked of it; None if none were."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of them."""
        return self.verdict.problems

    @property
    def has_wrong_digest(self) -> bool:
        """Whether bytes are not those that were promised."""
        return any(problem.is_digest for problem in self.problems)


def _of_project(target: Target, rebuild: bool, workshop: Workshop, output: Output) -> _Result:
    """The image of a project or an environment, which is made where it is not in the store."""
    from builder.bundle.build import complete
    from builder.bundle.checking.subject import Subject

    built = target.build(workshop, output)
    complete(built, workshop)
    subject, origin = Subject(target.name, workshop.store, (built.index,)), Origin(target.lock, target)
    result = replace(_check(subject, origin, workshop), digest=built.digest)
    return _rebuild(result, origin, ("first", "then"), output) if rebuild else result


def _check(subject: Subject, origin: Origin | None, workshop: Workshop) -> _Result:
    from builder.bundle.checking.check import check

    verdict = check(subject, origin.lock if origin else None, scans_of(subject, workshop))
    return _Result(subject, workshop, verdict, subject.digest)


def _rebuild(result: _Result, origin: Origin, names: tuple[str, str], output: Output) -> _Result:
    """With what a new build shows; where bytes are damaged or the lock is another, that is told and nothing else."""
    if result.has_wrong_digest or (result.problems and result.verdict.not_compared):
        return result
    found = rebuilt(result.subject, origin, names, result.workshop, output)
    return replace(result, verdict=replace(result.verdict, problems=(*result.problems, *found)), rebuilt=True)


def _answer(target: str, result: _Result, output: Output, as_json: bool) -> None:
    verdict = result.verdict
    for note in verdict.notes:
        output.detail(f"note: {note.message}")
    if as_json:
        print_json(_document(result))
    if result.outcomes is not None:
        show_outcomes(result.outcomes, output)
        _raise_worst(target, result)
    if result.problems:
        raise refusal(target, result.problems)
    output.say("every digest, size and diff_id holds, and every layer is in order")
    if verdict.not_compared:
        output.say(f"contents were NOT compared with a lock: {verdict.not_compared}")
    else:
        parts = [count(number, f"{kind} package") for kind, number in verdict.packages.items() if number]
        output.say(f"contents are those of the lock {verdict.lock}: {', '.join(parts) or 'no packages'}")
    if verdict.left_out and not result.rebuilt:
        output.say(f"NOT everything was compared: {verdict.left_out}")
    if verdict.notes:
        output.say(f"{count(len(verdict.notes), 'note')}, shown with `--verbose`")
    if result.rebuilt:
        output.say("rebuilt into an empty store: the same digest")
    if not as_json:
        click.echo(result.digest)


def _raise_worst(target: str, result: _Result) -> None:
    """Raises: EnvbuildError, if a rule does not hold or the image has a problem, with the exit code of the worst."""
    from builder.records.policy.outcome import Outcome, Result, failure

    outcomes = list(result.outcomes or ())
    if result.problems:
        kind = Result.WRONG if result.has_wrong_digest else Result.FAILED
        outcomes.insert(0, Outcome("image", kind, tuple(told(result.problems))))
    if error := failure(target, outcomes):
        raise error


def _document(result: _Result) -> dict[str, Any]:
    verdict = result.verdict
    return {
        "digest": result.digest,
        "lock": verdict.lock or None,
        "contents": contents_of(verdict),
        "packages": dict(verdict.packages),
        "rebuilt": result.rebuilt,
        "problems": [problem.to_dict() for problem in result.problems],
        "notes": [note.to_dict() for note in verdict.notes],
        **({} if result.outcomes is None else {"rules": [outcome.to_dict() for outcome in result.outcomes]}),
    }


def contents_of(verdict: Verdict) -> str:
    """Whether the contents were compared with a lock, and why not."""
    if verdict.not_compared or not verdict.lock:
        return f"not compared: {verdict.not_compared or 'there are other problems'}"
    return f"compared in part: {verdict.left_out}" if verdict.left_out else "compared"
