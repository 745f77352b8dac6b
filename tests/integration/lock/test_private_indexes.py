"""Indexes that ask who one is: every way to give credentials, and none of them is ever told to anybody else."""

from __future__ import annotations

import base64
import gzip
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from made_locks import made_deb, made_wheel, write_made_environment
from private_hosts import HOST, Authority, Proxy, make_authority, serve_proxy, serve_tls, write_keyring
from simple_index import SimpleIndex, serve_index

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import DebianPackage, Sdist, Wheel
from builder.lock.indexes import requested_indexes
from builder.lock.interface import FileIndex, Line, Request, Sources, Target
from builder.lock.programs import uv_program
from builder.lock.pypi.uv import UvResolver
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec.environment import Index

ROOT = Path(__file__).parents[3]
AMD64 = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
USER, PASSWORD = "scientist@example.com", "hunter2-p@ss/word:x"
SECRETS = tuple(
    form.encode()
    for form in (
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote(PASSWORD),
        base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
        "hunter2",
    )
)
QUICK = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}
NOWHERE = "http://127.0.0.1:9/simple/"
"""In place of PyPI, where nothing is to be asked of it."""


@pytest.fixture
def serve() -> Iterator[Callable[[], SimpleIndex]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serve_index())


@pytest.fixture
def private(serve: Any) -> SimpleIndex:
    """An index that asks for a login."""
    index = serve()
    index.login = f"{USER}:{PASSWORD}"
    index.add("app", "1.0", "lib")
    index.add("lib", "1.0")
    return index


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Wheel | Sdist]]:
    """Locks against indexes, then fetches what was locked into a new store, as a build on another day does."""
    count = iter(range(100))

    def run(*requirements: str, indexes: tuple[Index, ...], **variables: str) -> dict[str, Wheel | Sdist]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        environment = {**os.environ, **QUICK, "UV_DEFAULT_INDEX": variables.get("UV_DEFAULT_INDEX", NOWHERE)}
        environment["UV_CACHE_DIR"] = str(tmp_path / f"uv-{next(count)}")
        store = Store(tmp_path / f"lock-{next(count)}")
        store.create()
        mirrors = Mirrors.from_environment(environment)
        sources = Sources(tuple(Line(text, "spec") for text in requirements))
        resolver = UvResolver(environment, uv_program(), Fetcher(store, mirrors))
        files = resolver(Request(sources, indexes), AMD64)
        fresh = Store(tmp_path / f"build-{next(count)}")
        fresh.create()
        fetcher = Fetcher(fresh, mirrors).with_indexes({index.name: index.url for index in indexes})
        fetcher.blobs(file.source for file in files)
        assert holding_a_secret(tmp_path, skipped=("netrc", "keyring", "uv-")) == []
        return {file.name: file for file in files}

    return run


def holding_a_secret(folder: Path, skipped: tuple[str, ...] = (), words: tuple[bytes, ...] = SECRETS) -> list[str]:
    """The files below a folder in which a secret occurs, packed or not."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_symlink() or not path.is_file() or inside.parts[0].startswith(skipped or ("\0",)):
            continue
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data += gzip.decompress(data)
        if any(word in data for word in words):
            found.append(str(inside))
    return found


def versions(files: Mapping[str, Wheel | Sdist]) -> dict[str, str]:
    return {name: file.version for name, file in files.items()}


def corp(index: SimpleIndex, name: str = "Corp-Index", *packages: str) -> Index:
    return Index(name, index.url, packages)


class TestCredentials:
    def test_variables_with_the_indexs_name(self, private: SimpleIndex, work: Any) -> None:
        found = work(
            "app", indexes=(corp(private),), UV_INDEX_CORP_INDEX_USERNAME=USER, UV_INDEX_CORP_INDEX_PASSWORD=PASSWORD
        )
        assert versions(found) == {"app": "1.0", "lib": "1.0"}
        assert found["app"].url == private.file_url("app", "app-1.0-py3-none-any.whl")

    def test_netrc(self, private: SimpleIndex, work: Any, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1\nlogin {USER}\npassword {PASSWORD}\n")
        (tmp_path / "netrc").chmod(0o600)
        assert versions(work("app", indexes=(corp(private),), NETRC=str(tmp_path / "netrc")))

    @pytest.mark.parametrize("service", ["url", "host"])
    def test_keyring_which_is_asked_after_a_refusal_alone(
        self, private: SimpleIndex, work: Any, tmp_path: Path, service: str, serve: Any
    ) -> None:
        known = {(private.url if service == "url" else private.host, USER): PASSWORD}
        log = write_keyring(tmp_path / "keyring", known)
        public = serve()
        public.add("open", "1.0")
        path = f"{tmp_path / 'keyring'}{os.pathsep}{os.environ['PATH']}"
        variables = {"UV_KEYRING_PROVIDER": "subprocess", "PATH": path, "UV_INDEX_CORP_INDEX_USERNAME": USER}
        work("open", indexes=(corp(public, "public"),), **variables)
        assert not log.exists()
        indexes = (corp(private), corp(public, "public"))
        assert versions(work("app", "open", indexes=indexes, **variables)) == {
            "app": "1.0",
            "lib": "1.0",
            "open": "1.0",
        }
        assert PASSWORD not in log.read_text()

    def test_a_keyring_is_not_asked_unless_that_was_said(self, private: SimpleIndex, work: Any, tmp_path: Path) -> None:
        log = write_keyring(tmp_path / "keyring", {(private.url, USER): PASSWORD})
        path = f"{tmp_path / 'keyring'}{os.pathsep}{os.environ['PATH']}"
        with pytest.raises(EnvbuildError) as caught:
            work("app", indexes=(corp(private),), PATH=path, UV_INDEX_CORP_INDEX_USERNAME=USER)
        assert "401" in str(caught.value.hint)
        assert not log.exists()

    @pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL"])
    @pytest.mark.parametrize("named", [True, False])
    def test_urls_in_variables(self, private: SimpleIndex, work: Any, variable: str, named: bool) -> None:
        address = private.url.replace("://", f"://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@")
        found = work("app", indexes=(corp(private),) if named else (), **{variable: address})
        assert found["app"].url == private.file_url("app", "app-1.0-py3-none-any.whl")

    def test_a_requirements_files_index_has_those_of_its_url(self, private: SimpleIndex, tmp_path: Path) -> None:
        address = private.url.replace("://", f"://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@")
        variables = {**os.environ, **QUICK, "UV_DEFAULT_INDEX": NOWHERE, "UV_INDEX": address}
        store = Store(tmp_path / "store")
        store.create()
        resolver = UvResolver(variables, uv_program(), Fetcher(store, Mirrors.from_environment(variables)))
        indexes = requested_indexes((), [FileIndex(private.url, "requirements.in:1")])
        request = Request(Sources((Line("app", "requirements.in:2"),)), indexes)
        assert [file.name for file in resolver(request, AMD64)] == ["app", "lib"]

    def test_each_index_is_sent_its_own(self, private: SimpleIndex, serve: Any, work: Any) -> None:
        other = serve()
        other.login = "other:another-secret"
        other.add("more", "1.0")
        other.add("app", "9.0")
        found = work(
            "app", "more", indexes=(corp(private), corp(other, "other", "more")),
            UV_INDEX_CORP_INDEX_USERNAME=USER, UV_INDEX_CORP_INDEX_PASSWORD=PASSWORD,
            UV_INDEX_OTHER_USERNAME="other", UV_INDEX_OTHER_PASSWORD="another-secret",
        )  # fmt: skip
        assert versions(found) == {"app": "1.0", "lib": "1.0", "more": "1.0"}
        assert "/simple/app/" not in other.asked


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with serve_proxy() as state:
        yield state


class TestNetworks:
    @pytest.fixture(autouse=True)
    def _login(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("UV_INDEX_CORP_INDEX_USERNAME", USER)
        monkeypatch.setenv("UV_INDEX_CORP_INDEX_PASSWORD", PASSWORD)

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"])
    def test_certificates_of_an_own_authority_are_trusted_where_they_are_named(
        self, private: SimpleIndex, work: Any, authority: Authority, variable: str
    ) -> None:
        with serve_tls(private.port, authority.context) as port:
            index = Index("Corp-Index", f"https://127.0.0.1:{port}/simple/")
            found = work("app", indexes=(index,), **{variable: str(authority.certificate)})
        assert versions(found) == {"app": "1.0", "lib": "1.0"}

    def test_others_are_not(self, private: SimpleIndex, work: Any, authority: Authority, tmp_path: Path) -> None:
        with serve_tls(private.port, authority.context) as port:
            url = f"https://127.0.0.1:{port}/simple/"
            with pytest.raises(EnvbuildError) as caught:
                work("app", indexes=(Index("Corp-Index", url),))
            store = Store(tmp_path / "store")
            store.create()
            mirrors = Mirrors.from_environment(os.environ).with_indexes({"Corp-Index": url})
            with pytest.raises(EnvbuildError, match="CERTIFICATE_VERIFY_FAILED"):
                Fetcher(store, mirrors).read([url], 1000)
        assert "SSL_CERT_FILE" in str(caught.value.hint)
        assert private.asked == [], "nothing is sent to a host that nobody vouches for"

    def test_certificates_that_are_not_there_are_named(self, private: SimpleIndex, tmp_path: Path) -> None:
        store = Store(tmp_path / "store")
        store.create()
        mirrors = Mirrors.from_environment({"SSL_CERT_FILE": "/nowhere/ca.pem"})
        with pytest.raises(EnvbuildError, match=r"/nowhere/ca\.pem"):
            Fetcher(store, mirrors).read([private.url], 1000)

    def test_a_host_behind_a_proxy(self, private: SimpleIndex, work: Any, proxy: Proxy) -> None:
        proxy.routes[f"{HOST}:80"] = private.port
        address = proxy.url.replace("://", "://me:proxy-secret@")
        found = work("app", indexes=(Index("Corp-Index", f"http://{HOST}/simple/"),), http_proxy=address)
        assert found["app"].url == f"http://{HOST}/files/app/app-1.0-py3-none-any.whl"
        expected = "Basic " + base64.b64encode(b"me:proxy-secret").decode()
        assert {
            headers.get("Proxy-Authorization", headers.get("proxy-authorization")) for headers in proxy.headers
        } == {expected}

    def test_a_host_over_tls_behind_a_proxy_that_sees_no_credentials(
        self, private: SimpleIndex, work: Any, proxy: Proxy, authority: Authority
    ) -> None:
        with serve_tls(private.port, authority.context) as port:
            proxy.routes[f"{HOST}:443"] = port
            index = Index("Corp-Index", f"https://{HOST}/simple/")
            found = work("app", indexes=(index,), HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(authority.certificate))
        assert versions(found) == {"app": "1.0", "lib": "1.0"}
        assert {*proxy.asked} == {f"CONNECT {HOST}:443"}
        assert not [name for headers in proxy.headers for name in headers if name.lower() == "authorization"]

    def test_hosts_that_need_no_proxy_are_asked_directly(self, private: SimpleIndex, work: Any, proxy: Proxy) -> None:
        work("app", indexes=(corp(private),), http_proxy=proxy.url, no_proxy="127.0.0.1")
        assert proxy.asked == []


class TestSecrecy:
    """The commands as users run them, in processes of their own."""

    @pytest.fixture
    def environment(self, private: SimpleIndex, tmp_path: Path) -> Path:
        """An environment whose Debian packages are locked already, and are files of this machine."""
        folder = tmp_path / "environment"
        write_made_environment(folder, ["old"], [made_wheel("old")], [write_deb(tmp_path)])
        self.write_spec(folder, private.url)
        return folder

    @staticmethod
    def write_spec(folder: Path, url: str) -> None:
        (folder / "environment.yaml").write_text(
            f'python: "3.11"\nplatforms: [linux/amd64]\npypi:\n  requirements: [app]\n'
            f"  indexes:\n    - {{name: corp, url: '{url}'}}\n"
        )

    @staticmethod
    def run(tmp_path: Path, *arguments: object, **more: str) -> subprocess.CompletedProcess[bytes]:
        variables = {
            **os.environ, **QUICK, "UV_DEFAULT_INDEX": NOWHERE, "ENVBUILD_CACHE": str(tmp_path / "store"),
            "UV_CACHE_DIR": str(tmp_path / "uv-cache"), "PYTHONPATH": str(ROOT),
            "UV_INDEX_CORP_USERNAME": USER, "UV_INDEX_CORP_PASSWORD": PASSWORD, **more,
        }  # fmt: skip
        line = [sys.executable, "-m", "builder", *map(str, arguments)]
        finished = subprocess.run(line, env=variables, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        told = finished.stdout + finished.stderr
        assert not [secret for secret in SECRETS if secret in told], told
        assert b"Traceback" not in told, told
        return finished

    def test_nothing_that_is_made_or_told_holds_the_password(
        self, private: SimpleIndex, environment: Path, tmp_path: Path
    ) -> None:
        for line in (
            ("--verbose", "lock", environment),
            ("--verbose", "lock", "--check", "--online", environment),
            ("--verbose", "build", environment),
            ("lock", "--export", "requirements.txt", environment),
            ("lock", "--export", "pylock.toml", environment),
        ):
            finished = self.run(tmp_path, *line)
            assert finished.returncode == 0, finished.stderr.decode()
        assert "/files/app/app-1.0-py3-none-any.whl" in private.asked
        assert holding_a_secret(tmp_path, skipped=("uv-cache",)) == []
        layers = [name for name in holding_a_secret(tmp_path / "store", words=(b"version = '1.0'",)) if "blobs" in name]
        assert layers, "what is in layers is looked at too"

    def test_no_error_holds_it(self, private: SimpleIndex, environment: Path, tmp_path: Path) -> None:
        def fails(*arguments: object, **more: str) -> str:
            finished = self.run(tmp_path, "--verbose", *arguments, **more)
            assert finished.returncode in (1, 5, 6)
            return finished.stderr.decode()

        wrong = fails("lock", environment, UV_INDEX_CORP_PASSWORD=f"{PASSWORD}-wrong")
        assert "401" in wrong
        address = private.url.replace("://", f"://{quote(USER, safe='')}:{quote(PASSWORD, safe='')}-wrong@")
        assert "401" in fails(
            "lock", environment, UV_INDEX=address, UV_INDEX_CORP_USERNAME="", UV_INDEX_CORP_PASSWORD=""
        )
        private.before = lambda _: 503
        assert "503" in fails("lock", environment)
        private.before = lambda _: None
        assert self.run(tmp_path, "lock", environment).returncode == 0
        (tmp_path / "store/blobs/sha256" / private.sha256("app", "app-1.0-py3-none-any.whl")).unlink(missing_ok=True)
        del private.projects["app"]
        assert "404" in fails("build", environment)
        assert "401" in fails("build", environment, UV_INDEX_CORP_PASSWORD=f"{PASSWORD}-wrong")
        assert holding_a_secret(tmp_path, skipped=("uv-cache",)) == []


def write_deb(folder: Path) -> DebianPackage:
    """A Debian package with a file in the interpreter's place."""
    control = b"Package: python3.11\nVersion: 3.11.2-6\nArchitecture: amd64\n"
    data = b"!<arch>\n"
    for name, content in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", packed({"./control": control})),
        ("data.tar.gz", packed({"./usr/bin/python3.11": b"#!/bin/false\n"})),
    ):
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    (folder / "python.deb").write_bytes(data)
    made = made_deb("python3.11", "3.11.2-6")
    return replace(made, digest=Digest.of(data), size=len(data), urls=((folder / "python.deb").as_uri(),))


def packed(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()
