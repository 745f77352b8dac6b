"""Where data and weights are, as a spec says it: a path in the project, or a URL of one of the known schemes. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from builder.errors import EnvbuildError

OBJECT_STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "hf")
"""Schemes that are read through fsspec; what follows them is taken as it stands, without percent-encoding."""
REGISTRY = "oci"
"""The scheme of artifacts in a registry."""
_SCHEMES = ("", "file", "http", "https", *OBJECT_STORES, REGISTRY)
_CREDENTIALS = re.compile(
    r"[?&](?:sig|[^=&]*(?:token|signature|secret|password|credential|api-?_?key|access-?_?key)[^=&]*)=", re.IGNORECASE
)
_REPOSITORY = re.compile(
    r"hf://(datasets/|spaces/|(?!datasets/|spaces/|buckets/))([^/@]+/[^/@]+)(?:@([^/]+))?(?:/(.*))?", re.DOTALL
)


def check_url(text: str) -> None:
    """Refuse what is no place of data. Raises: ValueError, with the reason, which repeats no credential."""
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES:
        known = ", ".join(f"`{scheme}:`" for scheme in _SCHEMES[1:])
        raise ValueError(f"`{parts.scheme}:` is not among {known} and paths")
    if text.startswith("/"):
        raise ValueError("a path that starts at the root is written as `file://…`")
    if _has_credentials(text):
        raise ValueError("it holds credentials, which do not belong into a file that is shared")
    if not parts.scheme and ".." in text.split("/"):
        raise ValueError("a path stays inside the project; what is elsewhere is written as `file://…`")
    if parts.scheme == "file" and (parts.netloc not in ("", "localhost") or not parts.path.startswith("/")):
        raise ValueError("a `file:` URL has the form `file:///path/of/the/file`")
    if "*" in text and parts.scheme in ("http", "https"):
        raise ValueError("a web server lists no files, so a `*` has no meaning")
    if parts.scheme in OBJECT_STORES:
        _check_object(text)
    if parts.scheme == REGISTRY:
        _check_artifact(text)


def _has_credentials(text: str) -> bool:
    parts = urlsplit(text)
    user, at, _ = parts.netloc.rpartition("@")
    names_container = parts.scheme in ("abfs", "abfss") and ":" not in user
    return bool(at and not names_container) or bool(_CREDENTIALS.search(text))


def _check_object(text: str) -> None:
    if "::" in text:
        raise ValueError("`::` chains file systems, which is not taken")
    if not text.partition("://")[2].strip("/"):
        raise ValueError("it names no bucket, container or repository")
    if text.startswith("hf:") and not _REPOSITORY.fullmatch(text):
        raise ValueError("a form such as `hf://datasets/organisation/name@revision/path` is expected")


def _check_artifact(text: str) -> None:
    from builder.oci.registry.reference import DOCKER_HUB, Reference

    name = text.partition("://")[2]
    try:
        registry = Reference.parse(name).registry
    except EnvbuildError as error:
        raise ValueError("; ".join((*error.why, "a form such as `oci://registry/name:tag` is expected"))) from error
    if registry == DOCKER_HUB and not name.startswith((f"{DOCKER_HUB}/", f"index.{DOCKER_HUB}/")):
        raise ValueError("it names no registry: a form such as `oci://registry/name:tag` is expected")


def is_path(url: str) -> bool:
    """Whether it is a path in the project."""
    return not urlsplit(url).scheme


def is_glob(url: str) -> bool:
    """Whether it means all files that match; `*` alone makes a pattern, other characters stand for themselves."""
    return "*" in url


def is_pointer(url: str) -> bool:
    """Whether it is a pointer of DVC in the project."""
    return is_path(url) and url.endswith(".dvc")


def is_object(url: str) -> bool:
    """Whether it is read through fsspec."""
    return url.partition("://")[0] in OBJECT_STORES


def is_artifact(url: str) -> bool:
    """Whether it is an artifact in a registry."""
    return url.partition("://")[0] == REGISTRY


def is_verbatim(url: str) -> bool:
    """Whether paths below it are written as they stand, without percent-encoding."""
    return is_object(url) or is_artifact(url)


def split_glob(url: str) -> tuple[str, str]:
    """The folder before the first part with a `*` (empty or with a slash at its end), and the pattern below it."""
    start = url.rfind("/", 0, url.index("*")) + 1
    return url[:start], url[start:]


def hub_revision(url: str) -> str | None:
    """The revision that an `hf:` URL names, None where it names none."""
    found = _REPOSITORY.fullmatch(url)
    return found[3] if found else None


def hub_repository(url: str) -> tuple[str, str]:
    """Type (`dataset`, `space`, `model`) and name of the repository of an `hf:` URL."""
    found = _REPOSITORY.fullmatch(url)
    if found is None:
        raise ValueError("not an URL of a hub")
    return found[1].removesuffix("s/") or "model", found[2]


def at_revision(url: str, revision: str) -> str:
    """An `hf:` URL at another revision."""
    found = _REPOSITORY.fullmatch(url)
    if found is None:
        raise ValueError("not an URL of a hub")
    return f"hf://{found[1]}{found[2]}@{revision}" + ("" if found[4] is None else f"/{found[4]}")


def hub_web_url(url: str) -> str | None:
    """Where a web client has the same file or folder, on the public hub; None where no revision is named."""
    found = _REPOSITORY.fullmatch(url)
    if found is None or not found[3] or found[4] is None:
        return None
    from urllib.parse import quote

    return f"https://huggingface.co/{found[1]}{found[2]}/resolve/{found[3]}/{quote(found[4])}"
