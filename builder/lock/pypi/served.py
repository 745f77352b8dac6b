"""An index on loopback for one run of pip: it shows one file of each version, the one that would be locked.

Priorities of indexes, times of upload, tags and markers of the target are so decided here and not by what pip would
make of this machine; and pip needs neither credentials nor settings to reach anything.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.project_name import normalised
from builder.lock.interface import Target
from builder.lock.pypi.describe import Describer
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import SimpleIndexes
from builder.lock.pypi.metadata import Metadata, parse_metadata
from builder.lock.pypi.offers import Offer, metadata_for, offers
from builder.lock.pypi.once import Once
from builder.oci.digest import Digest

_PARALLEL = 8
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class ServedIndex:
    """What pip is shown; served while it is used as a context manager."""

    indexes: SimpleIndexes
    fetcher: Fetcher
    target: Target
    sdists: bool
    provided: Mapping[str, str] = field(default_factory=dict)
    """Versions of packages that are there already: shown without dependencies."""
    failures: list[EnvbuildError] = field(default_factory=list)
    """What kept an answer from being given; then nothing more is answered, and what pip says means nothing."""
    hidden: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why versions were not shown, by project and version."""
    unknown: set[str] = field(default_factory=set)
    """The projects that are on no index."""

    def __post_init__(self) -> None:
        self.secret = secrets.token_urlsafe(24)  # other users of this machine have no business here
        self._files: dict[str, Found] = {}
        self._offers = Once(self._offer)
        self._metadata = Once(self._read_metadata)

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(_PARALLEL)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Of the index."""
        return f"{self._root}simple/"

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{self.secret}/"

    def direct(self, found: Found) -> str:
        """Show a file that is on no index; what to write behind the name of its project to ask for it."""
        self._files[found.digest.hex] = found
        if found.is_wheel:
            self._offers.put(found.name, {found.version: Offer(found)})
            return f"=={found.version}"
        subdirectory = f"&subdirectory={found.subdirectory}" if found.subdirectory else ""
        return f" @ {self._url(found)}#sha256={found.digest.hex}{subdirectory}"

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """The media type and content for a path below the root; None if there is nothing.

        Raises: EnvbuildError.
        """
        match path.split("/"):
            case ["simple", project, ""]:
                return _JSON, json.dumps(self._page(project)).encode()
            case [project, "json"]:
                return "application/json", json.dumps(self._releases(project)).encode()
            case ["files", digest, name] if name.endswith(".whl.metadata"):
                return "text/plain", self._metadata(digest)
            case ["files", digest, _] if digest in self._files:
                return "application/octet-stream", self.fetcher.blob(self._files[digest].source).read_bytes()
        return None

    def _page(self, project: str) -> dict[str, Any]:
        files = [
            {
                "filename": shown_name(offer.found),
                "url": self._url(offer.found),
                "hashes": {"sha256": offer.found.digest.hex},
                "yanked": offer.yanked,
                "core-metadata": offer.found.is_wheel,
            }
            for offer in self.offered(project).values()
        ]
        return {"meta": {"api-version": "1.1"}, "name": project, "files": files}

    def _releases(self, project: str) -> dict[str, Any]:
        """As PyPI's own interface tells it, where pip-tools looks for hashes."""
        return {
            "releases": {
                version: [
                    {
                        "url": self._url(offer.found),
                        "digests": {"sha256": offer.found.digest.hex},
                        "packagetype": "bdist_wheel" if offer.found.is_wheel else "sdist",
                    }
                ]
                for version, offer in self.offered(project).items()
            }
        }

    def offered(self, project: str) -> dict[str, Offer]:
        """The file of each version of a project."""
        return self._offers(normalised(project))

    def _offer(self, name: str) -> dict[str, Offer]:
        if name in self.provided:
            found = {self.provided[name]: Offer(_stand_in(name, self.provided[name]))}
        else:
            found = self._of_indexes(name)
        self._files |= {offer.found.digest.hex: offer.found for offer in found.values()}
        self._look_ahead(self._read_newest, name)
        return found

    def _of_indexes(self, name: str) -> dict[str, Offer]:
        listed = self.indexes.listed(name)
        if listed is None:
            self.unknown.add(name)
            return {}
        allowed = self.indexes.allowed(name)
        found, self.hidden[name] = offers(allowed, self.target, sdists=self.sdists)
        shown = {one.found.version for one in allowed}
        newer = {one.found.version for one in listed} - shown
        self.hidden[name] |= {
            version: f"`{name}` {version} was uploaded later than `exclude-newer` allows" for version in newer
        }
        return found

    def _url(self, found: Found) -> str:
        return f"{self._root}files/{found.digest.hex}/{quote(shown_name(found), safe='')}"

    def _read_metadata(self, digest: str) -> bytes:
        found = self._files[digest]
        if found.name in self.provided and not found.url:
            return metadata_for(Metadata(found.name, found.version), self.target)
        data = metadata_for(Describer(self.fetcher).metadata_of(found), self.target, _host_markers())
        for text in parse_metadata(data).requires:
            requirement = parsed(text)
            if requirement is not None and requirement.marker is None:
                self._look_ahead(self._offers, normalised(requirement.name))
        return data

    def _read_newest(self, name: str) -> None:
        """Read what pip will most likely ask for next of a project."""
        from packaging.version import Version

        files = [offer.found for offer in self._offers(name).values() if offer.found.is_wheel and not offer.yanked]
        newest = max(
            files, key=lambda found: (not Version(found.version).is_prerelease, Version(found.version)), default=None
        )
        if newest is not None:
            self._metadata(newest.digest.hex)

    def _look_ahead(self, ask: Callable[[str], object], name: str) -> None:
        """Ask for something before pip does, which asks for one thing after the other; it learns of failures itself."""
        with suppress(RuntimeError):  # nothing more is looked for once pip is done
            self._pool.submit(ask, name)


def _host_markers() -> dict[str, str]:
    """The values of markers where pip runs."""
    from packaging.markers import default_environment

    return {name: str(value) for name, value in default_environment().items()}


def shown_name(found: Found) -> str:
    """The name that pip is shown: a wheel that runs on the target is one for every machine in pip's eyes."""
    if not found.is_wheel:
        return found.file_name
    return f"{found.name.replace('-', '_')}-{found.version}-py3-none-any.whl"


def _stand_in(name: str, version: str) -> Found:
    digest = Digest.of(f"{name} {version}".encode())
    return Found(name, version, f"{name}-{version}-py3-none-any.whl", digest, 0, "")


def _handler(index: ServedIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer what may be read."""
            prefix = f"/{index.secret}/"
            path = unquote(urlsplit(self.path).path)
            answer = None
            if path.startswith(prefix) and not index.failures:
                try:
                    answer = index.answer(path.removeprefix(prefix))
                except EnvbuildError as error:
                    index.failures.append(error)
            kind, body = answer or ("text/plain", b"")
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is written."""

    return Handler
