"""Files that requirements name by their URL, and commits."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.project_name import normalised
from builder.lock.interface import Line
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import version_of
from builder.lock.pypi.metadata import sdist_metadata
from builder.oci.digest import Digest


def direct_file(line: Line, fetcher: Fetcher) -> Found | None:
    """The file of a requirement with a URL; None for one that has none, or is a commit.

    Raises: EnvbuildError, if its hash is missing or its version cannot be told.
    """
    requirement = parsed(line.text)
    if requirement is None or not requirement.url or requirement.url.startswith("git+"):
        return None
    plain, _, fragment = requirement.url.partition("#")
    parts = dict(part.partition("=")[::2] for part in fragment.split("&"))
    if "sha256" not in parts:
        raise EnvbuildError(
            f"{line.place}: the URL of `{requirement.name}` has no hash", hint="Write `name @ URL#sha256=…`"
        )
    name = normalised(requirement.name)
    file_name = unquote(urlsplit(plain).path.rpartition("/")[2])
    found = Found(
        name,
        version_of(file_name, name) or "",
        file_name,
        Digest(parts["sha256"]),
        None,
        plain,
        parts.get("subdirectory", ""),
        direct=True,
    )
    return found if found.version else _with_version(found, line, fetcher)


def commit_archive(text: str, version: str, fetcher: Fetcher) -> Found:
    """The archive of the commit that a requirement names, whose version a build told.

    Raises: EnvbuildError, if it cannot be had.
    """
    from packaging.requirements import Requirement

    from builder.lock.pypi.checkout import Checkout
    from builder.lock.pypi.checkout_archive import checkout_archive

    requirement = Requirement(text)
    checkout = Checkout.parse(str(requirement.url))
    name = normalised(requirement.name)
    digest, size = checkout_archive(checkout.url, fetcher.store)
    return Found(name, version, f"{name}-{version}.tar", digest, size, checkout.url, checkout.subdirectory, direct=True)


def _with_version(found: Found, line: Line, fetcher: Fetcher) -> Found:
    """With the version that the archive tells, where its name does not."""
    from dataclasses import replace

    metadata = None if found.is_wheel else sdist_metadata(fetcher.blob(found.source), found.file_name)
    if metadata is None or metadata.name != found.name or not metadata.version:
        raise EnvbuildError(
            f"{line.place}: neither the URL nor the file of `{found.name}` tells its version",
            hint="Name a wheel, or an sdist as `NAME-VERSION.tar.gz`",
        )
    return replace(found, version=metadata.version)
