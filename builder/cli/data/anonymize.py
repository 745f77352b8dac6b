"""`envbuild data anonymize`: what a contract declares for personal data, done to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.data.kept import keep_inputs
from builder.cli.options import Existing, json_option
from builder.cli.output import Output, print_json, printable

if TYPE_CHECKING:
    from builder.data.privacy.secret import Key


@click.command("anonymize", short_help="Do with personal data what the contract declares.")
@click.argument("file", type=Existing())
@click.option("--contract", required=True, type=Existing(), metavar="FILE", help="The contract that declares it.")
@click.option("--table", metavar="NAME", help="Which table FILE is [default: that of its name, or the only one].")
@click.option(
    "--key-file", type=Existing(), metavar="FILE", help="The secret key, in a file that its owner alone can read."
)
@click.option(
    "--key-fd", "descriptor", type=click.IntRange(0), metavar="NUMBER", help="Read the key from this file descriptor."
)
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Where the anonymised file goes, for you alone to read.",
)  # fmt: skip
@click.option("--record", type=click.Path(path_type=Path), metavar="FILE", help="Write what was done as JSON.")
@json_option
@click.pass_obj
def command(output: Output, /, as_json: bool, **given: Any) -> None:
    """Anonymise FILE, a table, as the property `anonymize` of its contract declares.

    Drop, mask, hash with a key, put into ranges, move dates, add noise. What is confidential and has no `anonymize` is
    refused. The same key gives the same values, in every file. How well people are hidden is measured before and
    after; nothing is written if it is less than the contract's `privacy` promises.

    Prints the path of the anonymised file. Exits 3 if people are not hidden as it is promised, 6 if that could not be
    measured.
    """
    from builder.data.privacy.anonymize import Request, anonymize_file

    keep_inputs((given["key_file"],), given["target"], given["record"])
    request = Request(given["file"], given["contract"], given["target"], given["table"], given["record"])
    key = _key(given["key_file"], given["descriptor"])
    with output.working(f"anonymising {request.file}"):
        done = anonymize_file(request, key)
    _tell(done, output)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(str(given["target"])))


def _key(path: Path | None, descriptor: int | None) -> Key | None:
    from builder.data.privacy.secret import read_key, read_key_of

    if path is not None and descriptor is not None:
        raise click.UsageError("`--key-file` and `--key-fd` exclude each other.")
    if path is not None:
        return read_key(path)
    return None if descriptor is None else read_key_of(descriptor)


def _tell(done: dict[str, Any], output: Output) -> None:
    before, after = done["measures"]["before"], done["measures"]["after"]
    output.say(f"{done['output']['rows']} of {done['input']['rows']} rows, {done['output']['suppressed']} left out")
    names = {
        "kAnonymity": "smallest group (k)",
        "lDiversity": "sensitive values in a group (l)",
        "uniqueRows": "unique rows",
    }
    for name, text in names.items():
        if after[name] is not None:
            output.say(f"{text}: {before[name]} before, {after[name]} after")
    if after["kAnonymity"] is None:
        output.say("how well people are hidden was NOT measured: no column has `privacyRole: quasi-identifier`")
    if "privacyLoss" in done:
        loss = done["privacyLoss"]
        output.say(f"declared privacy loss ε: {loss['sum']:g} of a budget of {loss['budget']:g}; it was not computed")
