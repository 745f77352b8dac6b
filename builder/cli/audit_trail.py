"""Leaving events in an audit trail: where it is, who acts, what time it is. Costs nothing where there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.cli.machine import given_time, utc_text
from builder.errors import EnvbuildError, command_text

if TYPE_CHECKING:
    from builder.records.audit.event import Actor
    from builder.records.audit.ssh import SshKey

FOLDER = "audit"
"""Where a project has its trail, if it has one."""
VARIABLE = "ENVBUILD_AUDIT"
KEY_VARIABLE = "ENVBUILD_AUDIT_KEY"


def record_event(
    action: str, name: str, digest: str | None, details: Mapping[str, Any], project: Path | None = None
) -> None:
    """Leave an event in the team's folder or in the trail of the project (or of this folder); nothing without one.

    `details` are JSON values, none of them secret.

    Raises: EnvbuildError, if it cannot be written: what was done stays done.
    """
    folder = trail_of(project or Path())
    if folder is None:
        return
    try:
        add(folder, action, name, digest, details)
    except EnvbuildError as error:
        what = f"`{name}` was {action}, and the audit trail does not have it"
        raise EnvbuildError(what, (error.what, *error.why), error.hint) from error


def trail_of(project: Path) -> Path | None:
    """The folder of the trail: the one that is named, or the project's own; None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    own = project / FOLDER
    return own if os.path.isfile(own / "trail.json") else None


def find_trail(path: Path) -> Path:
    """The trail that a path means: the folder itself, that of a project, or the one that is named.

    Raises: EnvbuildError, if there is none.
    """
    from builder.records.audit.folder import is_trail

    folder = path if is_trail(path) else trail_of(path)
    if folder is None or not folder.is_dir():
        raise EnvbuildError(
            f"there is no audit trail in `{folder or path}`",
            hint=f"Make one with {command_text('audit', 'init', path)}, or name its folder in `{VARIABLE}`",
        )
    return folder


def add(folder: Path, action: str, name: str, digest: str | None, details: Mapping[str, Any]) -> str:
    """Add an event to a trail; its name. Raises: EnvbuildError."""
    from builder.records.audit.event import Event, check_action
    from builder.records.audit.folder import add_event

    key = _key()
    event = Event(check_action(action), name, digest, _actor(key), given_time() or utc_text(), (), dict(details))
    return add_event(folder, event, key.sign if key else None)


def _key() -> SshKey | None:
    path = os.environ.get(KEY_VARIABLE)
    if not path:
        return None
    from builder.records.audit.ssh import SshKey

    return SshKey(Path(path))


def _actor(key: SshKey | None) -> Actor:
    """Who acts: as git knows them, else by the name of the login."""
    from builder.history.repository import who
    from builder.records.audit.event import Actor

    known = who(os.environ)
    return Actor(known["name"], known["email"], key.fingerprint if key else "")
