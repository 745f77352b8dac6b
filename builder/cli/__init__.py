"""The command line: one file a command, which parses, calls one function and prints. Errors are rendered here."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence

from builder.errors import EnvbuildError, ExitCode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `envbuild` and exit with the documented status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale that lacks a character is no reason to fail
    try:
        code = invoke(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while modules are imported, so there is nothing yet that could say it better
        sys.stderr.write("error: interrupted\n")
        code = ExitCode.INTERRUPTED
    sys.exit(code)


def invoke(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code. The name `run` belongs to the module of that command."""
    import click

    from builder.cli.commands import envbuild
    from builder.cli.output import Output, show_failure, show_usage_error

    output = Output()
    try:
        result = envbuild.main(args=list(arguments), prog_name="envbuild", standalone_mode=False, obj=output)
    except EnvbuildError as error:
        return show_failure(error, error.exit_code, output)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return show_failure(EnvbuildError("interrupted"), ExitCode.INTERRUPTED, output)
    except click.ClickException as error:
        return show_usage_error(error, arguments, output)
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        code = ExitCode.USER if error.errno in _USERS_ERRORS else ExitCode.USAGE
        return show_failure(_system_error(error), code, output)
    except Exception as error:  # noqa: BLE001 - the last place where anything can be said
        return show_failure(_unexpected(error), ExitCode.USAGE, output)
    return result if isinstance(result, int) else ExitCode.OK


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_HINT = "Free some space where the output goes, or where the store is, which `ENVBUILD_CACHE` can put elsewhere"
_PLACE_HINT = "Name a place that is there and can be written to"
_USERS_ERRORS = _FULL | {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP,
    errno.ENAMETOOLONG,
}  # fmt: skip


def _unexpected(error: Exception) -> EnvbuildError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return EnvbuildError(
        "something unexpected happened in envbuild",
        (f"{type(error).__name__}: {error}", f"in `{place.name}` of {os.path.basename(place.filename)}:{place.lineno}"),
        "This is a fault of envbuild: please report it with what you did",
    )


_DRAFT = re.compile(r"\.(.+)-[0-9a-z_]{8}")
"""The name of what is written beside its place, and takes it when it is whole: `.NAME-1f2e3d4c`."""


def _system_error(error: OSError) -> EnvbuildError:
    what = error.strerror or str(error)
    folder, name = os.path.split(os.fspath(error.filename or ""))
    draft = _DRAFT.fullmatch(os.fsdecode(name))
    if draft and error.errno in _USERS_ERRORS - _FULL:
        place = os.path.join(os.fsdecode(folder), draft[1])
        return EnvbuildError(f"`{place}` cannot be written", what[:1].lower() + what[1:], _PLACE_HINT)
    named = (f"`{error.filename}`",) if error.filename else ()
    hint = _FULL_HINT if error.errno in _FULL else _PLACE_HINT if error.errno == errno.EROFS else None
    return EnvbuildError(what[:1].lower() + what[1:], named, hint)
