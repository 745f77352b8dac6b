"""What uv says when it fails, as an error of ours: its explanation is kept, credentials are not. Pure."""

from __future__ import annotations

import re

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials_in
from builder.lock.interface import Target
from builder.lock.pypi.found import refused_sdist

_HINTS = (
    (
        r"\b40[13] (Unauthorized|Forbidden)|returned an HTTP error: 40[13]|Missing credentials",
        "Give credentials in `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD` with the index's name, in netrc or a keyring",
    ),
    (
        r"Git operation failed",
        "Check the URL of the repository, the commit, and that git can reach it from here",
    ),
    (
        r"invalid peer certificate|UnknownIssuer",
        "Name the certificates of your organisation in `SSL_CERT_FILE`",
    ),
    (
        r"was not found in the package registry",
        "Check its spelling; a package of a private index needs this index under `indexes`",
    ),
    (
        r"no wheels with a matching",
        "Ask for a version that has a wheel for {platform}, for another Python or base, or for fewer `platforms`",
    ),
    (
        r"[Ff]ailed to fetch|error sending request|Connection refused|timed out|Request failed after",
        "Check the network, the proxy settings (`HTTPS_PROXY`) and the URL of the index",
    ),
    (
        r"there is no version of|there are no versions of|only the following versions|only \S+==\S+ is available",
        "Ask for a version that there is; `exclude-newer` hides what was uploaded later",
    ),
    (
        r"Received some unexpected|Unsupported `Content-Type`|Could not join base URL|Failed to (download|extract)",
        "What the index gives is not what a simple index (PEP 503, PEP 691) does; look at its URL in a browser",
    ),
    (
        r"memory allocation of \d+ bytes failed",
        "An index sent more than uv can hold; look at the pages of the packages that are named",
    ),
    (
        r"requirements are unsatisfiable",
        "Change one of the requirements that are named, or leave the choice of its version to uv",
    ),
)
"""What to do, by what uv's message holds; the first that fits."""
_LONGEST = 20_000
"""Characters of a message."""
_NOISE = re.compile(
    r"^(stack backtrace:|note: .*|\s+\d+: .*|\s+at .*|\W*(Caused by|cause): failed to (fetch|clone) into: .*)\n?"
    r"|(?<=retries) in [\d.]+m?s",
    re.MULTILINE,
)
"""Of a program that gave up, and what differs from one platform to the other though its cause is one."""
_NOT_OURS = re.compile(r"^(\s*)fatal: (?:remote error: |git )?(?=upload-pack: not our ref)", re.MULTILINE)
"""What git and its other end say at the same time, in any order."""


_BEGIN = re.compile(r"^error: ", re.MULTILINE)
"""Where the error begins, behind what uv says of its progress."""
_WARNING = re.compile(r"^warning: (.*(?:is yanked|does not have an extra named).*)$", re.MULTILINE)
"""What is of concern to the one who wrote a requirement; other warnings are of uv's own settings."""


def warnings(stderr: str) -> list[str]:
    """What uv warns of, though it has found an answer."""
    return _WARNING.findall(without_credentials_in(stderr[:_LONGEST]))


def failure(stderr: str, target: Target, *, sdists: bool) -> EnvbuildError:
    """Why uv failed, in its own words."""
    stderr = stderr[match.start() :] if (match := _BEGIN.search(stderr)) else stderr
    text = _NOISE.sub("", without_credentials_in(stderr[:_LONGEST]))
    text = "\n".join(dict.fromkeys(_NOT_OURS.sub(r"\1fatal: ", text).splitlines()))
    causes, hints = explanation(text)
    unwrapped = " ".join(text.split())  # uv breaks lines where they get too long
    advice = next((hint for pattern, hint in _HINTS if re.search(pattern, unwrapped)), None)
    if advice:
        hints.append(advice.format(platform=target.platform))
    refused = None if sdists else _refused(text, target)
    if refused is not None:
        return EnvbuildError(refused.what, [*refused.why, *causes], refused.hint)
    if not causes:
        causes = ["uv stopped without a word"]
    return EnvbuildError(
        f"the Python packages cannot be resolved for {target.platform}", causes, "; ".join(hints) or None
    )


def _refused(text: str, target: Target) -> EnvbuildError | None:
    """Where a package has a source distribution alone, and none may be taken."""
    named = re.search(r"Wheels are required for `([^`]+)` because building from source is disabled", text)
    if named is None:
        return None
    found = re.search(rf"{re.escape(named[1])}==(\S+) has no usable wheels", text)
    return refused_sdist(named[1], found[1] if found else "", target)


def explanation(text: str) -> tuple[list[str], list[str]]:
    """The causes and the hints in uv's message: continuation lines stay with their cause."""
    causes: list[str] = []
    hints: list[str] = []
    for line in text.splitlines():
        content = line.strip()
        if content.startswith("hint:"):
            hints.append(content.removeprefix("hint:").strip().rstrip(":"))
        elif line.startswith(" " * 9) and causes:
            causes[-1] += "\n" + line.removeprefix(" " * 9).rstrip()
        elif content:
            causes.append(re.sub(r"^(error|cause|Caused by):\s*", "", content))
    return causes, hints
