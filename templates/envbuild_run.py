"""Metrics of a run, by step: `envbuild_run.log_metric("loss", 0.3, step=10)`.

Each call adds one line of JSON to the file that `ENVBUILD_METRICS` names, else to `metrics.jsonl` in `ENVBUILD_OUT`;
several processes may do so at once. Where neither is set, outside of envbuild, nothing is written. A file that cannot
be written is told once and ends nothing. The standard library only, Python 3.8 or later.
"""

import json
import os
import sys

_told = False


def log_metric(name, value, step=None):
    """Record a value of one metric. `step` is a number; without one, the values of each metric are counted."""
    log_metrics({name: value}, step)


def log_metrics(values, step=None):
    """Record values of several metrics at one step. Raises: TypeError, ValueError, for what is no number."""
    line = {} if step is None else {"step": _number(step)}
    line.update((str(name), _number(value)) for name, value in values.items())
    path = _path()
    if path:
        _append(path, (json.dumps(line) + "\n").encode())


def _number(value):
    """A number of Python, of one of NumPy, PyTorch and the like too."""
    return value if isinstance(value, (int, float)) else float(value)


def _path():
    out = os.environ.get("ENVBUILD_OUT")
    return os.environ.get("ENVBUILD_METRICS") or (os.path.join(out, "metrics.jsonl") if out else None)


def _append(path, data):
    """In one piece, so that lines of several processes do not mix."""
    global _told
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not _told:
            _told = True
            print("warning: metrics are not recorded in `{}`: {}".format(path, error.strerror), file=sys.stderr)
