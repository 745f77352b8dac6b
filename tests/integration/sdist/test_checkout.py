"""Commits of repositories as archives, fetched by the real git from repositories on this machine."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import tarfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import git_repositories as repositories
import pytest

from builder.errors import EnvbuildError
from builder.lock.pypi.checkout import Checkout
from builder.lock.pypi.checkout_archive import checkout_archive
from builder.oci.store import Store

FILES = {
    "pyproject.toml": b"[project]\nname = 'thing'\nversion = '1'\n",
    "src/thing/__init__.py": b"",
    "run.sh": b"#!/bin/sh\n",
    "version.txt": b"$Format:%H %d$\n",
    "left-out.txt": b"here all the same\n",
    ".gitattributes": b"version.txt export-subst\nleft-out.txt export-ignore\n*.txt text eol=crlf\n",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path / "thing.git", repositories.make_repository(tmp_path / "thing.git", FILES)


def test_a_commit_is_archived_as_its_tree_is(store: Store, repository: tuple[Path, str]) -> None:
    folder, commit = repository
    digest, size = checkout_archive(f"git+file://{folder}@{commit}", store)
    assert store.has(digest, size)
    with tarfile.open(store.path(digest)) as archive:
        members = {member.name: member for member in archive}
        top = f"thing-{commit[:12]}"
        assert set(members) == {top, *(f"{top}/{name}" for name in FILES)}
        assert {member.mtime for member in members.values()} == {315619200}
        assert {member.uid for member in members.values()} == {0}
        assert (members[f"{top}/run.sh"].mode, members[f"{top}/version.txt"].mode) == (0o755, 0o644)
        contents = {name: archive.extractfile(f"{top}/{name}").read() for name in FILES}  # type: ignore[union-attr]
        assert contents == FILES


def test_a_pinned_commit_is_fetched_once(store: Store, repository: tuple[Path, str]) -> None:
    folder, commit = repository
    first = checkout_archive(f"git+file://{folder}@{commit}", store)
    folder.rename(folder.with_name("gone"))
    assert checkout_archive(f"git+file://{folder}@{commit}#subdirectory=src", store) == first


def test_settings_of_the_machine_change_no_byte(
    tmp_path: Path, repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, commit = repository
    found = []
    for number, mask in enumerate((0o022, 0o077)):
        store = Store(tmp_path / f"store-{number}")
        store.create()
        before = os.umask(mask)
        try:
            found.append(checkout_archive(f"git+file://{folder}@{commit}", store))
        finally:
            os.umask(before)
        settings = tmp_path / ".gitconfig"
        settings.write_text("[tar]\n\tumask = 077\n[core]\n\tautocrlf = true\n\thooksPath = /nowhere\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("TZ", "Pacific/Auckland")
        monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert found[0] == found[1]


def test_an_older_commit_of_a_branch_can_be_pinned(store: Store, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = repositories.make_repository(tmp_path / "work-first.git", FILES)
    repositories.git(tmp_path, "clone", "--quiet", str(tmp_path / "work-first.git"), str(work))
    (work / "more.txt").write_bytes(b"more")
    repositories.commit(work)
    digest, _ = checkout_archive(f"git+file://{work}@{first}", store)
    with tarfile.open(store.path(digest)) as archive:
        assert not [name for name in archive.getnames() if name.endswith("more.txt")]


def test_a_submodule_is_an_empty_folder_and_is_not_fetched(store: Store, tmp_path: Path) -> None:
    repositories.make_repository(tmp_path / "inner.git", {"a": b"a"})
    work = tmp_path / "outer"
    repositories.make_repository(tmp_path / "first.git", {"link-target": b"x"})
    repositories.git(tmp_path, "clone", "--quiet", str(tmp_path / "first.git"), str(work))
    repositories.git(work, "submodule", "--quiet", "add", str(tmp_path / "inner.git"), "inner")
    (work / "link").symlink_to("link-target")
    repositories.commit(work)
    commit = repositories.git(work, "rev-parse", "HEAD").strip()
    digest, _ = checkout_archive(f"git+file://{work}@{commit}", store)
    with tarfile.open(store.path(digest)) as archive:
        members = {member.name.partition("/")[2]: member for member in archive}
        assert members["inner"].isdir()
        assert "inner/a" not in members
        assert members["link"].linkname == "link-target"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The folder of the test over HTTP, as a server that knows nothing of git gives it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_without_single_commits_gives_the_same_archive(
    served: str, tmp_path: Path, store: Store, repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    folder, commit = repository
    other = Store(tmp_path / "other")
    other.create()
    assert checkout_archive(f"git+{served}/thing.git@{commit}", store) == checkout_archive(
        f"git+file://{folder}@{commit}", other
    )


def test_a_commit_that_is_not_there_is_said(store: Store, repository: tuple[Path, str]) -> None:
    with pytest.raises(EnvbuildError) as caught:
        checkout_archive(f"git+file://{repository[0]}@{'0' * 40}", store)
    assert caught.value.what == f"`git+file://{repository[0]}@{'0' * 40}` could not be fetched"
    assert caught.value.why == ("the repository has no such commit",)
    assert not list(store.temporary.iterdir())


def test_a_hook_or_program_of_the_repository_is_never_run(store: Store, tmp_path: Path) -> None:
    commit = repositories.make_repository(tmp_path / "thing.git", {"a.txt": b"a", ".gitattributes": b"* filter=x\n"})
    marker = tmp_path / "ran"
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        path = tmp_path / "thing.git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {marker}\n")
        path.chmod(0o755)
    subprocess.run(
        ["git", "--git-dir", str(tmp_path / "thing.git"), "config", "filter.x.smudge", f"touch {marker}"], check=True
    )
    checkout_archive(f"git+file://{tmp_path / 'thing.git'}@{commit}", store)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("git+https://example.org/a.git@main", "is not pinned to a commit"),
        ("git+https://example.org/a.git@1234567", "is not pinned to a commit"),
        ("git+https://example.org/a.git", "is not pinned to a commit"),
        ("git+ssh://git@example.org/a.git", "is not pinned to a commit"),
        (f"git+ext::sh@{'0' * 40}", "cannot be taken"),
        (f"hg+https://example.org/a@{'0' * 40}", "cannot be taken"),
        (f"git+ssh://-oProxyCommand=x/a@{'0' * 40}", "cannot be taken"),
        (f"git+https:///a@{'0' * 40}", "cannot be taken"),
        (f"git+https://example.org/a@{'0' * 40}#subdirectory=../b", "is not inside the repository"),
    ],
)
def test_what_cannot_be_pinned_is_refused(url: str, what: str) -> None:
    with pytest.raises(EnvbuildError, match=what):
        Checkout.parse(url)


@pytest.mark.parametrize("user", ["token", "user:hunter2"])
def test_credentials_in_a_url_are_refused_and_not_shown(user: str) -> None:
    with pytest.raises(EnvbuildError, match="holds credentials") as caught:
        Checkout.parse(f"git+https://{user}@example.org/a.git@{'0' * 40}")
    assert user not in f"{caught.value}{caught.value.hint}"
    assert Checkout.parse(f"git+ssh://git@example.org/a.git@{'0' * 40}").repository == "ssh://git@example.org/a.git"


def _commit_of(repository: Path, entries: str) -> str:
    """A commit of a tree with these entries (git-mktree), and the same tree in itself again and again."""

    def ask(*arguments: str, given: str = "") -> str:
        author = {f"GIT_{role}_{key}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], **author}
        return subprocess.run(
            ["git", f"--git-dir={repository}", *arguments],
            input=given, env=environment, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    blob = ask("hash-object", "-w", "--stdin", given="x")
    tree = ask("mktree", given=entries.replace("BLOB", blob))
    if "BLOB" in entries:
        for _ in range(8):
            tree = ask("mktree", given="".join(f"040000 tree {tree}\t{number}\n" for number in range(10)))
    commit = ask("commit-tree", tree, "-m", "one")
    ask("update-ref", "refs/heads/main", commit)
    return commit


def test_a_tree_that_holds_itself_many_times_is_refused_before_it_is_all_told(store: Store, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.git"
    commit = _commit_of(bomb, "".join(f"100644 blob BLOB\t{number}\n" for number in range(10)))  # 10^9 files
    with pytest.raises(EnvbuildError, match="could not be fetched") as caught:
        checkout_archive(f"git+file://{bomb}@{commit}", store)
    assert caught.value.why == ("it has more than 500000 files",)


def test_a_large_file_is_not_held_in_memory(store: Store, tmp_path: Path) -> None:
    commit = repositories.make_repository(tmp_path / "large.git", {"zeros": bytes(64 << 20), "end": b"e"})
    tracemalloc.start()
    try:
        digest, _ = checkout_archive(f"git+file://{tmp_path}/large.git@{commit}", store)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    with tarfile.open(store.path(digest)) as archive:
        assert [member.size for member in archive] == [0, 1, 64 << 20]


def test_a_link_of_many_bytes_is_refused(store: Store, tmp_path: Path) -> None:
    repository = tmp_path / "link.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(repository)], check=True)
    command = ["git", f"--git-dir={repository}", "hash-object", "-w", "--stdin"]
    blob = subprocess.run(command, input=bytes(1 << 20), check=True, capture_output=True).stdout.decode().strip()
    commit = _commit_of(repository, f"120000 blob {blob}\tlink\n")
    with pytest.raises(EnvbuildError, match="could not be fetched") as caught:
        checkout_archive(f"git+file://{repository}@{commit}", store)
    assert caught.value.why == ("a link in it is too long",)
