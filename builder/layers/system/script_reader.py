"""Reads a maintainer script for what it would do on a fresh installation, without running it.

Owns a small part of the shell's grammar: enough to see that a script does nothing, or only registers alternatives.
Whatever is not understood is kept as the remainder, never guessed. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NIL_HELPERS = frozenset(
    f"dh_{name}"
    for name in (
        "apparmor", "icons", "installcatalogs-nop", "installdeb", "installdocs", "installinfo", "installinit",
        "installinitramfs", "installmenu", "installmime", "installsystemd", "installsystemduser", "installsysusers",
        "installtmpfiles", "installudev", "makeshlibs", "perl", "pypy", "python2", "python3", "runit", "systemd_enable",
        "systemd_start", "sysuser", "usrlocal",
    )
)  # fmt: skip
"""Debhelper's tools whose sections do nothing on a fresh installation in an image, or what is made elsewhere: services
are not started, nothing is byte-compiled, libraries and `sysusers.d` are seen to by the system files."""

_SECTION = re.compile(r"# Automatically added by (\w+)[^\n]*\n(.*?)# End automatically added section\n?", re.DOTALL)
_HERE_DOCUMENT = re.compile(r"<<(-?)\s*[\"'\\]?(\w+)[\"']?")
_FUNCTION = re.compile(r"(?:function\s+)?(\w+)\s*\(\)\s*(\{?)")
_FRESH = {"preinst": "install", "postinst": "configure"}
_ARGUMENT = r'"?\$\{?1\}?"?'
_NOT_FRESH = tuple(
    re.compile(pattern)
    for pattern in (
        rf'{_ARGUMENT}\s*==?\s*"?\'?(upgrade|triggered|remove|reconfigure|abort-\w+)\b',
        r'(^|\s)-n\s+"?\$\{?2',
        r'"?x\$\{?2\}?"?\s*!=\s*"?x"?(\s|$)',
        r'dpkg\s+--compare-versions\s+(--\s+)?"?\$\{?2(:-)?\}?"?\s+(lt|le)-nl\s',
    )
)
_PURE_TEST = re.compile(r"!?\s*(\[|test|dpkg --compare-versions|command -v|which|dpkg-divert --list|getent)(\s|$)")
_WORD = r"[\w./+:@%=~,\[\]*?\"'${}()-]+"
_HARMLESS = re.compile(
    r"""
    (set\s+[-+]\w+(\s+-?\w+)*|exit\s+0|:|true|shift|esac|return(\s+0)?|umask\s+\d+|LC_ALL=C|LANG=C|unset\s+\w+)
    | (echo|printf|export|local|db_\w+)\b.*
    | \.\s+/usr/share/debconf/confmodule
    | (dpkg-maintscript-helper|dpkg-trigger|invoke-rc\.d|update-rc\.d|deb-systemd-helper|deb-systemd-invoke|systemctl
       |systemd-tmpfiles|py3compile|py3clean|pycompile|update-mime|update-menus|update-icon-caches|ldconfig|install-info
       |update-desktop-database|update-initramfs|udevadm)\b.*
    | update-alternatives\s+(--quiet\s+)?--(remove|remove-all|auto)\s.*
    | \w+=("\$\d"|\$\d|"?[\w./:+-]*"?)
    """,
    re.VERBOSE,
)
_OUTPUT = re.compile(r"\d?>>?\s*(/dev/null|&\d)|\|\|\s*(true|:|exit\s+[01])\s*$|;\s*$")


@dataclass(frozen=True, slots=True)
class Alternative:
    """One candidate for a link that update-alternatives(1) keeps, with the links that follow it."""

    link: str
    """The generic path, absolute as in the script."""
    name: str
    """In `/etc/alternatives`."""
    path: str
    priority: int
    slaves: tuple[tuple[str, str, str], ...] = ()
    """Link, name and path of each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a script would do on a fresh installation."""

    alternatives: tuple[Alternative, ...]
    remainder: tuple[str, ...]
    """The lines that are not understood."""


def read_script(name: str, text: str) -> Reading:
    """Read the script `name` (`preinst` or `postinst`)."""
    if not re.match(r"#!\s*/(usr/)?bin/(env\s+)?(sh|bash|dash)\b", text):
        return Reading((), tuple(text.splitlines()))
    without_sections = _SECTION.sub(lambda match: "" if match[1] in NIL_HELPERS else match[2], text)
    return _Reader(_FRESH[name]).read(list(_logical_lines(without_sections)))


def _logical_lines(text: str) -> Iterator[str]:
    """Lines without comments and blanks, continued ones joined, commands after `then` and `else` on their own."""
    lines = iter(text.splitlines())
    for raw in lines:
        line = raw.strip()
        while line.endswith("\\"):
            following = next(lines, "").strip()
            line = line[:-1].rstrip() + ("" if following.startswith("#") else " " + following)
        if not line or line.startswith("#"):
            continue
        for match in _HERE_DOCUMENT.finditer(line):
            while (inside := next(lines, None)) is not None and inside.lstrip("\t" if match[1] else "") != match[2]:
                pass
        yield from _split(line)


def _split(line: str) -> Iterator[str]:
    for keyword in ("if ", "elif ", "while ", "for "):
        if line.startswith(keyword):
            head, separator, tail = line.rpartition("; then" if keyword in ("if ", "elif ") else "; do")
            if separator and not tail.strip():
                yield head.strip()
                return
            match = re.match(r"(.*?);\s*then\s+(.*);\s*fi$", line)
            if match:
                yield from (match[1].strip(), match[2].strip(), "fi")
                return
    if line == "then":
        return
    yield re.sub(r"^(then|else)\s+", "", line) if line.startswith("then ") else line


class _Reader:
    """Walks logical lines; skips what a fresh installation skips; keeps what it does not understand."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._functions: dict[str, list[str]] = {}
        self._alternatives: list[Alternative] = []
        self._remainder: list[str] = []

    def read(self, lines: list[str]) -> Reading:
        self._block(lines, evaluate=True)
        return Reading(tuple(self._alternatives), tuple(self._remainder))

    def _block(self, lines: Sequence[str], *, evaluate: bool) -> None:
        position = 0
        while position < len(lines):
            line = lines[position]
            if function := _FUNCTION.fullmatch(line):
                position = self._define(function[1], lines, position)
            elif line.startswith("if "):
                position = self._condition(lines, position, evaluate=evaluate)
            elif re.fullmatch(rf"case\s+{_ARGUMENT}\s+in", line) and evaluate:
                position = self._case(lines, position)
            else:
                if line == "exit 0" and evaluate:
                    return
                self._command(line)
                position += 1

    def _define(self, name: str, lines: Sequence[str], start: int) -> int:
        end = next((index for index in range(start, len(lines)) if lines[index] in ("}", ")")), len(lines))
        self._functions[name] = [line for line in lines[start + 1 : end] if line not in ("{", "(")]
        return end + 1

    def _condition(self, lines: Sequence[str], start: int, *, evaluate: bool) -> int:
        end, cuts = _matching(lines, start)
        condition = lines[start].removeprefix("if ")
        body = lines[start + 1 : cuts[0] if cuts else end]
        if evaluate and _never_fresh(condition):
            if cuts:
                self._alternative_branch(lines, cuts, end)
            return end + 1
        if not all(_PURE_TEST.match(part.strip()) for part in re.split(r"&&|\|\|", condition)):
            self._remainder.append(lines[start])
        # `exit 0` in one branch does not end the others
        self._block([line for line in body if line != "exit 0"], evaluate=evaluate)
        if cuts:
            self._alternative_branch(lines, cuts, end, evaluate=evaluate)
        return end + 1

    def _alternative_branch(self, lines: Sequence[str], cuts: list[int], end: int, *, evaluate: bool = True) -> None:
        first = lines[cuts[0]]
        if first == "else":
            self._block(lines[cuts[0] + 1 : end], evaluate=evaluate)
        else:
            nested = [first.removeprefix("el"), *lines[cuts[0] + 1 : end], "fi"]
            self._block(nested, evaluate=evaluate)

    def _case(self, lines: Sequence[str], start: int) -> int:
        end = next((index for index in range(start, len(lines)) if lines[index] == "esac"), None)
        if end is None:
            self._remainder += lines[start:]
            return len(lines)
        branches = _branches(lines[start + 1 : end])
        taken = next((body for labels, body in branches if self._action in labels), None)
        if taken is None:
            taken = next((body for labels, body in branches if "*" in labels), [])
        self._block(taken, evaluate=True)
        return end + 1

    def _command(self, line: str) -> None:
        if "--install" in line and line.startswith("update-alternatives "):
            alternatives = _parse_alternatives(_stripped(line))
            if alternatives is not None:
                self._alternatives += alternatives
                return
        text = _stripped(line)
        name = text.partition(" ")[0]
        if name in self._functions:
            body = self._functions.pop(name)
            self._block(body, evaluate=False)
            self._functions[name] = body
        elif not _HARMLESS.fullmatch(text) or "$(" in text or "`" in text or ">" in text:
            self._remainder.append(line)


def _stripped(line: str) -> str:
    previous = None
    while line != previous:
        previous, line = line, _OUTPUT.sub("", line).strip()
    return line


def _never_fresh(condition: str) -> bool:
    """Whether a condition cannot hold on a fresh installation, where the second argument is empty."""
    return all(
        any(pattern.search(part) for pattern in _NOT_FRESH for part in re.split(r"&&|\s-a\s", choice))
        for choice in re.split(r"\|\||\s-o\s", condition)
    )


def _matching(lines: Sequence[str], start: int) -> tuple[int, list[int]]:
    """The line of the `fi` that closes an `if`, and those of its `elif` and `else`."""
    depth = 0
    cuts: list[int] = []
    for index in range(start, len(lines)):
        line = lines[index]
        if line.startswith("if "):
            depth += 1
        elif re.match(r"fi\b", line):
            depth -= 1
            if depth == 0:
                return index, cuts
        elif depth == 1 and (line == "else" or line.startswith("elif ")):
            cuts.append(index)
    return len(lines), cuts


def _branches(lines: Sequence[str]) -> list[tuple[tuple[str, ...], list[str]]]:
    branches: list[tuple[tuple[str, ...], list[str]]] = []
    body: list[str] | None = None
    for line in lines:
        label = re.fullmatch(r"\(?([\w*|\s\"'-]+)\)\s*(.*)", line) if body is None else None
        if label:
            body = []
            branches.append((tuple(name.strip(" \"'") for name in label[1].split("|")), body))
            line = label[2]
        if line.endswith(";;"):
            line = line[:-2].strip()
            if body is not None and line:
                body.append(line)
            body = None
        elif body is not None and line:
            body.append(line)
    return branches


def _parse_alternatives(line: str) -> list[Alternative] | None:
    """The candidates of one literal call of update-alternatives, or None if it is not literal."""
    words = line.split()[1:]
    if any(character in line for character in "$`|;&<>"):
        return None
    found: list[Alternative] = []
    slaves: list[tuple[str, str, str]] = []
    while words:
        word = words.pop(0)
        if word == "--install" and len(words) >= 4 and words[3].isdigit():
            found.append(Alternative(words[0], words[1], words[2], int(words[3])))
            words = words[4:]
        elif word == "--slave" and len(words) >= 3:
            slaves.append((words[0], words[1], words[2]))
            words = words[3:]
        elif word not in ("--quiet", "--force"):
            return None
    if len(found) != 1:
        return None
    first = found[0]
    return [Alternative(first.link, first.name, first.path, first.priority, tuple(slaves))]
