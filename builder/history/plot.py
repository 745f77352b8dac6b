"""Drawing metrics of runs: over steps, over a parameter, or as parallel coordinates. Equal runs give equal bytes.

matplotlib draws, which is an extra. Names and values come from anywhere: they are texts, and never its mathematics.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from builder.errors import EnvbuildError, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "png"]
_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's, which people tell apart whose eyes do not see all colours; dashes and markers differ too."""
MOST_LINES = 200
"""Runs that one picture has at most."""
_NAMED = 24
"""Runs that a legend names at most."""
_LONGEST = 60
"""Characters of a text in a picture."""
_SETTINGS: Any = {"svg.hashsalt": "envbuild", "svg.fonttype": "path", "font.family": "DejaVu Sans",
             "text.usetex": False, "text.parse_math": False, "axes.unicode_minus": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of one run over its steps."""

    label: str
    points: tuple[tuple[float, float], ...]
    """Step and value, by step; finite numbers alone."""


@dataclass(frozen=True, slots=True)
class Point:
    """A run where a parameter and a metric meet."""

    label: str
    x: float | str
    y: float


@contextmanager
def _settings() -> Iterator[None]:
    """Matplotlib with these settings alone, whatever this machine has. Raises: EnvbuildError, without matplotlib."""
    import warnings

    try:
        import matplotlib as mpl
    except ImportError as error:
        raise EnvbuildError(
            "nothing can be drawn here", "matplotlib is not installed", "Run `pip install 'envbuild[plot]'`"
        ) from error
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font does not have is drawn as a box
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


@_settings()
def draw_steps(metric: str, lines: Sequence[Line], format_: Format) -> bytes:
    """A metric over steps, a line a run. Raises: EnvbuildError, without matplotlib."""
    figure, axes = _figure()
    for number, line in enumerate(lines):
        xs, ys = zip(*line.points, strict=True)
        marker = _MARKERS[number % len(_MARKERS)] if len(line.points) < 30 else None
        axes.plot(xs, ys, label=_text(line.label), marker=marker, **_style(number))
    _finish(axes, "step", metric, len(lines))
    return _bytes(figure, format_)


@_settings()
def draw_parameter(parameter: str, metric: str, points: Sequence[Point], format_: Format) -> bytes:
    """A metric against a parameter, a point a run; texts stand beside each other. Raises: EnvbuildError."""
    figure, axes = _figure()
    words = any(isinstance(point.x, str) for point in points)
    places = {word: place for place, word in enumerate(sorted({str(point.x) for point in points}))}
    xs = [float(places[str(point.x)]) if words else float(point.x) for point in points]
    axes.scatter(xs, [point.y for point in points], color=_COLOURS[0], marker="o", alpha=0.7, edgecolors="black")
    if words:
        axes.set_xticks(range(len(places)), [_text(word) for word in places])
    elif min(xs) > 0 and max(xs) / min(xs) >= 100:
        axes.set_xscale("log")
    _finish(axes, parameter, metric, 0)
    return _bytes(figure, format_)


@_settings()
def draw_parallel(names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | str]]], format_: Format) -> bytes:
    """A line a run over an axis a name, the last of which is the metric that colours them. Raises: EnvbuildError."""
    figure, axis = _figure(max(6.4, 1.6 * len(names)))
    scales = [_scale([values[place] for _, values in rows]) for place in range(len(names))]
    ranked = sorted(range(len(rows)), key=lambda number: scales[-1][str(rows[number][1][-1])])
    for rank, number in enumerate(ranked):
        heights = [scales[place][str(value)] for place, value in enumerate(rows[number][1])]
        share = rank / max(1, len(ranked) - 1)
        width = 0.6 + 2.0 * share  # the better of two is not told by colour alone
        axis.plot(range(len(names)), heights, color=_shade(share), linewidth=width, alpha=0.8)
    for place, scale in enumerate(scales):
        axis.axvline(place, color="black", linewidth=0.8)
        for text, height in _ticks(scale):
            axis.annotate(_text(_number(text)), (place, height), xytext=(3, 0), textcoords="offset points", fontsize=7)
    axis.set_xticks(range(len(names)), [_text(name) for name in names])
    axis.set_yticks([])
    axis.set_title(_text(f"{len(rows)} runs; thicker and darker: more {names[-1]}"), fontsize=9)
    return _bytes(figure, format_)


def _scale(values: Sequence[float | str]) -> Mapping[str, float]:
    """Where on an axis from 0 to 1 each value is, by its text."""
    if all(isinstance(value, (int, float)) for value in values):
        numbers = [float(value) for value in values]
        low, high = min(numbers), max(numbers)
        return {str(value): (float(value) - low) / (high - low) if high > low else 0.5 for value in values}
    words = sorted({str(value) for value in values})
    return {word: place / (len(words) - 1) if len(words) > 1 else 0.5 for place, word in enumerate(words)}


def _ticks(scale: Mapping[str, float]) -> list[tuple[str, float]]:
    placed = sorted(scale.items(), key=lambda item: item[1])
    if len(placed) <= 6:
        return placed
    return [placed[round(number * (len(placed) - 1) / 4)] for number in range(5)]


def _number(text: str) -> str:
    """A number with the digits that a person reads."""
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def _shade(share: float) -> tuple[float, float, float]:
    return (0.75 - 0.75 * share, 0.85 - 0.6 * share, 0.95 - 0.45 * share)


def _style(number: int) -> dict[str, Any]:
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[number % len(_COLOURS)], "linestyle": dash, "linewidth": 1.5, "markersize": 4}


def _figure(width: float = 6.4) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.0), dpi=100, layout="tight")
    return figure, figure.add_subplot()


def _finish(axes: Axes, x: str, y: str, lines: int) -> None:
    axes.set_xlabel(_text(x))
    axes.set_ylabel(_text(y))
    axes.grid(visible=True, linewidth=0.3)
    if 0 < lines <= _NAMED:
        axes.legend(fontsize=7)


def _text(text: str) -> str:
    """A text of anybody as it is drawn: without control characters, not too long, and no mathematics."""
    plain = one_line(text, "�")
    plain = plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
    return f" {plain}" if plain.startswith("_") else plain  # which a legend would leave out


def _bytes(figure: Figure, format_: Format) -> bytes:
    drawn = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if format_ == "svg" else {"Software": None}
    figure.savefig(drawn, format=format_, metadata=metadata)
    return drawn.getvalue()


def finite(value: object) -> float | None:
    """A number that can be drawn; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
