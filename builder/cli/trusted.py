"""What commands are told of who is trusted: keys, signers, policies; and bundles held to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.cli.opened_bundle import completed
from builder.cli.options import Existing
from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.bundle.checking.trust import Asked
    from builder.bundle.reading.reader import Bundle
    from builder.image.workshop import Workshop
    from builder.oci.validate import Checked
    from builder.records.policy.outcome import Outcome

_Command = TypeVar("_Command", bound=Callable[..., Any])
_POLICIES = (".yaml", ".yml")


signature_option = click.option(
    "--require-signature", type=Existing(), metavar="FILE",
    help="Run nothing but a bundle that this public key signed, or that a policy (.yaml) takes.",
)  # fmt: skip


def trust_options(command: _Command) -> _Command:
    """The options `--key`, `--allowed-signers` and `--policy`."""
    for option in (
        click.option("--policy", type=Existing(), metavar="FILE", help="Also hold it to the rules of this policy."),
        click.option(
            "--allowed-signers", type=Existing(), metavar="FILE",
            help="Somebody of this list of SSH keys must have signed it.",
        ),
        click.option(
            "--key", "keys", type=Existing(), multiple=True, metavar="FILE",
            help="This public key must have signed it; may be repeated.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def asked_of(keys: Sequence[Path], allowed_signers: Path | None, policy: Path | None) -> Asked | None:
    """What is asked of a bundle; None if nothing is. Raises: EnvbuildError, if a policy cannot be read."""
    from builder.bundle.checking.trust import Asked, of_keys
    from builder.records.policy.document import Policy, read_policy

    if not keys and allowed_signers is None and policy is None:
        return None
    given = read_policy(policy) if policy else Policy()
    more = of_keys([path.absolute() for path in keys], allowed_signers.absolute() if allowed_signers else None)
    whole = replace(given, signatures=(*(given.signatures or ()), *(more.signatures or ())))
    return Asked(whole, policy.parent if policy else Path(), datetime.now(tz=UTC).date())


def require(bundle: Bundle, trusted: Path, workshop: Workshop, output: Output) -> None:
    """Refuse a bundle that is not signed by a key, or not what a policy asks for; `trusted` is the file of either.

    Nothing but documents is read before the signature over the bundle's digest holds.

    Raises: EnvbuildError, with the exit code of what is worst; DigestMismatchError.
    """
    from builder.bundle.checking.trust import Judge, asks_for_contents

    is_policy = trusted.suffix in _POLICIES
    asked = asked_of([] if is_policy else [trusted], None, trusted if is_policy else None)
    if asked is None or not asked.policy.signatures:
        raise EnvbuildError(
            f"`{trusted}` asks for no signature", hint="Name a public key, or a policy with `signatures`"
        )
    judge = Judge(bundle, asked)
    refuse(bundle, judge.signatures())
    if asks_for_contents(asked.policy):
        refuse(bundle, judge.contents(_checked(completed(bundle, workshop, output), workshop)))
    output.say(f"{bundle.name} is signed as `{trusted}` asks: {bundle.top.digest}")


def refuse(bundle: Bundle, outcomes: Sequence[Outcome]) -> None:
    """Raises: EnvbuildError, with the exit code of what is worst, unless all outcomes are passes."""
    from builder.records.policy.outcome import failure

    if error := failure(bundle.name, outcomes):
        raise error


def _checked(bundle: Bundle, workshop: Workshop) -> tuple[Checked, ...]:
    """The images of a bundle, read whole. Raises: EnvbuildError, if they are not what they promise to be."""
    from builder.bundle.checking.check import check
    from builder.bundle.checking.subject import Subject
    from builder.cli.verify_target import scans_of
    from builder.oci.problems import refusal
    from builder.oci.registry.layout import RegistryLayout

    forks = not isinstance(bundle.layout, RegistryLayout)
    subject = Subject(bundle.name, bundle.layout, (bundle.top,), forks)
    verdict = check(subject, None, scans_of(subject, workshop))
    if verdict.problems:
        raise refusal(bundle.name, verdict.problems)
    return verdict.images


def show_outcomes(outcomes: Sequence[Outcome], output: Output) -> None:
    """A table of what came of each rule, on standard error; all reasons of what does not hold are in the error."""
    width = max((len(outcome.rule) for outcome in outcomes), default=0)
    for outcome in outcomes:
        first, *rest = outcome.reasons or ("",)
        more = f" (and {len(rest)} more)" if rest else ""
        output.say(f"{outcome.result.value:<12}  {outcome.rule:<{width}}  {first}{more}")
