"""Which maintainer scripts are known: what they would do is made by hand, or is nothing that an image needs.

Owns the verdict on each deb. A script that is neither understood line by line nor listed here is refused by name, so
that no broken image is built silently.
"""

from __future__ import annotations

import re

from builder.errors import EnvbuildError
from builder.layers.system.image import Image
from builder.layers.system.script_reader import read_script

_BYTECODE = "it only compiles bytecode, which images do not have"
_DIVERSION = "its diversions concern upgrades alone"
_SERVICES = "it only restarts services after an upgrade"
_MADE = "what it makes is made by hand"

KNOWN: dict[str, str] = {
    "adduser": "it only moves a file that an older version has left",
    "apt": "the account `_apt` is among base-passwd's",
    "base-files": _MADE,
    "base-passwd": _MADE,
    "bash": _MADE,
    "binutils": "it only repairs an upgrade",
    "ca-certificates": _MADE,
    "coreutils": "`/usr/bin/touch` is there where `/usr` is merged",
    "dash": "its link `/bin/sh` is in the package, and its diversions concern upgrades alone",
    "debconf": "there are no questions to ask",
    "debian-archive-keyring": "it only removes the keys of older versions",
    "debianutils": _MADE,
    "dpkg": "there is no database of dpkg in an image",
    "fontconfig": "the cache of fonts is made at the first use",
    "fontconfig-config": _MADE,
    "gcc": "what is left of it removes a link of older versions",
    "gzip": "its diversions concern zutils in older releases",
    "libc-bin": _MADE,
    "libc6": "it checks the running kernel and restarts services",
    "libgdk-pixbuf-2\\.0-0": "the cache of loaders is not made: formats with a loader of their own are not read",
    "libglib2\\.0-0(t64)?": "modules of GIO are found without their cache; settings schemas are refused separately",
    "libgstreamer1\\.0-0": "its helper for network clocks gets no privileges",
    "libpam-modules": _MADE,
    "libpam-runtime": _MADE,
    "libpam0g": _SERVICES,
    "libpython3\\.\\d+-minimal": "it only prints",
    "libreadline8t64": _DIVERSION,
    "libselinux1": "there is no policy to compile",
    "libsensors5": "it only removes a file of older versions",
    "libtirpc3t64": _DIVERSION,
    "login": _MADE,
    "login\\.defs": "it only takes over a file of older versions",
    "mariadb-common": _MADE,
    "mysql-common": "what is left of it takes over a file of older versions",
    "netbase": _MADE,
    "openssh-client": "ssh-agent works without the group that hides its memory from its user",
    "openssl": "its link `/usr/lib/ssl` is in the package as a folder",
    "passwd": _MADE,
    "postgresql-client-\\d+": "it only links manual pages",
    "procps": _MADE,
    "python3": _MADE,
    "python3-distutils": _BYTECODE,
    "python3-lib2to3": _BYTECODE,
    "python3-minimal": _BYTECODE,
    "python3\\.\\d+": _BYTECODE,
    "python3\\.\\d+-minimal": _MADE,
    "python3\\.\\d+-venv": _BYTECODE,
    "readline-common": _MADE,
    "shared-mime-info": "the compiled database of file types is not made: GIO then knows types by their content alone",
    "sudo": "the mode of its configuration is set in the package",
    "tzdata": _MADE,
    "ucf": "its register of configuration files serves upgrades",
    "unixodbc-common": _MADE,
    "usrmerge": "images are merged from the start",
    "xz-utils": _MADE,
}
"""By package, as a regular expression for its whole name: why its scripts need not run."""

_HINT = (
    "Leave the package out of the environment, take another one that provides the same, or let Docker run the scripts: "
    "`envbuild build --builder docker`, or `envbuild render` for a Dockerfile"
)


def check_scripts(image: Image) -> None:
    """Make sure that no package needs a script to run.

    Raises: EnvbuildError, naming all packages and scripts that are not known.
    """
    refused = []
    for name, facts in image.packages.items():
        known = any(re.fullmatch(pattern, name) for pattern in KNOWN)
        for script, text in facts.scripts:
            remainder = () if known else read_script(script, text).remainder
            if remainder:
                refused.append(f"`{name}` {facts.version}: its {script} runs `{remainder[0][:120]}`")
        schemas = [path for path, _ in facts.files if path.startswith("usr/share/glib-2.0/schemas/")]
        if schemas:
            refused.append(f"`{name}` {facts.version}: the settings schema `{schemas[0]}` would have to be compiled")
    if refused:
        raise EnvbuildError(
            "Some Debian packages need their maintainer scripts, which are not run when an image is assembled",
            refused,
            _HINT,
        )
