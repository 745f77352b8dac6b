"""The list of commands, imported when they are called, so that every command starts fast."""

from __future__ import annotations

from dataclasses import replace

import click

from builder import __version__
from builder.cli.lazy_group import LazyGroup

COMMANDS = {
    "init": "Start a project from a template.",
    "lock": "Lock an environment: every package of every platform by hash.",
    "tree": "Show which locked package needs which.",
    "why": "Show what a package is locked for.",
    "build": "Build the image of a project or an environment from its lock.",
    "render": "Write a Dockerfile with all that it needs, for Docker alone.",
    "bundle": "Pack a project into one file that trains and serves anywhere.",
    "data": "Say what is promised of data, and hold them to it.",
    "scan": "Look for secrets, unsafe pickles and personal data.",
    "inspect": "Show what is in a bundle.",
    "diff": "Show what differs between two bundles, and what changed the digest.",
    "ls": "List the files of a bundle, without unpacking it.",
    "cat": "Print a file of a bundle, without unpacking it.",
    "unpack": "Write what is in a bundle into a folder: model, code, data, records.",
    "push": "Push the images of a project, an environment or a bundle to a registry.",
    "pull": "Pull images of a registry into the store, or into a bundle.",
    "run": "Run a command of a project or a bundle.",
    "repro": "Run the stages of a pipeline that something changed for.",
    "status": "Say which stages are stale, and why.",
    "dag": "Draw the stages of a pipeline and what they read and write.",
    "runs": "List, compare, plot and reproduce what was run.",
    "lineage": "Say what was made from what, forwards and backwards.",
    "import": "Write stages from a `dvc.yaml` or an `MLproject`.",
    "sync": "Make a virtual environment of this machine what the lock says.",
    "shell": "Open a shell inside an image, with the working tree mounted.",
    "kernel": "Run the code of notebooks inside an image.",
    "sign": "Sign a bundle, its images and its model.",
    "keys": "Make keys that bundles are signed with.",
    "verify": "Check an image or a bundle against every digest that it promises.",
    "reproduce": "Build a bundle again, run its training again, and say what is the same.",
    "audit": "Show, check or add to the trail of what was done with bundles.",
    "ci": "Write a CI workflow that checks, builds and pushes environments.",
    "doctor": "Check what this machine can do.",
    "cache": "Show or clean the store.",
    "schema": "Print the JSON Schema of a document.",
}
"""Each command and the first line of its help, in the order of use."""


def _with_loudness(command: click.Command) -> click.Command:
    """A command, and those below it, which take `--quiet` and `--verbose` behind their names too."""
    if not any(parameter.name == "quiet" for parameter in command.params):
        command.params += [_loudness("-q", "--quiet"), _loudness("-v", "--verbose")]
    for below in (*getattr(command, "commands", {}).values(), *getattr(command, "subcommands", {}).values()):
        _with_loudness(below)
    if isinstance(command, LazyGroup):
        command.finish = _with_loudness
    return command


def _loudness(*names: str) -> click.Option:
    return click.Option(names, is_flag=True, hidden=True, is_eager=True, expose_value=False, callback=_set_loudness)


def _set_loudness(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and parameter.name:
        context.obj = replace(context.obj, **{parameter.name: True})


@click.command(
    cls=LazyGroup,
    package="builder.cli",
    listed=COMMANDS,
    finish=_with_loudness,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-q", "--quiet", is_flag=True, help="No progress; errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Say more of what is done.")
@click.version_option(__version__, "-V", "--version", message="envbuild %(version)s")
@click.pass_context
def envbuild(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Turn one lock into one image digest and one bundle that trains and serves anywhere.

    The way of the data: spec, lock, image, bundle, run.

    Exit codes: 0 ok, 1 the input or state is wrong, 2 wrong usage or something unexpected, 3 a check failed,
    4 an approval or a signature is missing, 5 a digest or a signature is wrong, 6 could not be measured, 130
    interrupted; `run` returns the command's own.

    A command that fails with `--json` prints {"error": {"what", "why", "hint", "exit-code"}}, if it has not printed
    its result.
    """
    context.obj = replace(context.obj, quiet=quiet, verbose=verbose)
