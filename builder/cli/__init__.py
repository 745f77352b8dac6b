"""The command line: one file a command, which parses, calls one function and prints. Errors are rendered here."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

from builder.errors import EnvbuildError, ExitCode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `envbuild` and exit with the documented status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code."""
    import click

    from builder.cli.commands import envbuild
    from builder.cli.output import show_error

    try:
        result = envbuild.main(args=list(arguments), prog_name="envbuild", standalone_mode=False)
    except EnvbuildError as error:
        show_error(error)
        return error.exit_code
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        show_error(EnvbuildError("interrupted"))
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        show_error(_system_error(error))
        return ExitCode.USER if error.errno in _USERS_ERRORS else ExitCode.USAGE
    except Exception as error:  # noqa: BLE001 - the last place where anything can be said
        show_error(_unexpected(error))
        return ExitCode.USAGE
    return result if isinstance(result, int) else ExitCode.OK


_USERS_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT})


def _unexpected(error: Exception) -> EnvbuildError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return EnvbuildError(
        "something unexpected happened in envbuild",
        (f"{type(error).__name__}: {error}", f"in `{place.name}` of {os.path.basename(place.filename)}:{place.lineno}"),
        "This is a fault of envbuild: please report it with what you did",
    )


def _system_error(error: OSError) -> EnvbuildError:
    what = error.strerror or str(error)
    place = f"`{error.filename}`" if error.filename else None
    hint = "Free some space, or put the store elsewhere with `ENVBUILD_CACHE`" if error.errno == errno.ENOSPC else None
    return EnvbuildError(what[:1].lower() + what[1:], (place,) if place else (), hint)
