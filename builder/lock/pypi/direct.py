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
    found = file_at(normalised(requirement.name), requirement.url, line.place)
    return found if found.version else _with_version(found, line, fetcher)


def file_at(name: str, url: str, place: str, hashes: frozenset[str] = frozenset()) -> Found:
    """The file that a URL names, of which no index knows; without a version where its name does not tell it.

    `hashes` are those that were given beside the URL, in hexadecimal; `place` is where it was written, for messages.

    Raises: EnvbuildError, unless the URL's fragment or the hashes tell one SHA-256.
    """
    plain, _, fragment = url.partition("#")
    parts = dict(part.partition("=")[::2] for part in fragment.split("&"))
    digests = {parts["sha256"]} if "sha256" in parts else {*hashes}
    if len(digests) != 1:
        hint = "Write `--hash=sha256:…` of just this file" if hashes else "Write `name @ URL#sha256=…`"
        raise EnvbuildError(f"{place}: the URL of `{name}` needs one sha256", hint=hint)
    file_name = unquote(urlsplit(plain).path.rpartition("/")[2])
    version, subdirectory = version_of(file_name, name) or "", parts.get("subdirectory", "")
    return Found(name, version, file_name, Digest(digests.pop()), None, plain, subdirectory, direct=True)


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
