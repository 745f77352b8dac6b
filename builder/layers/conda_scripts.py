"""Scripts of conda packages: those that entry points ask for, and those that would run after linking."""

from __future__ import annotations

import re

from builder.errors import EnvbuildError

_COMMAND = re.compile(r"[^/\\\0.\s][^/\\\0]*")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_SCRIPT = """\
#!{interpreter}
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {imported}

if __name__ == '__main__':
\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
\tsys.exit({function}())
"""

_MESSAGES = r'"?\$\{?PREFIX\}?"?/\.messages\.txt"?'
_HARMLESS = re.compile(
    rf"(?:echo|printf)\b(?:[^;&|<>`$()\\]|\$\{{?(?:PREFIX|PKG_NAME|PKG_VERSION)\}}?)*(?:>>?\s*{_MESSAGES})?"
    r"|set [-+][a-z]+|exit 0|true|:"
)


def entry_point_script(text: str, interpreter: str) -> tuple[str, bytes]:
    """The name and content of the script for `command = module:function`, as rattler writes it.

    Raises: EnvbuildError, if it is not of this form.
    """
    command, separator, target = (part.strip() for part in text.partition("="))
    module, colon, function = (part.strip() for part in target.partition(":"))
    dotted = _DOTTED.fullmatch(module) and _DOTTED.fullmatch(function)
    if not (separator and colon and dotted and _COMMAND.fullmatch(command)):
        raise EnvbuildError("An entry point is not of the form `command = module:function`", repr(text[:200]))
    imported = function.partition(".")[0]
    script = _SCRIPT.format(interpreter=interpreter, module=module, imported=imported, function=function)
    return command, script.encode()


def only_prints(script: str) -> bool:
    """Whether a script does nothing but say something, which nobody reads where an image is built."""
    lines = (line.strip() for line in script.splitlines())
    return all(_HARMLESS.fullmatch(line) for line in lines if line and not line.startswith("#"))
