"""conda-lock carries parts of conda and poetry with it, which warn of themselves when they are imported."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Work with conda-lock's modules without their warnings, and without a line for each selector that it sees."""
    logging.getLogger("conda_lock").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
