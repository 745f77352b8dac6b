"""What pip-tools says when it fails: pip's explanation, with the places where a user wrote what it speaks of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from builder.fetch.project_name import normalised
from builder.fetch.redaction import without_credentials_in

_TRACE = "Traceback (most recent call last):"
_ADVICE = re.compile(r"\s*(To fix this you could try to:|Additionally, some packages in these conflicts have no)")
_TOLD = re.compile(r"(\w+\.)*(DistributionNotFound|ResolutionImpossible|InstallationError)\b")
"""Exceptions whose text was printed before."""
_ERROR = re.compile(r"\s*(ERROR|error): ")
_FRAME = re.compile(r"\s*(subprocess-exited-with-error$|╰─> \[|\[end of output\]|note: This error orig|│ exit code)")
"""What pip draws around the words of a build."""
_LOOPBACK = re.compile(r"\s*\(from http://127\.0\.0\.1:\S+\)|http://127\.0\.0\.1:\d+/\S*?/(?=[^/\s]*(\s|$))")
_MOST_LINES = 30
_FIRST_LINES = 6
_MOST_HIDDEN = 3
"""Versions of a package that a message tells of."""


def explanation(output: str, places: Mapping[str, Sequence[str]]) -> list[str]:
    """The causes in what pip-tools printed, without its traceback.

    `places` are, for each file that pip was given, where its lines were written.
    """
    text = without_credentials_in(output.replace("\r", "\n"))
    before, *trace_parts = re.split(rf"^{re.escape(_TRACE)}$", text, maxsplit=1, flags=re.MULTILINE)
    trace = "".join(trace_parts)
    lines = list(_without_traces(_after_last_error(before.splitlines())))
    last = trace.rstrip().rpartition("\n")[2]
    if last and not _TOLD.match(last):
        lines.append(re.sub(r"^([a-z_]\w*\.)+(?=[A-Z])", "", last))
    shown = [_LOOPBACK.sub("", _placed(line, places)) for line in lines if line.strip() and not _FRAME.match(line)]
    if len(shown) > _MOST_LINES:
        shown = [*shown[:_FIRST_LINES], "…", *shown[_FIRST_LINES - _MOST_LINES :]]
    return _joined(shown) or ["pip-tools failed and said nothing"]


def hidden_versions(causes: Iterable[str], hidden: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Why versions were not taken of the packages that an explanation speaks of, newest first."""
    from packaging.version import Version

    words = {normalised(word) for cause in causes for word in re.findall(r"[A-Za-z0-9][\w.-]*", cause)}
    found = []
    for name in sorted(words & {name for name, versions in hidden.items() if versions}):
        newest = sorted(hidden[name], key=Version, reverse=True)
        found += [hidden[name][version] for version in newest[:_MOST_HIDDEN]]
    return found


def _after_last_error(lines: list[str]) -> list[str]:
    """From the last line that is called an error on; the last two where none is."""
    starts = [number for number, line in enumerate(lines) if _ERROR.match(line)]
    kept = [_ERROR.sub("", line) for line in lines[starts[-1] if starts else -2 :]]
    advice = next((number for number, line in enumerate(kept) if _ADVICE.match(line)), len(kept))
    return kept[:advice]


def _without_traces(lines: Iterable[str]) -> Iterator[str]:
    """Of a traceback in what a build printed, the exception alone stays."""
    inside: int | None = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if line.strip() == _TRACE:
            inside = depth
        elif inside is None or (line.strip() and depth <= inside):
            inside = None
            yield line


def _placed(line: str, places: Mapping[str, Sequence[str]]) -> str:
    def place(match: re.Match[str]) -> str:
        known, number = places.get(match[1], ()), int(match[2])
        return known[number - 1] if 0 < number <= len(known) else match[0]

    return re.sub(r"-[rc] (?:\S*/)?([\w.]+) \(line (\d+)\)", place, line)


def _joined(lines: list[str]) -> list[str]:
    """Causes: a line that is further in than pip's margin belongs to the one above it."""
    causes: list[str] = []
    for line in lines:
        if line.startswith(" " * 6) and causes:
            causes[-1] += "\n" + line.strip()
        else:
            causes.append(line.strip())
    return causes
