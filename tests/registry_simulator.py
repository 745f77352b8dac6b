"""A registry on loopback that is true to the distribution-spec (1.1) and fails where a test tells it to."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Action = Callable[["Exchange"], bool | None]
"""What a fault does with an exchange; True if nothing else is to be done with it."""


INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Fault:
    """Something that goes wrong."""

    where: str
    """A pattern for `METHOD path?query`."""
    action: Action
    times: int = 1
    after: int = 0
    """How many such requests go well before."""


@dataclass
class Record:
    """A request as it came, and what was answered."""

    method: str
    path: str
    headers: dict[str, str]
    received: int = 0
    """Bytes of the body."""
    status: int | None = None


@dataclass
class Upload:
    """A session of an upload."""

    repository: str
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Simulator:
    """What the registry holds, how it behaves, and what was asked."""

    port: int = 0
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By repository and digest."""
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    """By repository and digest: media type and bytes."""
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[Record] = field(default_factory=list)
    chunk_minimum: int | None = None
    location: str = "/v2/{repository}/blobs/uploads/{upload}"
    """Of an upload; may be relative to the request, have a query, or be of another host."""
    mounts: bool = True
    token_service: str | None = None
    """A URL: tokens are needed then."""
    tokens: dict[str, list[str]] = field(default_factory=dict)
    """Scopes by token."""
    basic: str | None = None
    """An Authorization header that is needed."""
    lists_referrers: bool = False
    """Whether it has the API of referrers."""
    page: int = 1000
    """Entries of a page of referrers."""
    made_up: list[dict[str, Any]] = field(default_factory=list)
    """Descriptors that are listed as referrers of everything."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked(self, pattern: str) -> list[Record]:
        """The requests whose `METHOD path` a pattern matches."""
        return [record for record in self.log if re.match(pattern, f"{record.method} {record.path}")]

    def fail(self, where: str, action: Action, times: int = 1, after: int = 0) -> None:
        self.faults.append(Fault(where, action, times, after))

    def add_blob(self, repository: str, data: bytes) -> str:
        digest = digest_of(data)
        self.blobs.setdefault(repository, {})[digest] = data
        return digest

    def add_manifest(self, repository: str, data: bytes, kind: str, tag: str | None = None) -> str:
        digest = digest_of(data)
        self.manifests.setdefault(repository, {})[digest] = (kind, data)
        if tag:
            self.tags.setdefault(repository, {})[tag] = digest
        return digest

    def sent_bytes(self) -> int:
        """Bytes of all bodies that were received."""
        return sum(record.received for record in self.log)


@dataclass
class Exchange:
    """A request that is being answered."""

    registry: Simulator
    handler: http.server.BaseHTTPRequestHandler
    record: Record
    forget: int = 0
    """Bytes at the end of the body that are lost, though all is said to have been taken."""
    keep: int | None = None
    """Bytes of the body that are read before the connection breaks."""
    silent: bool = False
    """Do what was asked for, and break the connection instead of answering."""
    damage: Callable[[bytes], bytes] | None = None
    """Changes the body of the answer, but not its promised length."""
    more: dict[str, str] = field(default_factory=dict)
    """Headers that take the place of those of the answer."""

    _body: bytes | None = None

    def body(self) -> bytes:
        """What was sent with the request, as much as is kept of it."""
        if self._body is None:
            self._body = self._receive()
        return self._body

    def _receive(self) -> bytes:
        length = int(self.handler.headers.get("Content-Length", 0))
        data = self.handler.rfile.read(length if self.keep is None else min(length, self.keep))
        self.record.received += len(data)
        return data

    def answer(self, status: int, data: bytes = b"", **headers: str) -> bool:
        if self.silent or self.keep is not None:
            self.handler.close_connection = True
            return True
        self.record.status = status
        self.handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(data)), **named, **self.more}.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        if self.handler.command != "HEAD":
            sent = self.damage(data) if self.damage else data
            self.handler.wfile.write(sent)
            self.handler.close_connection |= len(sent) != len(data)
        return True

    def error(self, status: int, code: str, message: str = "", **headers: str) -> bool:
        data = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return self.answer(status, data, **headers)


def answers(status: int, code: str = "UNKNOWN", message: str = "", **headers: str) -> Action:
    """A fault: this answer, after the body was read."""

    def act(exchange: Exchange) -> bool:
        exchange.body()
        return exchange.error(status, code, message, **headers)

    return act


def drops(exchange: Exchange) -> bool:
    """A fault: no answer."""
    exchange.handler.close_connection = True
    return True


def changes(**values: Any) -> Action:
    """A fault: attributes of the exchange are others."""

    def act(exchange: Exchange) -> None:
        for name, value in values.items():
            setattr(exchange, name, value)

    return act


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        registry: Simulator = self.server.registry  # type: ignore[attr-defined]
        headers = {name.lower(): text for name, text in self.headers.items()}
        exchange = Exchange(registry, self, Record(self.command, self.path, headers))
        with registry.lock:
            registry.log.append(exchange.record)
            fault = self._fault(registry)
        if fault and fault.action(exchange):
            return
        _serve(exchange)

    def _fault(self, registry: Simulator) -> Fault | None:
        for fault in registry.faults:
            if fault.times > 0 and re.match(fault.where, f"{self.command} {self.path}"):
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Simulator]:
    """A registry that answers."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.registry = registry = Simulator(server.server_port)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_ROUTE = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs/uploads|blobs|referrers)/(?P<name>[^/]*)")


def _serve(exchange: Exchange) -> bool:
    parts = urlsplit(exchange.record.path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/token":
        return _give_token(exchange, parse_qs(parts.query).get("scope", []))
    route = _ROUTE.fullmatch(parts.path)
    if route is None:
        return exchange.error(404, "NOT_FOUND")
    repository, name, method = route["repository"], route["name"], exchange.record.method
    if not _is_allowed(exchange, repository, query.get("from")):
        return True
    exchange.body()  # whoever sends it may need the lock for something else meanwhile
    with exchange.registry.lock:
        if route["kind"] == "manifests":
            return (_put_manifest if method == "PUT" else _get_manifest)(exchange, repository, name)
        if route["kind"] == "referrers":
            return _get_referrers(exchange, repository, name, int(query.get("start", 0)))
        if route["kind"] == "blobs":
            return _get_blob(exchange, repository, name)
        if method == "POST":
            return _start_upload(exchange, repository, query)
        return _go_on(exchange, repository, name, query)


def _give_token(exchange: Exchange, scopes: list[str]) -> bool:
    with exchange.registry.lock:
        token = secrets.token_hex(8)
        exchange.registry.tokens[token] = scopes
    return exchange.answer(200, json.dumps({"token": token}).encode())


def _is_allowed(exchange: Exchange, repository: str, other: str | None) -> bool:
    """Whether the exchange may go on; else it was answered."""
    registry, given = exchange.registry, exchange.record.headers.get("authorization", "")
    if registry.basic is not None and given != registry.basic:
        exchange.body()
        exchange.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="simulator"')
        return False
    if registry.token_service is not None:
        actions = "pull" if exchange.record.method in ("GET", "HEAD") else "pull,push"
        needed = [f"repository:{repository}:{actions}", *([f"repository:{other}:pull"] if other else [])]
        known = registry.tokens.get(given.removeprefix("Bearer "), [])
        if not all(_covered(scope, known) for scope in needed):
            exchange.body()
            challenge = f'Bearer realm="{registry.token_service}",service="simulator",scope="{" ".join(needed)}"'
            exchange.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
            return False
    return True


def _covered(scope: str, known: list[str]) -> bool:
    name, _, actions = scope.rpartition(":")
    for other in known:
        other_name, _, other_actions = other.rpartition(":")
        if name == other_name and set(actions.split(",")) <= set(other_actions.split(",")):
            return True
    return False


def _get_manifest(exchange: Exchange, repository: str, name: str) -> bool:
    registry = exchange.registry
    digest = registry.tags.get(repository, {}).get(name, name)
    kind, data = registry.manifests.get(repository, {}).get(digest, ("", None))
    if data is None:
        return exchange.error(404, "MANIFEST_UNKNOWN")
    return exchange.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest)


def _put_manifest(exchange: Exchange, repository: str, name: str) -> bool:
    registry, data = exchange.registry, exchange.body()
    if exchange.keep is not None:
        return exchange.answer(400)
    document = json.loads(data)
    if exchange.record.headers.get("content-type") != document["mediaType"]:
        return exchange.error(400, "MANIFEST_INVALID", "the type is another")
    if name.startswith("sha256:") and digest_of(data) != name:
        return exchange.error(400, "DIGEST_INVALID")
    blobs = [document["config"], *document["layers"]] if "layers" in document else []
    missing = [
        blob for blob in blobs if len(registry.blobs.get(repository, {}).get(blob["digest"], "")) != blob["size"]
    ]
    known = registry.manifests.setdefault(repository, {})
    if missing or any(entry["digest"] not in known for entry in document.get("manifests", ())):
        return exchange.error(404, "MANIFEST_BLOB_UNKNOWN")
    tag = None if name.startswith("sha256:") else name
    digest = registry.add_manifest(repository, data, document["mediaType"], tag)
    subject = {"OCI-Subject": document["subject"]["digest"]} if "subject" in document else {}
    more = subject if registry.lists_referrers else {}
    return exchange.answer(201, Location=f"/v2/{repository}/manifests/{digest}", Docker_Content_Digest=digest, **more)


def _get_referrers(exchange: Exchange, repository: str, subject: str, start: int) -> bool:
    registry = exchange.registry
    if not registry.lists_referrers:
        return exchange.error(404, "NOT_FOUND")
    entries = list(registry.made_up)
    for digest, (kind, data) in registry.manifests.get(repository, {}).items():
        document = json.loads(data)
        if document.get("subject", {}).get("digest") == subject:
            entry = {"mediaType": kind, "digest": digest, "size": len(data)}
            entries.append(entry | {"artifactType": document.get("artifactType", document["config"]["mediaType"])})
    end = start + registry.page
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[start:end]}
    following = f"/v2/{repository}/referrers/{subject}?start={end}"
    more = {"Link": f'<{following}>; rel="next"'} if end < len(entries) else {}
    return exchange.answer(200, json.dumps(index).encode(), Content_Type=INDEX, **more)


def _get_blob(exchange: Exchange, repository: str, digest: str) -> bool:
    data = exchange.registry.blobs.get(repository, {}).get(digest)
    if data is None:
        return exchange.error(404, "BLOB_UNKNOWN")
    wanted = exchange.record.headers.get("range")
    if wanted:
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        return exchange.answer(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
    return exchange.answer(200, data, Docker_Content_Digest=digest)


def _start_upload(exchange: Exchange, repository: str, query: dict[str, str]) -> bool:
    registry = exchange.registry
    exchange.body()
    assert ("mount" in query) == ("from" in query), "both or neither"
    mounted = registry.blobs.get(query.get("from", ""), {}).get(query.get("mount", ""))
    if registry.mounts and mounted is not None:
        digest = registry.add_blob(repository, mounted)
        return exchange.answer(201, Location=f"/v2/{repository}/blobs/{digest}")
    name = secrets.token_hex(8)
    registry.uploads[name] = Upload(repository)
    minimum = {} if registry.chunk_minimum is None else {"OCI-Chunk-Min-Length": str(registry.chunk_minimum)}
    return exchange.answer(202, Location=_location(registry, repository, name), **minimum)


def _location(registry: Simulator, repository: str, name: str) -> str:
    return registry.location.format(repository=repository, upload=name)


def _go_on(exchange: Exchange, repository: str, name: str, query: dict[str, str]) -> bool:
    registry, method = exchange.registry, exchange.record.method
    upload = registry.uploads.get(name)
    if upload is None or upload.repository != repository:
        exchange.body()
        return exchange.error(404, "BLOB_UPLOAD_UNKNOWN")
    if urlsplit(registry.location).query and "state" not in query:
        exchange.body()
        return exchange.error(400, "BLOB_UPLOAD_INVALID", "the query of the location was lost")
    if method == "GET":
        return _tell(exchange, 204, upload, name)
    if method == "PATCH":
        return _take_chunk(exchange, upload, name)
    upload.data += exchange.body()
    if exchange.keep is not None:
        return exchange.answer(400)
    del registry.uploads[name]
    if digest_of(upload.data) != query["digest"]:
        return exchange.error(400, "DIGEST_INVALID")
    registry.add_blob(repository, bytes(upload.data))
    return exchange.answer(
        201, Location=f"/v2/{repository}/blobs/{query['digest']}", Docker_Content_Digest=query["digest"]
    )


def _take_chunk(exchange: Exchange, upload: Upload, name: str) -> bool:
    start, end = map(int, exchange.record.headers["content-range"].split("-"))
    data = exchange.body()
    if start != len(upload.data):
        return exchange.error(416, "BLOB_UPLOAD_INVALID")
    assert exchange.keep is not None or len(data) == end - start + 1
    upload.data += data[: len(data) - exchange.forget]
    return _tell(exchange, 202, upload, name)


def _tell(exchange: Exchange, status: int, upload: Upload, name: str) -> bool:
    location = _location(exchange.registry, upload.repository, name)
    return exchange.answer(status, Location=location, Range=f"0-{max(0, len(upload.data) - 1)}")
