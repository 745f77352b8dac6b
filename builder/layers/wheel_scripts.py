"""Scripts of a wheel: those that its entry points ask for, and the first line of those that it ships.

Generated scripts are the ones that PyPA's `installer` 1.x writes, byte for byte. Knows nothing of archives.
"""

from __future__ import annotations

import configparser
import re

from builder.layers.archive_names import unsafe_reason

SHEBANG_MARK = b"#!python"
"""How a shipped script begins whose first line must be replaced (`#!pythonw` begins with it too)."""

_ENTRY_POINT = re.compile(r"(?P<module>[\w.]+)\s*+:\s*+(?P<attribute>[\w.]+)\s*+(?:\[.*\])?\s*+$")
_SCRIPT = """\
#!{interpreter}
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {imported}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({attribute}())
"""


class EntryPointError(Exception):
    """An entry_points.txt can't be used; the text is a cause line."""


def generate_scripts(entry_points: str, interpreter: str) -> dict[str, bytes]:
    """The scripts that `entry_points` (entry points specification, extras allowed) asks for, by file name.

    Graphical scripts are like console scripts on systems that are not Windows. Raises: EntryPointError.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names are case-sensitive
    try:
        parser.read_string(entry_points)
    except configparser.Error as error:
        raise EntryPointError(f"entry_points.txt can't be read: {error.message.splitlines()[0]}") from error
    scripts: dict[str, bytes] = {}
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            script = _generate(name, value, interpreter)
            if scripts.setdefault(name, script) != script:
                raise EntryPointError(f"entry_points.txt asks for two different scripts `{name}`")
    return scripts


def rewrite_shebang(script: bytes, interpreter: str) -> bytes:
    """`script`, which begins with `SHEBANG_MARK`, run by `interpreter`: its first line is replaced."""
    return f"#!{interpreter}\n".encode() + script[script.find(b"\n") + 1 or len(script) :]


def _generate(name: str, value: str, interpreter: str) -> bytes:
    reason = "has a slash" if "/" in name else unsafe_reason(name)
    if reason is not None:
        raise EntryPointError(f"the script name {name!r} in entry_points.txt {reason}")
    match = _ENTRY_POINT.match(value)
    if match is None:
        raise EntryPointError(f"the entry point `{name} = {value}` is not of the form `module:attribute`")
    attribute = match["attribute"]
    imported = attribute.split(".")[0]
    return _SCRIPT.format(
        interpreter=interpreter, module=match["module"], imported=imported, attribute=attribute
    ).encode()
