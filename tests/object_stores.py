"""Stores of objects on loopback for tests: S3 by moto; Azure Blob Storage, Google Cloud Storage and a hub in short.

Each of the short ones speaks just what reading needs, and refuses what comes without its credential.
"""

from __future__ import annotations

import email.utils
import hashlib
import http.server
import json
import re
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

SECRET = "aHVudGVyMg=="
"""The key that no lock, log or error may hold."""
COMMIT = "1234567890" * 4
MOVED = "0987654321" * 4
TIME = email.utils.formatdate(0, usegmt=True)


@dataclass
class ObjectStore:
    """What a test sees of a store."""

    scheme: str
    variables: dict[str, str]
    """How clients find it, and the credential."""
    objects: dict[str, bytes] = field(default_factory=dict)
    """By `container/key`."""
    requests: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    """Objects whose bytes were asked for."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Of a hub: the commit of each branch."""
    fail: int = 0
    """Requests to break off in the middle of the body."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Add objects."""
        self.objects.update(objects)

    def delete(self, key: str) -> None:
        """Take an object away."""
        del self.objects[key]

    def url(self, key: str) -> str:
        """The URL of `container/key`."""
        return f"{self.scheme}://{key}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ObjectStore

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.store.requests.append(f"{self.command} {self.path}")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.handle_request(unquote(parts.path), query)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def handle_request(self, path: str, query: dict[str, str]) -> None:
        raise NotImplementedError

    def object(self, key: str, **headers: str) -> None:
        """Answer with an object, or the part of it that was asked for."""
        data = self.store.objects[key]
        headers |= {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "Last-Modified": TIME, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if self.command == "GET":
            self.store.reads.append(key)
        if wanted is None or self.command == "HEAD":
            self.answer(200, data, **headers)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self.answer(206, data[start : end + 1], **headers)

    def json(self, document: Any, **headers: str) -> None:
        self.answer(200, json.dumps(document).encode(), **{"Content-Type": "application/json", **headers})

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.store.fail and status in (200, 206) and len(body) > 1000:
            self.store.fail -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Azure(_Handler):
    """Blob service REST API: List Blobs, Get Blob, Get Blob Properties; paths begin with the account."""

    def handle_request(self, path: str, query: dict[str, str]) -> None:
        if not (self.headers.get("Authorization") or "").startswith("SharedKey devaccount:"):
            self.answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>")
            return
        key = path.removeprefix("/devaccount/")
        if query.get("comp") == "list":
            self.answer(200, self._listing(key, query), **{"Content-Type": "application/xml"})
        elif key in self.store.objects:
            self.object(key, **{"x-ms-blob-type": "BlockBlob", "x-ms-creation-time": TIME})
        elif query.get("restype") == "container" and any(name.startswith(f"{key}/") for name in self.store.objects):
            self.answer(200, **{"Last-Modified": TIME, "ETag": '"1"'})
        else:
            self.answer(404, b"<Error><Code>BlobNotFound</Code></Error>", **{"x-ms-error-code": "BlobNotFound"})

    def _listing(self, container: str, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        blobs, prefixes = [], set()
        for name, data in sorted(self.store.objects.items()):
            key = name.removeprefix(f"{container}/")
            below = key.removeprefix(prefix)
            if key == name or not key.startswith(prefix):
                continue
            if delimiter and delimiter in below:
                prefixes.add(prefix + below.partition(delimiter)[0] + delimiter)
                continue
            blobs.append(
                f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{TIME}</Last-Modified><Etag>1</Etag>"
                f"<Content-Length>{len(data)}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
            )
        folders = "".join(f"<BlobPrefix><Name>{escape(one)}</Name></BlobPrefix>" for one in sorted(prefixes))
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<Blobs>{''.join(blobs)}{folders}</Blobs><NextMarker /></EnumerationResults>"
        ).encode()


class _Google(_Handler):
    """Cloud Storage JSON API: objects.list, objects.get, and media downloads."""

    def handle_request(self, path: str, query: dict[str, str]) -> None:
        listed = re.fullmatch(r"/storage/v1/b/([^/]+)/o/?", path)
        found = re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)/o/(.+)", path)
        bucket = re.fullmatch(r"/storage/v1/b/([^/]+)/?", path)
        key = f"{found[1]}/{found[2]}" if found else ""
        if listed:
            self.json(self._listing(listed[1], query))
        elif key in self.store.objects:
            if query.get("alt") == "media":
                self.object(key)
            else:
                self.json(self._resource(key))
        elif bucket and any(name.startswith(f"{bucket[1]}/") for name in self.store.objects):
            self.json({"kind": "storage#bucket", "name": bucket[1], "id": bucket[1]})
        else:
            self.answer(404, b'{"error": {"code": 404, "message": "No such object"}}')

    def _listing(self, bucket: str, query: dict[str, str]) -> Any:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        items, prefixes = [], set()
        for name in sorted(self.store.objects):
            key = name.removeprefix(f"{bucket}/")
            below = key.removeprefix(prefix)
            if key != name and key.startswith(prefix):
                if delimiter and delimiter in below:
                    prefixes.add(prefix + below.partition(delimiter)[0] + delimiter)
                else:
                    items.append(self._resource(name))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}

    def _resource(self, name: str) -> Any:
        bucket, _, key = name.partition("/")
        return {
            "kind": "storage#object", "bucket": bucket, "name": key, "size": str(len(self.store.objects[name])),
            "generation": "1", "updated": "1970-01-01T00:00:00Z", "timeCreated": "1970-01-01T00:00:00Z",
            "mediaLink": f"http://{self.headers['Host']}/download/storage/v1/b/{bucket}/o/{key}?alt=media",
        }  # fmt: skip


class _Hub(_Handler):
    """The Hub API of Hugging Face: revision, tree, paths-info, resolve."""

    def handle_request(self, path: str, _: dict[str, str]) -> None:
        if self.headers.get("Authorization") != f"Bearer {SECRET}":
            self.answer(401, **{"X-Error-Code": "RepoNotFound"})
            return
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)/?(.*))?", path)
        file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if api:
            kind, name, what, revision, below = api.groups()
            self._api("datasets/" * (kind == "datasets") + name, what or "revision", revision or "main", below or "")
        elif file and (commit := self._commit(file[3])):
            key = f"{file[1] or ''}{file[2]}@{commit}/{file[4]}"
            if key in self.store.objects:
                self.object(key, **{"X-Repo-Commit": commit})
            else:
                self.answer(404, **{"X-Error-Code": "EntryNotFound"})
        else:
            self.answer(404, **{"X-Error-Code": "RevisionNotFound"})

    def _commit(self, revision: str) -> str | None:
        return self.store.revisions.get(revision)

    def _api(self, name: str, what: str, revision: str, below: str) -> None:
        commit = self._commit(revision)
        root = f"{name}@{commit}/"
        files = {key.removeprefix(root): data for key, data in self.store.objects.items() if key.startswith(root)}
        if not any(key.startswith(f"{name}@") for key in self.store.objects):
            self.answer(404, **{"X-Error-Code": "RepoNotFound"})
        elif commit is None:
            self.answer(404, **{"X-Error-Code": "RevisionNotFound"})
        elif what == "revision":
            repository = name.removeprefix("datasets/")
            self.json({"id": repository, "sha": commit, "siblings": [], "private": False, "tags": []})
        elif what == "tree":
            inside = {path: data for path, data in files.items() if not below or path.startswith(f"{below}/")}
            self.json(_tree(inside))
        else:
            wanted = json.loads(self.body)["paths"]
            self.json([entry for entry in _tree(files) if entry["path"] in wanted])


def _tree(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    folders = {path.rsplit("/", depth)[0] for path in files for depth in range(1, path.count("/") + 1)}
    return [
        *({"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)),
        *(
            {"type": "file", "path": path, "oid": hashlib.sha1(data).hexdigest(), "size": len(data)}
            for path, data in sorted(files.items())
        ),
    ]


@contextmanager
def serving(scheme: str, handler: type[_Handler]) -> Iterator[ObjectStore]:
    """A store with this handler."""
    store = ObjectStore(scheme, {})
    kind = type("Handler", (handler,), {"store": store})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        store.variables["URL"] = f"http://127.0.0.1:{server.server_port}"
        yield store
        server.shutdown()
        thread.join()


@contextmanager
def azure() -> Iterator[ObjectStore]:
    """Azure Blob Storage."""
    with serving("az", _Azure) as store:
        endpoint = f"{store.variables.pop('URL')}/devaccount"
        store.variables["AZURE_STORAGE_CONNECTION_STRING"] = (
            f"DefaultEndpointsProtocol=http;AccountName=devaccount;AccountKey={SECRET};BlobEndpoint={endpoint};"
        )
        yield store


@contextmanager
def google() -> Iterator[ObjectStore]:
    """Google Cloud Storage; emulators have no credentials."""
    with serving("gs", _Google) as store:
        store.variables["STORAGE_EMULATOR_HOST"] = store.variables.pop("URL")
        yield store


@contextmanager
def hub() -> Iterator[ObjectStore]:
    """A hub whose branch `main` is at a commit."""
    with serving("hf", _Hub) as store:
        store.revisions |= {"main": COMMIT, COMMIT: COMMIT, MOVED: MOVED}
        store.variables |= {"HF_ENDPOINT": store.variables.pop("URL"), "HF_TOKEN": SECRET}
        yield store


class _S3(ObjectStore):
    def put(self, objects: Mapping[str, bytes]) -> None:
        endpoint = self.variables["AWS_ENDPOINT_URL"]
        for bucket in {key.partition("/")[0] for key in objects}:
            _send("PUT", f"{endpoint}/{bucket}")
        for key, data in objects.items():
            _send("PUT", f"{endpoint}/{quote(key)}", data)
        self.objects.update(objects)

    def delete(self, key: str) -> None:
        _send("DELETE", f"{self.variables['AWS_ENDPOINT_URL']}/{quote(key)}")


@contextmanager
def s3() -> Iterator[ObjectStore]:
    """S3, by moto."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "scientist", "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    yield _S3("s3", variables)
    server.stop()


def _send(method: str, url: str, data: bytes = b"") -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request",
        "Content-Type": "application/octet-stream",
        "x-amz-acl": "public-read",
    }
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10):
        pass


STORES = {"s3": s3, "gs": google, "az": azure, "hf": hub}
