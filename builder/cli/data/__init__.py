"""`envbuild data`: what is promised of data, and what they are. One file a command."""

from __future__ import annotations

from typing import Any

import click

from builder.cli.interrupt import interruptible
from builder.cli.lazy_group import LazyGroup

COMMANDS = {
    "infer": "Write a first contract from a sample.",
    "check": "Hold data to their contract.",
    "clean": "Do with missing and wrong values what the contract declares.",
    "diff": "Say what differs between two contracts, or two files.",
    "profile": "Describe data without their rows.",
    "drift": "Compare data with a reference profile.",
    "dictionary": "Write the dictionary, the catalogue of features and the glossary.",
    "scan": "Look for personal data in tables.",
    "anonymize": "Do with personal data what the contract declares.",
    "leakage": "Look for what a test set gives away.",
    "card": "Write the card of the data, and their Croissant document.",
}
"""Each command and the first line of its help, in the order of use."""


class _Interruptible(LazyGroup):
    """Its commands end at once when they are interrupted or ended, without what they had in temporary folders."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with interruptible():
            return super().invoke(ctx)


@click.command(
    "data",
    cls=_Interruptible,
    package="builder.cli.data",
    listed=COMMANDS,
    short_help="Say what is promised of data, and hold them to it.",
)
def command() -> None:
    """Say what is promised of data, hold them to it, and say what they are.

    The promise is a data contract, a file in the Open Data Contract Standard (ODCS v3.1). Tables are read from CSV,
    JSON lines, Parquet and Arrow files.
    """
